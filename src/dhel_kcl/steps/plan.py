"""What a suite costs before it is run: jobs, views, hours on this device, disk; what is done is taken off.

Hours follow from a benchmark of a few seconds per kind of training step, kept in scratch/throughput.json. With --out,
writes the planned speed of each kind of training as CSV instead, which the cost table compares with what runs took.

Example:
    python -m dhel_kcl.steps.plan --root . --suite paper
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from tqdm import tqdm

from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.runtime import cli, science
from dhel_kcl.runtime import preflight as memory
from dhel_kcl.runtime.files import read_json, write_json, write_rows
from dhel_kcl.runtime.provenance import environment
from dhel_kcl.study import job_counts, layout
from dhel_kcl.study.suite import Run, Suite
from dhel_kcl.training import device
from dhel_kcl.training.networks import build_encoder, build_projector
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.throughput import SECONDS, embedded_per_second, views_per_second
from dhel_kcl.views.augment import Augment

EVALUATION_BATCH = 512
LOSS = {"name": "simclr", "temperature": 0.3}
"""Of the benchmark: losses take a few per cent of a step at most."""
THROUGHPUT = Path(layout.THROUGHPUT)
SMALL_FILES = 100_000
"""Bytes of a run's records besides its weights."""


@dataclass(frozen=True)
class Row:
    """Work of one kind: how many jobs do it, how many of them are done, and what each takes.

    kind: "training"; "plain" or "augmented" images of an evaluation, whose one job does both. images: views of a
    training or images of an evaluation. cell: what their rate is measured for. spent: seconds that the trainings took
    that are done, by their own records.
    """

    dataset: str
    what: str
    kind: str
    batch_size: int | None
    jobs: int
    done: int
    images: int
    cell: str
    spent: float

    @property
    def left(self) -> int:
        return (self.jobs - self.done) * self.images


def group_of(run: Run) -> str:
    names = {"grid": "grid", "selected": "selected settings, further seeds", "point": "trade-off", "floor": "floors"}
    return "ablations" if run.section == "ablations" else names[run.role]


def training_rows(suite: Suite, precision: str) -> list[Row]:
    groups: dict[tuple[str, str, int], list[Run]] = {}
    for run in suite.runs:
        if job_counts.steps(suite, run):
            groups.setdefault((run.dataset, group_of(run), run.batch_size), []).append(run)
    rows = []
    for (dataset, what, size), runs in groups.items():
        done = [run for run in runs if is_trained(run)]
        spent = sum(read_json(Path(run.folder) / "provenance.json")["training_seconds"] for run in done)
        cell = training_cell(suite, runs[0], precision)
        rows.append(
            Row(dataset, what, "training", size, len(runs), len(done), job_counts.views(suite, runs[0]), cell, spent)
        )
    return rows


def evaluation_rows(suite: Suite) -> Iterator[Row]:
    """Encoders evaluated on their own data set, and the transfers onto the others."""
    for source, target in itertools.product(suite.datasets, repeat=2):
        runs = [run for run in suite.runs if run.dataset == source and run.trained]
        if source == target:
            what, files = "evaluations", [f"{run.folder}/probe.json" for run in runs]
        else:
            files = [layout.transfer(run, target) for run in runs if target in suite.transfers(run)]
            what = f"transfers to {target}"
        done = sum(Path(file).is_file() for file in files)
        for kind, count in zip(("plain", "augmented"), job_counts.evaluated_images(suite, target), strict=True):
            if files and count:
                cell = evaluation_cell(suite, source, target, kind)
                yield Row(source, what, kind, None, len(files), done, count, cell, 0.0)


def is_trained(run: Run) -> bool:
    return (Path(run.folder) / "provenance.json").is_file()


def training_cell(suite: Suite, run: Run, precision: str) -> str:
    settings, size = suite.settings(run.dataset).model_dump(mode="json"), CATALOGUE[run.dataset]
    cell = {
        "what": "training",
        "backbone": settings["backbone"],
        "projector_dim": suite.config.projector_dim,
        "augment": settings["augment"],
        "channels": size.channels,
        "side": size.side,
        "batch": run.batch_size // settings["processes"],
        "precision": precision,
        "threads": suite.config.threads,
    }
    return json.dumps(cell, sort_keys=True)


def evaluation_cell(suite: Suite, source: str, target: str, kind: str) -> str:
    """Of an encoder trained on `source` that sees images of `target`."""
    settings, size = suite.settings(target).model_dump(mode="json"), CATALOGUE[target]
    augment = (
        settings["probe"]["augmented"]["augment"] if kind == "augmented" else {"size": settings["augment"]["size"]}
    )
    cell = {
        "what": "evaluation",
        "backbone": suite.settings(source).backbone.as_given(),
        "augment": augment,
        "channels": size.channels,
        "side": size.side,
        "batch": EVALUATION_BATCH,
        "threads": suite.config.threads,
    }
    return json.dumps(cell, sort_keys=True)


def name_of(place: torch.device) -> str:
    return device.name(place) or environment()["processor"]


def throughput(cells: list[str], place: torch.device, cache: Path = THROUGHPUT) -> dict[str, float]:
    """Images a second of each cell on a device: measured now, or found in `cache` for this device and code."""
    known = read_json(cache) if cache.is_file() else {}
    rates = {}
    for cell in tqdm(dict.fromkeys(cells), desc="measuring", unit="rate", leave=False):
        backbone = json.loads(cell)["backbone"]["name"]
        code = science.of_pretraining(LOSS, backbone, "memory")
        key = f"{name_of(place)}, torch {torch.__version__}, code {code[:12]}, {cell}"
        if key not in known:
            known[key] = measure(json.loads(cell), place)
            write_json(cache, known)
        rates[cell] = known[key]
    return rates


def measure(cell: dict[str, Any], place: torch.device, seconds: float = SECONDS) -> float:
    """Images a second of a training step, or of a frozen encoder, on random images that are kept on the device."""
    channels, side, augment = cell["channels"], cell["side"], Augment(**cell["augment"])
    if cell["what"] == "evaluation":
        shape = (cell["batch"], channels, side, side)
        return embedded_per_second(cell["backbone"], augment, shape, cell["threads"], place, seconds)
    return views_per_second(benchmark_spec(cell), channels, side, place, seconds)


def benchmark_spec(cell: dict[str, Any]) -> PretrainSpec:
    settings = {"epochs": 1, "learning_rate": 1e-3, "reference_batch_size": cell["batch"], "warmup": 0.0}
    settings |= {"momentum": 0.9, "weight_decay": 1e-6}
    rest = {"dataset": "", "images": "memory", "loss": LOSS, "batch_size": cell["batch"], "training": settings}
    rest |= {"compile": False, "device": "auto", "processes": 1, "seed": 0}
    own = {key: cell[key] for key in ("backbone", "projector_dim", "augment", "precision", "threads")}
    return PretrainSpec.of(rest | own)


def disk(suite: Suite) -> list[tuple[str, int, int]]:
    """(what, bytes in the end, bytes that are there already); of data sets those while they are prepared."""
    rows = []
    for dataset in suite.datasets:
        there = Path(layout.data_folder(dataset), "manifest.json").is_file()
        rows.append((layout.data_folder(dataset), CATALOGUE[dataset].disk, CATALOGUE[dataset].disk if there else 0))
    weights = momentum = done_weights = done_momentum = 0
    for dataset in suite.datasets:
        backbone = suite.settings(dataset).backbone.as_given()
        with torch.device("meta"):
            encoder = build_encoder(backbone, CATALOGUE[dataset].channels)
            projector = build_projector(encoder.features, suite.config.projector_dim)
        size = memory.model_bytes(encoder) + memory.model_bytes(projector)
        runs = [run for run in suite.runs if run.dataset == dataset and run.trained]
        done = sum(is_trained(run) for run in runs)
        weights, done_weights = weights + len(runs) * (size + SMALL_FILES), done_weights + done * (size + SMALL_FILES)
        momentum, done_momentum = momentum + len(runs) * 2 * size, done_momentum + done * 2 * size
    rows.append((layout.SUITE_RUNS.format(suite=suite.name), weights, done_weights))
    rows.append((f"scratch/{suite.name}, checkpoints", momentum, done_momentum))
    return rows


def planned_speeds(suite: Suite, precision: str, place: torch.device) -> list[dict[str, Any]]:
    """Views a second of a training on each data set at each batch size."""
    runs = {(run.dataset, run.batch_size): run for run in suite.runs}
    cells = {key: training_cell(suite, run, precision) for key, run in runs.items()}
    rates = throughput(list(cells.values()), place)
    return [
        {"dataset": dataset, "batch_size": size, "views_per_second": rates[cell] * suite.settings(dataset).processes}
        for (dataset, size), cell in cells.items()
    ]


def short(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:.2g}"


def report(suite: Suite, rows: list[Row], rates: dict[str, float] | None, unit: str, threads: int) -> str:
    """The plan as text."""

    def hours(row: Row) -> float:
        return row.left / rates[row.cell] / 3600 * threads if rates else 0.0

    headers = ["data set", "what", "M", "jobs", "done", "images a job", "images to do"]
    headers += ["images/s", "hours a job", f"{unit} to do", "hours spent"] if rates else []
    lines = []
    for row in rows:
        jobs = ["", ""] if row.kind == "augmented" else [row.jobs, row.done]
        what = f"{row.what}, augmented probe" if row.kind == "augmented" else row.what
        line = [row.dataset, what, row.batch_size or "", *jobs, f"{row.images:,}", f"{row.left:,}"]
        if rates:
            spent = short(row.spent / 3600) if row.kind == "training" else ""
            each = row.images / rates[row.cell] / 3600
            line += [f"{rates[row.cell]:,.0f}", short(each), short(hours(row)), spent]
        lines.append(line)
    counted = [row for row in rows if row.kind != "augmented"]
    trained = [row for row in rows if row.kind == "training"]
    total = ["all", "", "", sum(row.jobs for row in counted), sum(row.done for row in counted), ""]
    total += [f"{sum(row.left for row in rows):,}"]
    if rates:
        total += ["", "", short(sum(map(hours, rows))), short(sum(row.spent for row in rows) / 3600)]
    aligned = ["left", "left", *["right"] * (len(headers) - 2)]
    text = [
        f"{suite.name}: {sum(r.jobs for r in trained)} trainings, {sum(r.done for r in trained)} of them done "
        "(by their files; `snakemake -n` says what is out of date)",
        "",
        tabulate([*lines, total], headers, tablefmt="simple", colalign=aligned, disable_numparse=True),
        "",
    ]
    space = [[name, memory.gigabytes(size), memory.gigabytes(there)] for name, size, there in disk(suite)]
    text.append(tabulate(space, ["disk", "needed", "there"], colalign=["left", "right", "right"]))
    return "\n".join(text)


def main() -> None:
    parser = cli.suite_parser(__doc__, tables=False)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help="device to measure on (default: the suite's)")
    parser.add_argument("--out", type=Path, help="file to write (plan.csv)")
    parser.add_argument("--no-measure", action="store_true", help="counts and disk alone, no hours")
    args = parser.parse_args()

    suite = Suite.load(args.root, args.suite)
    place, precision = device.choose(args.device or suite.config.device, suite.config.precision)
    if args.out:
        write_rows(args.out, planned_speeds(suite, precision, place))
        return
    rows = [*training_rows(suite, precision), *evaluation_rows(suite)]
    on_gpu = place.type == "cuda"
    rates = None if args.no_measure else throughput([row.cell for row in rows], place)
    threads = 1 if on_gpu else suite.config.threads
    print(report(suite, rows, rates, "GPU-hours" if on_gpu else "core-hours", threads))
    if rates:
        print(f"\nmeasured on {name_of(place)}, {precision}; kept in {THROUGHPUT}")


if __name__ == "__main__":
    cli.run(main)
