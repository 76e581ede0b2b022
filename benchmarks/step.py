"""A whole training step - views, network, DHEL, SGD - against the plain loop, and against itself on constant views.

The settings are those of the suites `cifar10` (M = 256, two threads) and `cifar10_laptop` (M = 64, one thread, as its
jobs have); images are random. Precision is bf16 where the device multiplies in it. The plain loop has a
process of its own; on one thread it makes its views there, else in two workers of a DataLoader.

Example:
    python benchmarks/step.py --output step.csv
    python benchmarks/step.py --profile
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from baselines import PlainLoop, TwoViews, pictures, pil_pipeline
from timing import COLUMNS, Elsewhere, alternate, finish, ratio, seconds, synchronize
from torch import Tensor
from torch.profiler import profile, record_function
from torch.utils.data import DataLoader

from dhel_kcl.runtime import cli
from dhel_kcl.runtime.allocator import keep_freed_memory
from dhel_kcl.study.suite import Suite
from dhel_kcl.training import device
from dhel_kcl.training.objective import Model, build_networks
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.views.memory import InMemory
from dhel_kcl.views.view_source import Batch

ROOT = Path(__file__).parents[1]
# Suite, data set, batch size, shape of an image, usual threads; least ratio to the plain loop and to constant views.
CASES = {
    "resnet18": ("cifar10", "cifar10", 256, (3, 32, 32), 2, 2.5, 0.95),
    "compact_resnet": ("cifar10_laptop", "cifar10", 64, (3, 32, 32), 1, None, 0.8),
}
IMAGES, RATE = 4096, 0.01
SECTIONS = ("augmentation", "forward", "projector and loss", "backward", "optimizer")


def spec_of(suite: str, dataset: str, batch_size: int, threads: int) -> PretrainSpec:
    """Of the suite's DHEL."""
    loaded = Suite.load(ROOT, suite)
    chosen = {"dataset": dataset, "method": "dhel", "batch_size": batch_size, "role": "grid"}
    run = next(run for run in loaded.runs if all(getattr(run, key) == value for key, value in chosen.items()))
    return replace(PretrainSpec.of(loaded.pretrain_spec(run)), threads=threads)


def build(spec: PretrainSpec, channels: int, place: torch.device) -> Model:
    torch.manual_seed(spec.seed)
    networks = build_networks(spec, channels, classes=10)
    return Model(networks.encoder, networks.objective).to(place)


class OwnStep:
    """A step as `dhel_kcl.training.trainer` makes it; with `constant`, always from the same views."""

    def __init__(
        self, spec: PretrainSpec, source: InMemory, place: torch.device, precision: str, constant: bool = False
    ) -> None:
        self.spec, self.place, self.precision, self.constant = spec, place, precision, constant
        self.model = build(spec, source.images.shape[1], place)
        self.optimizer = MomentumSGD(self.model, spec.training.momentum, spec.training.weight_decay)
        self.labels = torch.zeros(spec.batch_size, dtype=torch.int64, device=place)
        self.profiled = False
        self.batches = source.views(self.requests(), spec.augment)
        self.views = next(self.batches)

    def requests(self) -> Iterator[Batch]:
        generator = np.random.default_rng(0)
        for seed in count():
            yield Batch(generator.permutation(IMAGES)[: self.spec.batch_size], seed)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """A part of the step in the profile; only then does a GPU finish it before the next begins."""
        with record_function(name):
            yield
            if self.profiled:
                synchronize()

    def __call__(self) -> list[float]:
        with device.autocast(self.place, self.precision):
            with self.section("forward"):
                features = self.model.encoder(self.views)
            with self.section("projector and loss"):
                loss, parts = self.model.objective(features, self.labels)
        with self.section("backward"):
            loss.backward()
        with self.section("optimizer"):
            self.optimizer.step(RATE)
        if not self.constant:
            with self.section("augmentation"):
                self.views = next(self.batches)
        return torch.stack([loss, *parts.values()]).detach().tolist()


def plain_loop(spec: PretrainSpec, shape: tuple[int, int, int], place: torch.device) -> PlainLoop:
    images = random_images(shape)
    model = build(spec, images.shape[1], place).to(memory_format=torch.contiguous_format)
    encoder, projector = model.encoder, model.objective.projector

    def network(views: Tensor) -> Tensor:
        # The encoder's own forward would make the images channels_last.
        if spec.backbone["name"] == "compact_resnet":
            return projector(encoder.blocks(encoder.stem(views)).mean(dim=(2, 3)))
        return projector(encoder.network(views))

    views = TwoViews(pictures(images), pil_pipeline(spec.augment, images.shape[2]))
    workers = 2 if spec.threads > 1 else 0
    loader = DataLoader(
        views, spec.batch_size, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    options = {"lr": RATE, "momentum": spec.training.momentum, "weight_decay": spec.training.weight_decay}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return PlainLoop(network, parameters, loader, spec.loss["temperature"], options, place)


def check(own: OwnStep, plain: PlainLoop) -> None:
    """Raise AssertionError unless both have the same loss of the same views, in float32."""
    views = own.views.view(2, -1, *own.views.shape[1:])[:, :16].flatten(0, 1)
    loss, _ = own.model(views, own.labels)
    torch.testing.assert_close(loss, plain.loss(views.contiguous()), rtol=1e-3, atol=1e-3)


def measure(
    name: str, threads: int | None, place: torch.device, precision: str, rounds: int, compiled: bool
) -> list[dict[str, object]]:
    suite, dataset, batch_size, shape, usual_threads, to_plain, to_constant = CASES[name]
    spec = spec_of(suite, dataset, batch_size, threads or usual_threads)
    torch.set_num_threads(spec.threads)
    source = InMemory(random_images(shape).numpy(), place)
    single = OwnStep(spec, source, place, "fp32")
    check(single, plain_loop(spec, shape, place))

    plain = Elsewhere(plain_loop, spec, shape, place)
    runs: dict[str, Callable[[], object] | Elsewhere] = {"ours": OwnStep(spec, source, place, precision)}
    runs |= {"the plain loop": plain, "ours on constant views": OwnStep(spec, source, place, precision, constant=True)}
    if precision != "fp32":
        runs["ours in fp32"] = single
    if compiled:
        step = OwnStep(spec, source, place, precision)
        step.model.encoder.compile()
        runs[f"ours with torch.compile (first step {seconds(step, time.perf_counter):.0f} s)"] = step
    times = alternate(runs, rounds)
    plain.close()
    targets = {"the plain loop": to_plain, "ours on constant views": to_constant}
    what = f"step, {name}, M = {batch_size}, {precision}"
    return [
        {"what": what, "baseline": other, "threads": spec.threads, **ratio(times["ours"], times[other])}
        | {"target": targets.get(other)}
        for other in runs
        if other != "ours"
    ]


def random_images(shape: tuple[int, int, int]) -> Tensor:
    return torch.randint(0, 256, (IMAGES, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def shares(
    name: str, threads: int | None, place: torch.device, precision: str, steps: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of a step's time by section, and by operator."""
    suite, dataset, batch_size, shape, usual_threads, *_ = CASES[name]
    spec = spec_of(suite, dataset, batch_size, threads or usual_threads)
    torch.set_num_threads(spec.threads)
    step = OwnStep(spec, InMemory(random_images(shape).numpy(), place), place, precision)
    step.profiled = True
    step()
    with profile() as recorded:
        for _ in range(steps):
            step()
    averages = recorded.key_averages()
    sections = {entry.key: entry.cpu_time_total for entry in averages if entry.key in SECTIONS}
    own = {entry.key: entry.self_device_time_total or entry.self_cpu_time_total for entry in averages}
    operators = {key: value for key, value in own.items() if key.startswith("aten::") or place.type == "cuda"}
    return share_table(sections, steps), share_table(operators, steps)


def share_table(times: dict[str, float], steps: int) -> pd.DataFrame:
    table = pd.DataFrame({"milliseconds": times}).sort_values("milliseconds", ascending=False) / 1000 / steps
    return table.assign(share=100 * table["milliseconds"] / table["milliseconds"].sum())


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where")
    parser.add_argument("--threads", type=int, help="instead of 2 for resnet18 and 1 for compact_resnet")
    parser.add_argument("--rounds", default=5, type=int, help="alternations; ten times as many for compact_resnet")
    parser.add_argument("--compile", action="store_true", help="time torch.compile too, which takes minutes")
    parser.add_argument("--profile", action="store_true", help="print where the time of a step goes, and stop")
    parser.add_argument("--output", type=Path, help="CSV of the result")
    args = parser.parse_args()

    keep_freed_memory()  # as pretraining does
    place, precision = device.choose(args.device, "auto")
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if args.profile:
        for name in CASES:
            for table in shares(name, args.threads, place, precision, args.rounds):
                print(f"\n{name}\n\n{table.head(10).to_markdown(floatfmt='.1f')}")
        return
    rows = []
    for name in CASES:
        rounds = args.rounds if name == "resnet18" else 10 * args.rounds
        rows += measure(name, args.threads, place, precision, rounds, args.compile)
    table = pd.DataFrame(rows, columns=COLUMNS)
    finish(table, args.output)


if __name__ == "__main__":
    cli.run(main)
