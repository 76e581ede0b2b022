"""What a suite costs: its jobs and how many of them are done, hours on a device, disk; as a text."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from dhel_kcl.evaluation.embed import BATCH
from dhel_kcl.files import read_json
from dhel_kcl.runtime.preflight import gigabytes, model_bytes
from dhel_kcl.runtime.speed import Benchmark, EmbeddingBenchmark, TrainingBenchmark, measured
from dhel_kcl.study import job_counts, layout
from dhel_kcl.study.suite import Run, Suite
from dhel_kcl.training.networks import build_encoder, build_projector
from dhel_kcl.views.augment import Augment

GROUPS = {"grid": "grid", "selected": "selected settings, further seeds", "point": "trade-off", "floor": "floors"}
"""What the runs of a role are called."""
SMALL_FILES = 100_000
"""Bytes of a run's records besides its weights."""


@dataclass(frozen=True)
class Work:
    """Work of one kind: how many jobs do it, how many of them are done, and what each takes.

    kind: "training"; "plain" or "augmented" images of an evaluation, whose one job does both. images: views of a
    training or images of an evaluation. benchmark: what their rate is measured for. spent: seconds that the trainings
    took that are done, by their own records.
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

    @property
    def left(self) -> int:
        """Images to do."""
        return (self.jobs - self.done) * self.images


def of_trainings(suite: Suite, precision: str) -> list[Work]:
    """Trainings by data set, group and batch size; `precision` in the place of "auto"."""
    groups: dict[tuple[str, str, int], list[Run]] = {}
    for run in suite.runs:
        if job_counts.steps(suite, run):
            what = "ablations" if run.section == "ablations" else GROUPS[run.role]
            groups.setdefault((run.dataset, what, run.batch_size), []).append(run)
    works = []
    for (dataset, what, size), runs in groups.items():
        records = [read_json(_record(run)) for run in runs if _record(run).is_file()]
        spent = sum(record["training_seconds"] for record in records)
        images, benchmark = job_counts.views(suite, runs[0]), training_benchmark(suite, runs[0], precision)
        works.append(Work(dataset, what, "training", size, len(runs), len(records), images, benchmark, spent))
    return works


def of_evaluations(suite: Suite) -> Iterator[Work]:
    """Encoders evaluated on their own data set, and the transfers onto the others."""
    for source, target in itertools.product(suite.datasets, repeat=2):
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
                benchmark = embedding_benchmark(suite, source, target, kind)
                yield Work(source, what, kind, None, len(files), done, images, benchmark)


def _record(run: Run) -> Path:
    """File that a finished training leaves."""
    return Path(run.folder, "provenance.json")


def training_benchmark(suite: Suite, run: Run, precision: str) -> TrainingBenchmark:
    """Of a training."""
    dataset = suite.dataset(run.dataset)
    return TrainingBenchmark.of(suite.pretrain_spec(run), precision, dataset.channels, dataset.side)


def embedding_benchmark(suite: Suite, source: str, target: str, kind: str) -> EmbeddingBenchmark:
    """Of an encoder trained on `source` that sees "plain" or "augmented" images of `target`."""
    spec, dataset = suite.evaluation_spec(target), suite.dataset(target)
    augment = spec["augmented"]["augment"] if kind == "augmented" else {"size": spec["augment"]["size"]}
    shape = (BATCH, dataset.channels, dataset.side, dataset.side)
    return EmbeddingBenchmark(_backbone(suite, source), Augment(**augment), shape, suite.config.threads)


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
    for dataset in suite.datasets:
        folder, size = layout.data_folder(dataset), suite.dataset(dataset).disk
        spaces.append(Space(folder, size, size if Path(folder, "manifest.json").is_file() else 0))
    weights = {dataset: network_bytes(suite, dataset) for dataset in suite.datasets}
    runs = [run for run in suite.runs if run.trained]
    done = [run for run in runs if _record(run).is_file()]

    def kept(runs: list[Run]) -> int:
        return sum(weights[run.dataset] + SMALL_FILES for run in runs)

    def scratch(runs: list[Run]) -> int:
        """A checkpoint has weights and momentum."""
        return sum(2 * weights[run.dataset] for run in runs)

    spaces.append(Space(layout.SUITE_RUNS.format(suite=suite.name), kept(runs), kept(done)))
    return [*spaces, Space(f"scratch/{suite.name}, checkpoints", scratch(runs), scratch(done))]


def network_bytes(suite: Suite, dataset: str) -> int:
    """Of the encoder and projector of a run on a data set."""
    with torch.device("meta"):
        encoder = build_encoder(_backbone(suite, dataset), suite.dataset(dataset).channels)
        projector = build_projector(encoder.features, suite.config.projector_dim)
    return model_bytes(encoder) + model_bytes(projector)


@dataclass(frozen=True)
class Hours:
    """What work takes on a device.

    rates: images a second by the key of a benchmark. unit: of what is counted. threads: that a job takes of the unit.
    """

    rates: Mapping[str, float]
    unit: str
    threads: int

    def rate(self, work: Work) -> float:
        return self.rates[work.benchmark.key]

    def each(self, work: Work) -> float:
        """Hours of one job."""
        return work.images / self.rate(work) / 3600

    def left(self, work: Work) -> float:
        """Hours of all jobs that are to do, times threads."""
        return work.left / self.rate(work) / 3600 * self.threads


def text(suite: Suite, works: Sequence[Work], hours: Hours | None) -> str:
    """The plan: a table of the work, with its hours where they are known, and one of the disk."""
    trainings = [work for work in works if work.kind == "training"]
    jobs, done = sum(work.jobs for work in trainings), sum(work.done for work in trainings)
    spaces = [[space.name, gigabytes(space.needed), gigabytes(space.there)] for space in disk(suite)]
    lines = [
        f"{suite.name}: {jobs} trainings, {done} of them done "
        "(by their files; `snakemake -n` says what is out of date)",
        "",
        work_table(works, hours),
        "",
        tabulate(spaces, ["disk", "needed", "there"], colalign=["left", "right", "right"]),
    ]
    return "\n".join(lines)


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
