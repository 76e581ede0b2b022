"""What all rules share: the checked suites, the digests of the code, the paths.

Conventions: rules are verb_noun; a run's folder is results/runs/<suite>/<dataset>/<run>/seed<seed>; a job's whole
specification is ONE parameter, `spec`, as JSON (Snakemake compares parameters as a set, so two swapped values in
separate parameters would go unnoticed); `code` is the digest of the Python code behind the job.
"""

import json
import os
import shlex
import sys
from base64 import encodebytes, urlsafe_b64encode
from pathlib import Path

from dhel_kcl.runtime import digest
from dhel_kcl.steps import record as stamp
from dhel_kcl.study.config import ConfigError, load_global, suite_names
from dhel_kcl.evidence.figures import FIGURES, figures_of
from dhel_kcl.study.suite import Suite, dataset_title
from dhel_kcl.evidence.tables import TABLES, tables_of
from dhel_kcl.presentation.table_files import FORMATS
from dhel_kcl.theory import EXPERIMENTS
from dhel_kcl.theory import TABLES as THEORY_TABLES
from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
# Jobs run in the Python environment of this Snakemake, activated or not.
shell.prefix(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

try:
    DEFAULT_SUITE = {**load_global(ROOT), **config}["default_suite"]
    SUITES = {name: Suite.load(ROOT, name) for name in suite_names(ROOT)}
except ConfigError as error:
    raise WorkflowError(str(error))

if unknown := sorted(config.keys() - {"default_suite", "from_tables"}):
    raise WorkflowError(f"--config: unknown key {unknown[0]!r}; allowed: default_suite, from_tables")
# Whether the tidy tables, as Git has them, are where the graph begins: runs are then neither needed nor planned.
FROM_TABLES = config.get("from_tables", False)
if FROM_TABLES not in (True, False):
    raise WorkflowError(f"--config: from_tables: {FROM_TABLES!r} is neither True nor False")
if DEFAULT_SUITE not in SUITES:
    raise WorkflowError(
        f"config/config.yaml: default_suite: {DEFAULT_SUITE!r} is unknown; allowed: {', '.join(SUITES)}"
    )

DATA_FILES = ["manifest.json", "images.npy", "labels.npy", "part.npy"]
RUN = "results/runs/{suite}/{dataset}/{run}/seed{seed}"
PRETRAINED = ["spec.json", "log.csv", "encoder.safetensors", "projector.safetensors", "provenance.json"]
PROBED = ["probe.json", "predictions.csv", "geometry.json", "spectrum.csv", "similarities.csv"]


def is_recorded(file):
    """Whether Snakemake knows how an output was made, or that its job did not end."""
    name = urlsafe_b64encode(file.encode()).decode()
    parts = [name[start : start + 254] for start in range(0, len(name), 254)]
    record = Path(*(f"@{part}" for part in parts[:-1]), parts[-1])
    return any(Path(".snakemake", kind, record).is_file() for kind in ("metadata", "incomplete"))


# Snakemake trusts files that it has no record of, so ones copied here or stale would pass for results.
VERSIONED = [f"results/runs/theory/{experiment}/provenance.json" for experiment in EXPERIMENTS]
for run in (run for suite in SUITES.values() for run in suite.runs if Path(run.configuration).is_dir()):
    VERSIONED += [f"{run.configuration}/selected.json", *(f"{run.folder}/{name}" for name in PRETRAINED + PROBED)]
for file in VERSIONED:
    if Path(file).is_file() and not is_recorded(file):
        raise WorkflowError(
            f"{file} is there, but nothing in .snakemake/metadata says how it was made. "
            "Go back to the last versioned results with `dvc pull --force`, or delete the file (or all of "
            "results/runs) to compute it anew."
        )

if "DVC_STAGE" in os.environ:
    print(
        "Under DVC too, only what is out of date is computed, `dvc repro --force` or not. To compute everything anew: "
        "snakemake --cores all --forceall, and then dvc repro to version it.",
        file=sys.stderr,
    )


wildcard_constraints:
    suite="|".join(SUITES),
    dataset="[^/]+",
    run="[^/]+",
    seed=r"\d+",


def run_of(wildcards):
    folder = RUN.format(**wildcards)
    runs = SUITES[wildcards.suite].by_folder
    if folder not in runs:
        raise WorkflowError(f"{folder} is not a run of suite {wildcards.suite}")
    return runs[folder]


def run_records(name, dataset):
    """What the runs of a suite on one data set leave."""
    suite = SUITES[name]
    runs = [run for run in suite.runs if run.dataset == dataset]
    records = [f"{run.folder}/probe.json" for run in runs]
    records += [f"{run.folder}/encoder.safetensors" for run in runs if run.trained]
    return records + [f"{run.folder}/transfer/{target}.json" for run in runs for target in suite.transfers(run)]


def suite_results(name):
    """Everything of a suite. Run records are named too: Git restores only tables and figures, and a bare clone
    must plan the runs."""
    records = [file for dataset in SUITES[name].datasets for file in run_records(name, dataset)]
    return [*records, *evidence(name), f"results/{name}/metrics.json", f"results/{name}/provenance.json"]


def are_there(files):
    return all(Path(file).is_file() for file in files)


def evidence(name):
    """Figures and tables of a suite."""
    suite = SUITES[name]
    figures = [f"paper_figures/{name}/{f}.{e}" for f in figures_of(suite) for e in ("pdf", "png")]
    return figures + [f"paper_figures/{name}/{t}.{e}" for t in tables_of(suite) for e in FORMATS]


def sample_sizes(wildcards):
    """What n is in the figures and tables of a suite, for their captions."""
    suite = SUITES[wildcards.suite]
    texts = []
    for dataset in suite.datasets:
        settings = suite.settings(dataset)
        seeds = [f"{1 + len(settings['seeds']['selected'])} at selected settings, 1 at other grid points"]
        if dataset in suite.config.get("trade_off", {}).get("datasets", []):
            seeds.append(f"{len(suite.config['trade_off']['seeds'])} on trade-off curves")
        seeds.append(f"{len(settings['floors']['seeds'])} for floors (raw pixels 1)")
        images = f"{settings['split']['test']} test images"
        texts.append(f"{dataset_title(dataset)}, seeds {', '.join(seeds)}; {images}")
    return ". ".join(texts)


def embedded(image):
    """URI that holds a PNG, for the opening page of the report; in lines, since reStructuredText limits their length."""
    return f"data:image/png;base64,{encodebytes(Path(image).read_bytes()).decode().rstrip()}"


def repository(wildcards, output):
    """Folder of the config that tables are made for. Snakemake does not record parameters that depend on `output`,
    and must not record this one: a clone lies elsewhere."""
    return str(ROOT)


def again(wildcards, output):
    """Makes a forced run start over: it would end at once with the checkpoint that the finished run left. Not recorded,
    like `repository`: a forced run is as good as another."""
    forced = workflow.dag_settings.forceall or "pretrain" in workflow.dag_settings.forcerun
    return "--again" if forced else ""


def processes(wildcards):
    """Processes of one pretraining run."""
    return SUITES[wildcards.suite].settings(wildcards.dataset)["processes"]


def launcher(count):
    """What starts a Python module in `count` processes."""
    return "python" if count == 1 else f"torchrun --standalone --nproc-per-node {count}"


def gpus(count):
    """Resource `gpu` of a job: `count`, unless its suite asks for the CPU."""
    return lambda wildcards: 0 if SUITES[wildcards.suite].config["device"] == "cpu" else count(wildcards)


def trainings(wildcards):
    """What the speed of a suite's trainings depends on."""
    suite = SUITES[wildcards.suite]
    keys = ("backbone", "augment", "batch_sizes", "floors", "processes")
    settings = [[suite.settings(dataset)[key] for key in keys] for dataset in suite.datasets]
    return json.dumps([suite.datasets, settings, *(suite.config[key] for key in ("precision", "device", "threads"))])


def split_arguments(wildcards):
    split = SUITES[wildcards.suite].config["datasets"][wildcards.dataset]["split"]
    return " ".join(f"--{key} {value}" for key, value in split.items() if value is not None)


def selected_of(wildcards):
    """selected.json for the further seeds of a selected setting; nothing for grid points and floors."""
    run = run_of(wildcards)
    return f"{run.configuration}/selected.json" if run.role == "selected" else []


def trained_run(wildcards):
    """Weights and spec of the run; nothing for the raw pixels."""
    if not run_of(wildcards).trained:
        return []
    folder = RUN.format(**wildcards)
    return [f"{folder}/{name}" for name in ("spec.json", "encoder.safetensors", "projector.safetensors")]


def candidates(wildcards):
    """Folders of the grid points that a setting is chosen from."""
    suite = SUITES[wildcards.suite]
    grid = suite.candidates(wildcards.dataset, wildcards.method, int(wildcards.batch_size))
    return [run.folder for run in grid]


def records(wildcards):
    """What the tidy tables are made from: every run of the suite's config, and nothing that merely lies there."""
    suite = SUITES[wildcards.suite]
    trained = ["spec.json", "log.csv", "provenance.json"]
    files = [f"{run.folder}/{name}" for run in suite.runs for name in PROBED]
    files += [f"{run.folder}/{name}" for run in suite.runs if run.trained for name in trained]
    files += [f"{run.folder}/transfer/{target}.json" for run in suite.runs for target in suite.transfers(run)]
    choices = {
        f"results/runs/{suite.name}/{run.dataset}/{run.method}_m{run.batch_size}_selected/selected.json"
        for run in suite.runs
        if run.role == "grid"
    }
    return files + sorted(choices)
