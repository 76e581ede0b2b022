"""What all rules share: the checked suites, the digests of the code, the paths.

Conventions: rules are verb_noun and run the step `dhel-kcl <verb>` (`join_results` runs collect); every path that rules
share comes from `dhel_kcl.study.layout`; a job's whole specification is ONE parameter, `spec`, as JSON (Snakemake
compares parameters as a set, so two swapped values in separate parameters would go unnoticed); `code` is the digest of
the science behind it.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from dhel_kcl.evidence.figures import FIGURES, figures_of
from dhel_kcl.evidence.published import PUBLISHED
from dhel_kcl.evidence.tables import TABLES, tables_of
from dhel_kcl.files import sha256
from dhel_kcl.presentation.table_files import FORMATS
from dhel_kcl.runtime import (
    cli,
    digest,
    job_progress,
    live_curves,
    origins,
    provenance,
    science,
    snakemake_metadata,
    warm,
)
from dhel_kcl.study import layout
from dhel_kcl.study.config import ConfigError, load_global, own_images, suite_names
from dhel_kcl.study.suite import FLOORS, Suite
from dhel_kcl.theory import EXPERIMENTS
from dhel_kcl.theory import TABLES as THEORY_TABLES
from dhel_kcl.training import cores
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.resources import Resource
from snakemake.settings.enums import Quietness
from snakemake.utils import available_cpu_count
from snakemake_interface_executor_plugins.settings import ExecMode

ROOT = Path(workflow.basedir)
if (OWN := ROOT / "src/dhel_kcl").is_dir() and not OWN.samefile(digest.SOURCE):
    raise WorkflowError(
        f"this is the workflow of {ROOT}, and Python's package dhel_kcl is that of {digest.SOURCE.parents[1]}: call "
        f"{ROOT}/.venv/bin/snakemake (after `make install` there), or activate the environment that has this one."
    )
# Jobs run in the Python environment of this Snakemake, activated or not.
shell.prefix(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

try:
    DEFAULT_SUITE = {**load_global(ROOT).model_dump(), **config}["default_suite"]
    SUITES = {name: Suite.load(ROOT, name) for name in suite_names(ROOT)}
    OWN_IMAGES = own_images({name: suite.config for name, suite in SUITES.items() if not suite.is_joint})
except ConfigError as error:
    raise WorkflowError(str(error))

KEYS = ("default_suite", "from_tables", "log")
if unknown := sorted(config.keys() - set(KEYS)):
    raise WorkflowError(f"--config: {cli.unknown('key', unknown[0], KEYS)}")
# Whether the tidy tables, as Git has them, are where the graph begins: runs are then neither needed nor planned.
FROM_TABLES = config.get("from_tables", False)
if FROM_TABLES not in (True, False):
    raise WorkflowError(f"--config: from_tables: {FROM_TABLES!r} is neither True nor False")
# The program that each training writes its curves for.
LOG = config.get("log")
if LOG not in (None, *live_curves.PROGRAMS):
    raise WorkflowError(f"--config: log: {cli.unknown('program', str(LOG), live_curves.PROGRAMS)}")
if LOG:
    try:
        live_curves.require_package()
    except ValueError as error:
        raise WorkflowError(f"--config: log: {error}")
if DEFAULT_SUITE not in SUITES:
    raise WorkflowError(f"config/config.yaml: default_suite: {cli.unknown('suite', str(DEFAULT_SUITE), list(SUITES))}")

if workflow.exec_mode == ExecMode.DEFAULT:
    if files := snakemake_metadata.unrecorded(
        layout.versioned([suite for suite in SUITES.values() if not suite.is_joint], EXPERIMENTS)
    ):
        raise WorkflowError(
            f"{files[0]} is there, but nothing in .snakemake/metadata says how it was made. "
            "Go back to the last versioned results with `dvc pull --force`, or delete the file (or all of "
            "results/runs) to compute it anew."
        )
    # What a shell's profile says of threads is not meant for this process; Snakemake says it to each job anew.
    os.environ.pop("OMP_NUM_THREADS", None)
    # `--cores all` counts the cores of this process's affinity, and leaves out what its control group may use of them.
    if workflow.global_resources["_cores"].value == available_cpu_count():
        workflow.register_resource("_cores", Resource("_cores", cores.available()))
else:
    # A job of its own, as Slurm's: it stays within what it was given, and hands nothing to a process outside.
    os.environ.pop(warm.ADDRESS, None)
    if os.environ.get(origins.PLANNED) not in (None, origins.of_study(SUITES.values())):
        raise WorkflowError(
            "config or source changed after this job was planned: stop the Snakemake that sent it, and run the same "
            "command again. To edit while jobs wait, use a second clone."
        )
if hindrance := provenance.git_revision()[1]:
    print(f"Warning: {hindrance}", file=sys.stderr)

if "DVC_STAGE" in os.environ:
    print(
        "Under DVC too, only what is out of date is computed, `dvc repro --force` or not. To compute everything anew: "
        "snakemake --cores all --forceall, and then dvc repro to version it.",
        file=sys.stderr,
    )

# Runs of methods that no suite has in its main comparison, and those at the final length.
METHODS = [method for suite in SUITES.values() for method in suite.methods.values()]
LATER = {method.name for method in METHODS} - {method.name for method in METHODS if method.section == "losses"}
LATER_RUN = rf"(?:(?:{'|'.join(sorted(LATER))})_[^/]+|[^/]+{layout.FINAL_RUN.rpartition('}')[2]})(?=/)"


# Suites that run something, and those that show results of others.
SINGLE, JOINT = [
    "|".join(name for name, suite in SUITES.items() if suite.is_joint == joint) or "(?!)" for joint in (False, True)
]


wildcard_constraints:
    suite="|".join(SUITES),
    dataset="[^/]+",
    run="[^/]+",
    seed=r"\d+",
    method="[a-z0-9-]+",
    batch_size=r"\d+",
    target="[^/]+",
    figure="|".join(FIGURES),
    table="|".join(TABLES),
    experiment="|".join(EXPERIMENTS),
    theory_table="|".join(THEORY_TABLES),


WHERE_RESULTS_ARE = (
    f"Tables are in {layout.RESULTS} and {Path(layout.TABLE).parent}, figures in {Path(layout.FIGURE).parent}; "
    "`make report` puts all on one page."
).replace("{suite}", "<suite>")
# A table's forms, besides the one that the report shows.
BESIDE_HTML = [name for name in FORMATS if name != "html"]
# What lives as long as this Snakemake: the warm process, which ends when its standard input is closed.
STARTED = {}
PRETRAINING = {"pretrain_encoder", "pretrain_later"}


def begin_run():
    """Start what makes jobs start at once, and the line that says how far they are."""
    if workflow.exec_mode != ExecMode.DEFAULT:  # a single job, which another Snakemake sent to a cluster's node
        return
    if workflow.non_local_exec:
        os.environ[origins.PLANNED] = origins.of_study(SUITES.values())
    warn_of_hardware()
    # Where jobs a second are limited, Snakemake starts a timer whenever it looks for jobs, to look again when that ends.
    # They add up, one a job: after 65 jobs that took half a core. Its default, 100 a second, limits nothing here.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    STARTED["warm"] = warm.start()
    asked, dag = workflow.output_settings, workflow.dag
    if not (asked.verbose or asked.printshellcmds or {Quietness.ALL, Quietness.PROGRESS} & set(asked.quiet or ())):
        kinds = {dag.jobid(job): kind_of(job) for job in dag.needrun_jobs()}
        STARTED["progress"] = job_progress.follow(logger, kinds)


def end_run(message):
    if "progress" in STARTED:
        STARTED["progress"].end(message)


def warn_of_hardware():
    """Say so where trainings start that are meant for a GPU, or a processor with bf16, and there is none."""
    if not workflow.local_exec or workflow.dryrun:
        return
    trained = {job.wildcards.suite for job in workflow.dag.needrun_jobs() if job.rule.name in PRETRAINING}
    meant = {
        name for name in trained if SUITES[name].config.device == "auto" or SUITES[name].config.precision == "bf16"
    }
    for name in sorted(meant):
        step = [str(Path(sys.executable).with_name("dhel-kcl")), "plan", "--root", str(ROOT), "--suite", name, "--warn"]
        if said := subprocess.run(step, stdout=subprocess.PIPE, text=True, check=False).stdout.strip():
            logger.warning(said)


def kind_of(job):
    """Jobs of a kind take about as long."""
    if "run" not in job.wildcards.keys():
        return (job.rule.name,)
    run = run_of(job.wildcards)
    length = SUITES[run.suite].training(run)
    epochs, updates = length.epochs, length.updates_at(run.batch_size)
    return job.rule.name, run.suite, run.dataset, run.batch_size, run.method in FLOORS, epochs, updates


def run_of(wildcards):
    folder = layout.RUN.format(**wildcards)
    runs = SUITES[wildcards.suite].by_folder
    if folder not in runs:
        raise WorkflowError(
            f"{folder} is not a run of suite {wildcards.suite}; its file in config/suites says which there are"
        )
    return runs[folder]


def results_of(wildcards):
    return layout.RESULTS.format(**wildcards)


def stem(wildcards, output):
    """Path of an output without its ending, where a step writes several files of one name."""
    return Path(output[0]).with_suffix("")


def explain(wildcards):
    """What was meant by a target that does not exist; Snakemake would only say "No rule to produce"."""
    raise WorkflowError(cli.unknown("target", wildcards.misspelt, ["all", "theory", *SUITES]))


def are_there(files):
    return all(Path(file).is_file() for file in files)


def evidence(name):
    """Figures and tables of a suite."""
    suite = SUITES[name]
    figures = expand(layout.FIGURE, suite=name, figure=figures_of(suite), format=layout.FIGURE_FORMATS)
    return figures + expand(layout.TABLE, suite=name, table=tables_of(suite), format=FORMATS)


def suite_results(name):
    """Everything of a suite. Run records are named too: Git restores only tables and figures, and a bare clone
    must plan the runs."""
    suite = SUITES[name]
    runs = [] if suite.is_joint else [file for run in suite.runs for file in layout.completed(suite, run)]
    rest = [layout.METRICS, layout.SUITE_PROVENANCE]
    return [*runs, *evidence(name), *expand(rest, suite=name)]


def repository(wildcards, output):
    """Folder of the config that tables are made for. Snakemake does not record parameters that depend on `output`,
    and must not record this one: a clone lies elsewhere."""
    return str(ROOT)


def processes(wildcards):
    """Processes of one pretraining run."""
    return SUITES[wildcards.suite].settings(wildcards.dataset).processes


def gpus(count):
    """Resource `gpu` of a job: `count`, unless its suite asks for the CPU."""
    return lambda wildcards: 0 if SUITES[wildcards.suite].config.device == "cpu" else count(wildcards)


def threads_of(wildcards):
    return SUITES[wildcards.suite].config.threads


def suite_spec(wildcards):
    """Digest of all that a suite decides: config, runs, titles."""
    return SUITES[wildcards.suite].digest()


def own_arguments(wildcards):
    """Where the images of a data set of one's own lie, and what becomes of them; nothing for a public one."""
    if wildcards.dataset not in OWN_IMAGES:
        return ""
    own = OWN_IMAGES[wildcards.dataset]
    streamed = {None: "", True: " --streamed", False: " --no-streamed"}[own.streamed]
    return f"--folder {shlex.quote(own.folder)} --size {own.size}{streamed}"


def split_arguments(wildcards):
    split = SUITES[wildcards.suite].split(wildcards.dataset).model_dump()
    return " ".join(f"--{key} {value}" for key, value in split.items() if value is not None)


def records_of(wildcards):
    """What the runs of a suite record of themselves."""
    suite = SUITES[wildcards.suite]
    return [] if suite.is_joint else layout.run_records(suite)


def joined_tables(wildcards):
    """Checksums of the tidy tables, of the suites that a joint one joins, that are there."""
    suite = SUITES[wildcards.suite]
    files = [layout.SUITE_PROVENANCE.format(suite=name) for name in suite.configs]
    files += [layout.TIDY.format(suite=name, table=table) for name in suite.configs for table in layout.TIDY_TABLES]
    there = {file: sha256(Path(file)) for file in files if Path(file).is_file()}
    if not there:
        raise WorkflowError(f"{suite.name} shows results of {', '.join(suite.configs)}: run one of these suites first")
    return json.dumps(there)


def origins_of(wildcards):
    """Digests of all that the results of a suite come from."""
    suite = SUITES[wildcards.suite]
    return json.dumps(origins.of_suite(suite)) + (joined_tables(wildcards) if suite.is_joint else "")


def selected_of(wildcards):
    """selected.json for the runs of a selected setting; nothing for grid points and floors."""
    run = run_of(wildcards)
    return layout.selected(run) if run.takes_selected else []


def again(wildcards, output):
    """Makes a forced run start over: it would end at once with the checkpoint that the finished run left. Not recorded,
    like `repository`: a forced run is as good as another."""
    forced = workflow.dag_settings.forceall or PRETRAINING & set(workflow.dag_settings.forcerun)
    return "--again" if forced else ""


def curves(wildcards, output):
    """Makes a run write its curves while it trains. Not recorded, like `repository`: they change no result."""
    return f"--live {LOG}" if LOG else ""


def launcher(wildcards):
    """What starts a step in as many processes as share a run."""
    count = processes(wildcards)
    return "dhel-kcl" if count == 1 else f"torchrun --standalone --nproc-per-node {count} -m dhel_kcl"


def trained_run(wildcards):
    """Weights and spec of the run; nothing for the raw pixels."""
    if not run_of(wildcards).trained:
        return []
    return expand(layout.RUN_FILE, file=layout.WEIGHTS, **wildcards)


def candidates(wildcards):
    """Folders of the grid points that a setting is chosen from."""
    suite = SUITES[wildcards.suite]
    grid = suite.candidates(wildcards.dataset, wildcards.method, int(wildcards.batch_size))
    return [run.folder for run in grid]


def trainings(wildcards):
    """What the speed of a suite's trainings depends on."""
    suite = SUITES[wildcards.suite]
    by_size = {(run.dataset, run.batch_size): run for run in suite.runs if run.trained}
    keys = ("backbone", "projector_dim", "augment", "batch_size", "precision", "device", "processes", "threads")
    return json.dumps([{key: suite.pretrain_spec(run)[key] for key in keys} for run in by_size.values()])
