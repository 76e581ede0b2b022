"""Every path that rules share, relative to the folder that they run in.

Patterns have {wildcards}, which Snakemake's rules take as they are and `str.format` fills; functions give the concrete
path of a run, where its name follows from the config.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dhel_kcl.study.suite import Run, Suite

GLOBAL_CONFIG = "config/config.yaml"
SUITE_CONFIG = "config/suites/{suite}.yaml"

DATA_FOLDER = "data/{dataset}"
DATA = f"{DATA_FOLDER}/{{file}}"
"""A data set's prepared form, of DATA_FILES."""
DATA_FILES = ("manifest.json", "images.npy", "labels.npy", "part.npy")
SPLIT = "data/splits/{suite}/{dataset}.npz"

SUITE_RUNS = "results/runs/{suite}"
RUN = f"{SUITE_RUNS}/{{dataset}}/{{run}}/seed{{seed}}"
"""A folder each; those of a configuration differ in nothing but the seed."""
RUN_FILE = f"{RUN}/{{file}}"
"""What a run leaves, of TRAINED and EVALUATED."""
TRAINED = ("spec.json", "log.csv", "encoder.safetensors", "projector.safetensors", "provenance.json")
WEIGHTS = ("spec.json", "encoder.safetensors", "projector.safetensors")
"""Those of TRAINED that an evaluation reads."""
EVALUATED = ("probe.json", "predictions.csv", "geometry.json", "spectrum.csv", "similarities.csv")
TRANSFER = f"{RUN}/transfer/{{target}}.json"
"""Evaluation of a run's encoder on another data set."""
SELECTED_RUN = "{method}_m{batch_size}_selected"
"""Name of the runs of a selected setting."""
FINAL_RUN = "{method}_m{batch_size}_final"
"""Name of those at the final length."""
ANALYSIS_PLAN = "docs/analysis_plan.md"
"""What was planned before the runs of confirmatory suites."""
SELECTED = f"{SUITE_RUNS}/{{dataset}}/{SELECTED_RUN}/selected.json"
"""The setting that was selected for a loss at a batch size."""
SCRATCH = "scratch/{suite}/{dataset}/{run}/seed{seed}"
"""A run's checkpoint."""
THROUGHPUT = "scratch/throughput.json"
"""Speeds that plans have measured."""

RUN_LOGS = "logs/{suite}/{dataset}/{run}/seed{seed}"
SETTING_LOGS = f"logs/{{suite}}/{{dataset}}/{SELECTED_RUN}"
DATASET_LOGS = "logs/{suite}/{dataset}"
SUITE_LOGS = "logs/{suite}"
THEORY_LOGS = "logs/theory"
LOGS = "logs"

PLAN = f"{SUITE_RUNS}/plan.csv"
"""Planned speed of each kind of training, on the machine that trained."""
RESULTS = "results/{suite}"
"""A suite's tidy tables, in Git."""
TIDY = f"{RESULTS}/{{table}}.csv"
"""One of TIDY_TABLES."""
TIDY_TABLES = ("runs", "epochs", "predictions", "spectra", "similarities", "costs")
CLAIMS = f"{RESULTS}/claims.csv"
METRICS = f"{RESULTS}/metrics.json"
SUITE_PROVENANCE = f"{RESULTS}/provenance.json"

FIGURES = "paper_figures"
FIGURE = f"{FIGURES}/{{suite}}/{{figure}}.{{format}}"
TABLE = f"{FIGURES}/{{suite}}/{{table}}.{{format}}"
PUBLISHED = f"{FIGURES}/published.{{format}}"
"""What others published."""
PUBLISHED_MARK = "results/runs/published"
"""Says that its table was made here. Git restores the table alone, and nothing would say how it was made."""
FIGURE_FORMATS = ("pdf", "png")

THEORY_RESULTS = "results/theory"
THEORY_RESULT = f"{THEORY_RESULTS}/{{experiment}}.{{format}}"
"""Table (csv) and verdicts (json) of a theory experiment."""
THEORY_PROVENANCE = f"{THEORY_RESULTS}/provenance.json"
THEORY_RECORD = "results/runs/theory/{experiment}/provenance.json"
THEORY_FIGURE = f"{FIGURES}/theory/{{experiment}}.{{format}}"
THEORY_TABLE = f"{FIGURES}/theory/{{theory_table}}.{{format}}"


def data_folder(dataset: str) -> str:
    return DATA_FOLDER.format(dataset=dataset)


def run_folder(run: "Run") -> str:
    return RUN.format(suite=run.suite, dataset=run.dataset, run=run.name, seed=run.seed)


def run_files(run: "Run") -> list[str]:
    """What a run leaves, but for its transfers."""
    files = TRAINED + EVALUATED if run.trained else EVALUATED
    return [f"{run_folder(run)}/{file}" for file in files]


def run_record(run: "Run") -> str:
    """File that a finished training records itself in."""
    return f"{run_folder(run)}/provenance.json"


def run_records(suite: "Suite") -> list[str]:
    """Those of all of a suite's trainings."""
    return [run_record(run) for run in suite.runs if run.trained]


def transfer(run: "Run", target: str) -> str:
    """File of a run's evaluation on the data set `target`."""
    return TRANSFER.format(suite=run.suite, dataset=run.dataset, run=run.name, seed=run.seed, target=target)


def selected_run(method: str, batch_size: int) -> str:
    return SELECTED_RUN.format(method=method, batch_size=batch_size)


def final_run(method: str, batch_size: int) -> str:
    return FINAL_RUN.format(method=method, batch_size=batch_size)


def selected(run: "Run") -> str:
    """File of the setting that is selected for a run's loss, batch size and data set."""
    return SELECTED.format(suite=run.suite, dataset=run.dataset, method=run.method, batch_size=run.batch_size)


def theory_record(experiment: str) -> str:
    return THEORY_RECORD.format(experiment=experiment)


def transfers(suite: "Suite", run: "Run") -> list[str]:
    """Files of all of a run's transfers."""
    return [transfer(run, target) for target in suite.transfers(run)]


def completed(suite: "Suite", run: "Run") -> list[str]:
    """Files that say that a run is complete: Git does not restore them, so who asks for them gets the run."""
    names = ("probe.json", "encoder.safetensors") if run.trained else ("probe.json",)
    return [*(f"{run_folder(run)}/{name}" for name in names), *transfers(suite, run)]


def versioned(suites: Iterable["Suite"], experiments: Iterable[str]) -> list[str]:
    """Files of all runs, of suites and theory, that DVC versions and Snakemake must know the origin of."""
    files = [theory_record(experiment) for experiment in experiments]
    for suite in suites:
        files += [file for run in suite.runs for file in (*run_files(run), *transfers(suite, run))]
        files += sorted({selected(run) for run in suite.runs if run.role == "grid"})
    return files


def collected(suite: "Suite") -> list[str]:
    """Files that the tidy tables are made from: those of every run of the config, and none that merely lies there."""
    return [file for file in versioned([suite], []) if not file.endswith(".safetensors")]
