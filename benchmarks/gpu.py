"""What a GPU makes of the paper's recipes: checks of its results, and a step of the suites `cifar10` and `imagenet100`.

Needs torch, torchvision, NumPy, SciPy, safetensors and tqdm, and what these need: no Snakemake, no pydantic. Of each
suite the DHEL run at M = 256 in `specs/` is timed on made images, by the training loop itself, against

- a plain loop: the same network, precision and SGD, torchvision's transforms of PIL images in as many workers of a
  DataLoader, DHEL as exponential, sum and logarithm;
- the network alone: forward and backward, with projector and loss, of one batch of views that stays on the device.

Writes OUT.md and OUT.json, again after each part. Ends with status 1 if a check failed.

Example:
    PYTHONPATH=src python benchmarks/gpu.py --out gpu
    PYTHONPATH=src python benchmarks/gpu.py --out cpu --device cpu --quick
"""

import argparse
import datetime
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baselines import PlainLoop, TwoViews, TwoViewsOfFiles, pictures, pil_pipeline
from device_checks import CHECKS, NotHere, encoded
from timing import seconds
from torch import Tensor
from torch.utils.data import DataLoader

from dhel_kcl.data.prepared import Description, Manifest, Prepared, offsets_of
from dhel_kcl.files import write_json, write_text
from dhel_kcl.runtime import science
from dhel_kcl.runtime.allocator import keep_freed_memory, resident_peak
from dhel_kcl.runtime.provenance import environment
from dhel_kcl.training import device
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.device import Place
from dhel_kcl.training.objective import Model, build_networks
from dhel_kcl.training.progress import Progress
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.trainer import Pretraining

SPECS = Path(__file__).with_name("specs")
IMAGES = {"cifar10": 45_000, "imagenet100": 125_689}
"""That each suite trains on."""
PHOTOGRAPH = (375, 500)
"""Height and width of the made files, which are those of most of ImageNet's."""
WARM, FEWEST = 10, 5
"""Steps before those that are timed, and the fewest of these."""
RATE = 0.01
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "safetensors", "pillow")


@dataclass(frozen=True)
class Case:
    """A run whose step is timed, on `made` images of `channels` x `side` x `side` pixels, or as many files."""

    name: str
    spec: PretrainSpec
    made: int
    seconds: float
    warm: int = WARM
    side: int = 32
    photograph: tuple[int, int] = PHOTOGRAPH
    quick: bool = False

    @classmethod
    def of(cls, name: str, seconds: float, quick: bool) -> "Case":
        """As the suite has it; `quick`, with a small network, small images, a small batch and little time."""
        spec = PretrainSpec.read(str(SPECS / f"{name}.pretrain.json"))
        if not quick:
            return cls(name, spec, 2_048 if spec.images == "streamed" else IMAGES[name], seconds)
        augment = spec.augment if spec.augment.size is None else replace(spec.augment, size=32, blur_kernel=3)
        backbone = {"name": "compact_resnet", "width": 8, "stages": 2}
        small = replace(spec, backbone=backbone, batch_size=8, augment=augment, threads=1)
        return cls(name, small, 32, 0.0, 1, 16, (48, 64), quick)

    def data(self, folder: Path) -> Prepared:
        if self.spec.images == "streamed":
            return encoded(folder, self.made, min(self.made, 256), self.photograph)
        shape = (self.made, 3, self.side, self.side)
        random, count = np.random.default_rng(0), self.made
        manifest = Manifest(Description(self.spec.dataset, "made here", "", "", ""), shape, 10, {})
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        return Prepared(pixels, np.arange(count) % 10, np.zeros(count, np.uint8), manifest)

    @property
    def views(self) -> int:
        """That a step trains on."""
        return 2 * self.spec.batch_size

    @property
    def steps_of_a_run(self) -> int:
        return self.spec.steps(IMAGES[self.name])


@dataclass(frozen=True)
class Row:
    """A way to train: seconds of a step, median and quartiles; seconds of all steps, which views a second and hours are
    of, since some wait for images; bytes allocated at most while they were timed."""

    case: str
    way: str
    precision: str
    step_s: float
    low_s: float
    high_s: float
    steps: int
    seconds: float
    views_per_second: float
    peak_bytes: int
    hours_a_run: float | None

    @classmethod
    def of(cls, case: Case, way: str, place: Place, times: list[float], whole: bool = True) -> "Row":
        low, middle, high = np.quantile(times, [0.25, 0.5, 0.75]).tolist()
        on_gpu = place.device.type == "cuda"
        peak = torch.cuda.max_memory_allocated(place.device) if on_gpu else resident_peak()
        mean = sum(times) / len(times)
        hours = case.steps_of_a_run * mean / 3600 if whole and not case.quick else None
        counted = len(times), sum(times), case.views / mean
        return cls(case.name, way, place.precision, middle, low, high, *counted, peak, hours)


def start_counting(place: torch.device) -> None:
    """Memory at most is counted from now on."""
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)


def ours(case: Case, data: Prepared, place: Place, folder: Path) -> Row:
    """The loop of `Pretraining.run`, whose every step ends with the reading of its numbers."""
    run = Pretraining.build(case.spec, data, {case.spec.subset: np.arange(case.made)}, place)
    ends: list[float] = []

    def on_step(progress: Progress) -> None:
        ends.append(time.perf_counter())
        if len(ends) == case.warm:
            start_counting(place.device)

    def stop() -> bool:
        return len(ends) >= case.warm + FEWEST and ends[-1] - ends[case.warm - 1] > case.seconds

    run.run(Store(folder / "last.pt", "gpu benchmark", seconds=float("inf")), [on_step], stop)
    return Row.of(case, "this project", place, np.diff(ends[case.warm - 1 :]).tolist())


def model_of(case: Case, data: Prepared, place: Place) -> Model:
    torch.manual_seed(case.spec.seed)
    networks = build_networks(case.spec, data.channels, data.classes)
    return Model(networks.encoder, networks.objective).to(place.device)


def timed(case: Case, step: Callable[[], object], place: Place) -> list[float]:
    """Seconds of steps, each waited for."""
    for _ in range(case.warm):
        step()
    start_counting(place.device)
    times: list[float] = []
    while len(times) < FEWEST or sum(times) < case.seconds:
        times.append(seconds(step, time.perf_counter))
    return times


def plain(case: Case, data: Prepared, place: Place) -> Row:
    spec, model = case.spec, model_of(case, data, place)
    view, kind = pil_pipeline(spec.augment, spec.augment.size or case.side), TwoViews
    images: Any = pictures(torch.from_numpy(data.images[:])) if not data.encoded else None
    if data.encoded:
        ends = offsets_of(data.images, case.made)
        images = [data.images[start:end].tobytes() for start, end in pairwise(ends)]
        kind = TwoViewsOfFiles
    workers = place.threads if place.threads > 1 else 0
    loader = DataLoader(
        kind(images, view),
        spec.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=place.device.type == "cuda",
    )

    def network(views: Tensor) -> Tensor:
        with place.autocast():
            return model.objective.projector(model.encoder(views)).float()

    options = {"lr": RATE, "momentum": spec.training.momentum, "weight_decay": spec.training.weight_decay}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    step = PlainLoop(network, trained, loader, spec.loss["temperature"], options, place.device)
    return Row.of(case, "a plain loop", place, timed(case, step, place))


def bare(case: Case, data: Prepared, place: Place) -> Row:
    model = model_of(case, data, place)
    side = case.spec.augment.size or case.side
    views = torch.rand(case.views, data.channels, side, side, device=place.device)
    labels = torch.zeros(case.spec.batch_size, dtype=torch.int64, device=place.device)

    def step() -> None:
        with place.autocast():
            loss, _ = model(views, labels)
        loss.backward()
        model.zero_grad(set_to_none=True)

    return Row.of(case, "the network alone", place, timed(case, step, place), whole=False)


def measure(case: Case, place: Place) -> Iterator[Row | str]:
    """A row of each way, or what was in its way."""
    with tempfile.TemporaryDirectory() as folder:
        data = case.data(Path(folder))
        ways: dict[str, Callable[[], Row]] = {
            "this project": lambda: ours(case, data, place, Path(folder)),
            "the network alone": lambda: bare(case, data, place),
            "a plain loop": lambda: plain(case, data, place),
        }
        for way, run in ways.items():
            try:
                yield run()
            except (
                RuntimeError,
                ValueError,
                OSError,
                ArithmeticError,
            ) as error:  # a GPU that is too small, among others
                yield f"{case.name}, {way}: {str(error).splitlines()[0]}"
            gc.collect()
            if place.device.type == "cuda":
                torch.cuda.empty_cache()


def checked(place: torch.device) -> Iterator[dict[str, str]]:
    """Each check: its name, its result ("passed", "failed", "not here"), what it found."""
    for name, check in CHECKS.items():
        try:
            yield {"check": name, "result": "passed", "found": check(place)}
        except NotHere as error:
            yield {"check": name, "result": "not here", "found": str(error)}
        except Exception as error:  # whatever is wrong, the rest is to be measured
            yield {"check": name, "result": "failed", "found": f"{type(error).__name__}: {str(error)[:1000]}"}


@dataclass(frozen=True)
class Report:
    """Everything that was found, and where."""

    where: dict[str, Any]
    checks: list[dict[str, str]]
    rows: list[Row]
    failures: list[str]

    def markdown(self) -> str:
        where = self.where
        versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
        said = [where["date"], where["gpu"] or "no GPU", where["processor"], f"{where['cores']} cores", versions]
        said += [f"Python {where['python']}", f"revision {where['git_revision']}"]
        parts = [", ".join(said) + "." + (" Small networks, for a try of the benchmark." if where["quick"] else "")]
        if self.checks:
            parts.append(table(["check", "result", "found"], [list(check.values()) for check in self.checks]))
        if self.rows:
            head = ["suite", "way", "precision", "step, ms (quartiles)", "views/s", "its time / ours", "memory, GB"]
            parts.append(table([*head, "hours a run"], [self.cells(row) for row in self.rows]))
        parts += [f"Not measured: {failure}" for failure in self.failures]
        return "\n\n".join(parts) + "\n"

    def cells(self, row: Row) -> list[str]:
        own = [other for other in self.rows if (other.case, other.way) == (row.case, "this project")]
        ratio = f"{own[0].views_per_second / row.views_per_second:.2f}" if own else ""
        step = f"{1000 * row.step_s:.1f} ({1000 * row.low_s:.1f}-{1000 * row.high_s:.1f})"
        hours = "" if row.hours_a_run is None else f"{row.hours_a_run:.1f}"
        memory = f"{row.peak_bytes / 1e9:.2f}"
        return [row.case, row.way, row.precision, step, f"{row.views_per_second:,.0f}", ratio, memory, hours]

    def write(self, out: Path) -> None:
        write_json(out.with_name(f"{out.name}.json"), asdict(self))
        write_text(out.with_name(f"{out.name}.md"), self.markdown())


def table(head: list[str], rows: list[list[str]]) -> str:
    """In Markdown."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [head, *rows]]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def here(place: Place, quick: bool) -> dict[str, Any]:
    case = Case.of("cifar10", 0, quick=False).spec
    code = science.of_pretraining(case.loss, case.backbone["name"], case.images)
    found = environment() | {"versions": {name: version(name) for name in PACKAGES}, "cuda": torch.version.cuda}
    found |= {"date": datetime.date.today().isoformat(), "gpu": device.name(place.device), "cores": os.cpu_count()}
    return found | {"threads": place.threads, "code": code, "quick": quick}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path, help="files to write, without .md and .json")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where (default: auto)")
    parts = ("checks", *IMAGES)
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts, help="what is done (default: all)")
    parser.add_argument("--seconds", default=20.0, type=float, help="that each way is timed for (default: 20)")
    parser.add_argument("--quick", action="store_true", help="small networks and a few steps, to try the benchmark")
    args = parser.parse_args()

    keep_freed_memory()  # as pretraining does
    cases = [Case.of(name, args.seconds, args.quick) for name in IMAGES if name in args.parts]
    place = Place.claim(args.device, "auto", 1, 1 if args.quick else 8)
    report = Report(here(place, args.quick), [], [], [])
    if "checks" in args.parts:
        for check in checked(place.device):
            report.checks.append(check)
            print(f"{check['check']}: {check['result']}: {check['found']}", flush=True)
            report.write(args.out)
    for case in cases:
        for found in measure(case, place):
            if isinstance(found, Row):
                report.rows.append(found)
                print(f"{case.name}, {found.way}: {found.views_per_second:,.0f} views/s", flush=True)
            else:
                report.failures.append(found)
                print(found, flush=True)
            report.write(args.out)
    print(f"\n{report.markdown()}")
    if report.failures or any(check["result"] == "failed" for check in report.checks):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
