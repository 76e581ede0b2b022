"""What a suite costs: its jobs and how many of them are done, hours on a device, disk; as a text."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from dhel_kcl.evaluation.embed import BATCH
from dhel_kcl.files import read_json, reading
from dhel_kcl.runtime.preflight import gigabytes, model_bytes
from dhel_kcl.runtime.speed import Benchmark, EmbeddingBenchmark, TrainingBenchmark, measured
from dhel_kcl.study import job_counts, layout
from dhel_kcl.study.suite import Run, Suite
from dhel_kcl.training import cores
from dhel_kcl.training.networks import build_encoder, build_projector
from dhel_kcl.views.augment import Augment

GROUPS = {
    "grid": "grid",
    "selected": "selected settings, further seeds",
    "final": "selected settings, final length",
    "point": "causes",
    "floor": "floors",
}
"""What the runs of a role are called."""
SMALL_FILES = 100_000
"""Bytes of a run's records besides its weights."""


@dataclass(frozen=True)
class Work:
    """Work of one kind: how many jobs do it, how many of them are done, and what each takes.

    kind: "training"; "plain" or "augmented" images of an evaluation, whose one job does both. images: views of a
    training or images of an evaluation. benchmark: what the rate of one process is measured for. spent: seconds that
    the trainings took that are done, by their own records. processes: that share a job, each with a rate of its own.
    """

    dataset: str
    what: str
    kind: str
    batch_size: int | None
    jobs: int
    done: int
    images: int
    benchmark: Benchmark
    spent: float = 0.0
    processes: int = 1

    @property
    def left(self) -> int:
        """Images to do."""
        return (self.jobs - self.done) * self.images


def of_suite(suite: Suite, precision: str) -> list[Work]:
    """All work of a suite; `precision` in the place of "auto"."""
    return [*of_trainings(suite, precision), *of_evaluations(suite)]


def of_trainings(suite: Suite, precision: str) -> list[Work]:
    """Trainings by data set, group, batch size and length; `precision` in the place of "auto"."""
    groups: dict[tuple[str, str, int, int], list[Run]] = {}
    for run in suite.runs:
        if images := job_counts.views(suite, run):
            what = "ablations" if run.section == "ablations" else GROUPS[run.role]
            groups.setdefault((run.dataset, what, run.batch_size, images), []).append(run)
    works = []
    for (dataset, what, size, images), runs in groups.items():
        spent = [seconds for run in runs if (seconds := seconds_of(run)) is not None]
        benchmark, processes = training_benchmark(suite, runs[0], precision), suite.settings(dataset).processes
        jobs, done = len(runs), len(spent)
        works.append(Work(dataset, what, "training", size, jobs, done, images, benchmark, sum(spent), processes))
    return works


def seconds_of(run: Run) -> float | None:
    """That the training took, by its record; None where it is not done."""
    file = Path(layout.run_record(run))
    if not file.is_file():
        return None
    with reading(file, "delete its folder and run again to rebuild it"):
        return float(read_json(file)["training_seconds"])


def of_evaluations(suite: Suite) -> Iterator[Work]:
    """Encoders evaluated on their own data set, and the transfers onto the others."""
    for source, target in itertools.product(suite.datasets, suite.all_datasets):
        runs = [run for run in suite.runs if run.dataset == source and run.trained]
        if source == target:
            what, files = "evaluations", [f"{run.folder}/probe.json" for run in runs]
            plain, augmented = job_counts.evaluated_images(suite, target)
        else:
            files = [layout.transfer(run, target) for run in runs if target in suite.transfers(run)]
            what = f"transfers to {target}"
            plain, augmented = job_counts.transferred_images(suite, target), 0
        done = sum(Path(file).is_file() for file in files)
        for kind, images in (("plain", plain), ("augmented", augmented)):
            if files and images:
                benchmark = embedding_benchmark(suite, source, target)
                yield Work(source, what, kind, None, len(files), done, images, benchmark)


def training_benchmark(suite: Suite, run: Run, precision: str) -> TrainingBenchmark:
    """Of a training."""
    dataset = suite.dataset(run.dataset)
    return TrainingBenchmark.of(suite.pretrain_spec(run), precision, dataset.channels, dataset.side)


def embedding_benchmark(suite: Suite, source: str, target: str) -> EmbeddingBenchmark:
    """Of an encoder trained on `source` that sees images of `target`: augmented ones where its evaluation has such,
    which are a hundred times as many as the plain ones."""
    spec, dataset = suite.evaluation_spec(target), suite.dataset(target)
    threads, augmented = cores.taken(spec["threads"]), source == target and spec["augmented"]
    augment = augmented["augment"] if augmented else {"size": spec["augment"]["size"]}
    shape = (BATCH, dataset.channels, dataset.side, dataset.side)
    return EmbeddingBenchmark(_backbone(suite, source), Augment(**augment), shape, threads)


def _backbone(suite: Suite, dataset: str) -> dict[str, Any]:
    return suite.settings(dataset).backbone.model_dump(mode="json")


def planned_speeds(suite: Suite, precision: str, place: torch.device, cache: Path) -> list[dict[str, Any]]:
    """Rows of plan.csv: views a second of a training on each data set at each batch size."""
    runs = {(run.dataset, run.batch_size): run for run in suite.runs}
    benchmarks = {key: training_benchmark(suite, run, precision) for key, run in runs.items()}
    rates = measured(benchmarks.values(), place, cache)
    speeds = {key: rates[benchmark.key] * suite.settings(key[0]).processes for key, benchmark in benchmarks.items()}
    return [
        {"dataset": dataset, "batch_size": size, "views_per_second": speed} for (dataset, size), speed in speeds.items()
    ]


@dataclass(frozen=True)
class Space:
    """Bytes on disk: how many there are in the end, and how many of them there are already."""

    name: str
    needed: int
    there: int


def disk(suite: Suite) -> list[Space]:
    """Data sets, while they are prepared; weights and records of runs; checkpoints."""
    spaces = []
    for dataset in suite.all_datasets:
        folder, size = layout.data_folder(dataset), suite.dataset(dataset).disk
        spaces.append(Space(folder, size, size if Path(folder, "manifest.json").is_file() else 0))
    weights = {dataset: network_bytes(suite, dataset) for dataset in suite.datasets}

    def kept(runs: list[Run]) -> int:
        return sum(weights[run.dataset] + SMALL_FILES for run in runs)

    def scratch(runs: list[Run]) -> int:
        """A checkpoint has weights and momentum."""
        return sum(2 * weights[run.dataset] for run in runs)

    for part in suite.parts:
        runs = [run for run in part.runs if run.trained]
        done = [run for run in runs if Path(layout.run_record(run)).is_file()]
        spaces.append(Space(layout.SUITE_RUNS.format(suite=part.name), kept(runs), kept(done)))
        spaces.append(Space(f"scratch/{part.name}, checkpoints", scratch(runs), scratch(done)))
    return spaces


def network_bytes(suite: Suite, dataset: str) -> int:
    """Of the encoder and projector of a run on a data set."""
    with torch.device("meta"):
        encoder = build_encoder(_backbone(suite, dataset), suite.dataset(dataset).channels)
        projector = build_projector(encoder.features, suite.config_of(dataset).projector_dim)
    return model_bytes(encoder) + model_bytes(projector)


@dataclass(frozen=True)
class Hours:
    """What work takes on a device.

    rates: images a second by the key of a benchmark. of_cores: whether what is counted are the hours of the cores that
    a job takes, and not those of a GPU.
    """

    rates: Mapping[str, float]
    of_cores: bool

    @property
    def unit(self) -> str:
        return "core-hours" if self.of_cores else "GPU-hours"

    def rate(self, work: Work) -> float:
        """Images a second of one job."""
        return self.rates[work.benchmark.key] * work.processes

    def each(self, work: Work) -> float:
        """Hours of one job."""
        return work.images / self.rate(work) / 3600

    def left(self, work: Work) -> float:
        """Hours of the unit of all jobs that are to do."""
        units = work.processes * (work.benchmark.threads if self.of_cores else 1)
        return work.left / self.rate(work) / 3600 * units


def text(suite: Suite, works: Sequence[Work], hours: Hours | None) -> str:
    """The plan: a table of the work, with its hours where they are known, and one of the disk."""
    spaces = [[space.name, gigabytes(space.needed), gigabytes(space.there)] for space in disk(suite)]
    lines = [
        *counts(suite, works),
        "",
        work_table(works, hours),
        "",
        tabulate(spaces, ["disk", "needed", "there"], colalign=["left", "right", "right"]),
    ]
    return "\n".join(lines)


def counts(suite: Suite, works: Sequence[Work]) -> list[str]:
    """How many runs there are, of which kinds, and as which jobs Snakemake counts them."""
    trainings = [work for work in works if work.kind == "training"]
    trained, done = sum(work.jobs for work in trainings), sum(work.done for work in trainings)
    by_method = Counter(run.method for run in suite.runs)
    random, pixels = by_method["random"], by_method["pixels"]
    settings = {(run.dataset, run.method, run.batch_size) for run in suite.runs if run.role == "grid"}
    transfers = sum(len(suite.transfers(run)) for run in suite.runs)
    evaluations = f"{len(suite.runs)} evaluate (all runs)" + (f", {transfers} transfer" if transfers else "")
    return [
        f"{suite.name}: {trained} trainings, {done} of them done "
        "(by their files; `snakemake -n` says what is out of date)",
        f"With {random} of the random encoder and {pixels} of raw pixels that is {len(suite.runs)} runs; Snakemake "
        f"counts {trained + random} pretrain (the random encoder too), {evaluations}, {len(settings)} select",
        *(
            f"{name} leaves out: {', '.join(config.leave_out)}"
            for name, config in suite.configs.items()
            if config.leave_out
        ),
    ]


def work_table(works: Sequence[Work], hours: Hours | None) -> str:
    """A line of work each, and their sum."""
    headers = ["data set", "what", "M", "jobs", "done", "images a job", "images to do"]
    headers += ["images/s", "hours a job", f"{hours.unit} to do", "hours spent"] if hours else []
    lines = [_counts(work) + (_hours(work, hours) if hours else []) for work in works]
    counted = [work for work in works if work.kind != "augmented"]
    total = ["all", "", "", sum(work.jobs for work in counted), sum(work.done for work in counted), ""]
    total += [f"{sum(work.left for work in works):,}"]
    if hours:
        spent = sum(work.spent for work in works) / 3600
        total += ["", "", short(sum(map(hours.left, works))), short(spent)]
    aligned = ["left", "left", *["right"] * (len(headers) - 2)]
    return tabulate([*lines, total], headers, tablefmt="simple", colalign=aligned, disable_numparse=True)


def _counts(work: Work) -> list[str | int]:
    augmented = work.kind == "augmented"
    jobs: list[str | int] = ["", ""] if augmented else [work.jobs, work.done]
    what = f"{work.what}, augmented probe" if augmented else work.what
    return [work.dataset, what, work.batch_size or "", *jobs, f"{work.images:,}", f"{work.left:,}"]


def _hours(work: Work, hours: Hours) -> list[str | int]:
    spent = short(work.spent / 3600) if work.kind == "training" else ""
    return [f"{hours.rate(work):,.0f}", short(hours.each(work)), short(hours.left(work)), spent]


def short(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:.2g}"
