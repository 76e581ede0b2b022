"""How fast a device does the work of a suite: measured in seconds, and kept for this device and code."""

import fcntl
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from tqdm import tqdm

from dhel_kcl.files import read_json, write_json
from dhel_kcl.runtime import science
from dhel_kcl.runtime.provenance import processor
from dhel_kcl.training import cores, device
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.throughput import SECONDS, embedded_per_second, views_per_second
from dhel_kcl.views.augment import Augment

LOSS = {"name": science.BENCHMARKED, "temperature": 0.3}
"""Of the benchmark: losses take a few per cent of a step at most."""
TOGETHER = 4.0
"""Seconds that all benchmarks take, and about as many again until each finds how much of a batch fits its time."""
NEUTRAL = {
    "dataset": "",
    "images": "memory",
    "loss": LOSS,
    "training": {
        "epochs": 1,
        "learning_rate": 1e-3,
        "reference_batch_size": 1,
        "momentum": 0.9,
        "weight_decay": 1e-6,
        "warmup": 0.0,
    },
    "compile": False,
    "device": "auto",
    "processes": 1,
    "seed": 0,
}
"""What of a run makes no difference to the speed, or is not planned with."""


class Benchmark(Protocol):
    """What a speed is measured for; equal keys have equal speeds."""

    @property
    def key(self) -> str: ...

    @property
    def family(self) -> str:
        """That of all which differ in the batch size alone."""
        ...

    @property
    def batch_size(self) -> int: ...

    @property
    def threads(self) -> int:
        """That it takes here."""
        ...

    def measure(self, place: torch.device, seconds: float) -> float:
        """Images a second."""


@dataclass(frozen=True)
class TrainingBenchmark:
    """Training of one process on images of `channels` x `side` x `side` pixels."""

    spec: PretrainSpec
    channels: int
    side: int

    @classmethod
    def of(cls, spec: dict[str, Any], precision: str, channels: int, side: int) -> "TrainingBenchmark":
        """For a run with the content `spec` of its PretrainSpec, where "auto" gives this precision."""
        own = {"precision": precision, "batch_size": spec["batch_size"] // spec["processes"]}
        own["threads"] = cores.taken(spec["threads"], spec["processes"])
        return cls(PretrainSpec.of(spec | NEUTRAL | own), channels, side)

    @property
    def key(self) -> str:
        return json.dumps({"what": "training"} | asdict(self), sort_keys=True)

    @property
    def family(self) -> str:
        return replace(self, spec=replace(self.spec, batch_size=0)).key

    @property
    def batch_size(self) -> int:
        return self.spec.batch_size

    @property
    def threads(self) -> int:
        return self.spec.threads

    def measure(self, place: torch.device, seconds: float) -> float:
        return views_per_second(self.spec, self.channels, self.side, place, seconds)


@dataclass(frozen=True)
class EmbeddingBenchmark:
    """A frozen encoder that sees augmented images in batches of the `shape` (B, C, H, W)."""

    encoder: dict[str, Any]
    augment: Augment
    shape: tuple[int, int, int, int]
    threads: int

    @property
    def key(self) -> str:
        return json.dumps({"what": "evaluation"} | asdict(self), sort_keys=True)

    @property
    def family(self) -> str:
        return self.key

    @property
    def batch_size(self) -> int:
        return self.shape[0]

    def measure(self, place: torch.device, seconds: float) -> float:
        return embedded_per_second(self.encoder, self.augment, self.shape, self.threads, place, seconds)


def name_of(place: torch.device) -> str:
    """The model of a device."""
    return device.name(place) or processor()


def measured(benchmarks: Iterable[Benchmark], place: torch.device, cache: Path) -> dict[str, float]:
    """Images a second of each benchmark, by key: measured now, or found in `cache` for this device and code.

    Of those that differ in the batch size alone the smallest and the largest are measured: a step takes a time for
    itself, and one for each image.
    """
    families: dict[str, dict[int, Benchmark]] = {}
    for benchmark in sorted(benchmarks, key=lambda each: each.batch_size):
        families.setdefault(benchmark.family, {})[benchmark.batch_size] = benchmark
    ends = [sizes[size] for sizes in families.values() for size in {min(sizes), max(sizes)}]
    rates = _of_ends(ends, place, cache)
    for sizes in families.values():
        least, most = min(sizes), max(sizes)
        seconds = [size / rates[sizes[size].key] for size in (least, most)]
        for size, benchmark in sizes.items():
            if benchmark.key not in rates:
                rates[benchmark.key] = size / float(np.interp(size, [least, most], seconds))
    return rates


def _of_ends(benchmarks: Sequence[Benchmark], place: torch.device, cache: Path) -> dict[str, float]:
    """Images a second of each benchmark, by key: measured, each as long as leaves time for the others, or found."""
    entries = {benchmark.key: _entry(benchmark, place) for benchmark in benchmarks}
    with _alone(cache):
        known = read_json(cache) if cache.is_file() else {}
        missing = [benchmark for benchmark in benchmarks if entries[benchmark.key] not in known]
        seconds = min(SECONDS, TOGETHER / max(1, len(missing)))
        for benchmark in tqdm(missing, desc="measuring", unit="rate", leave=False):
            known[entries[benchmark.key]] = benchmark.measure(place, seconds)
            write_json(cache, known)
    return {key: known[entry] for key, entry in entries.items()}


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Waits until no other process is in this block for `cache`: two would slow each other, and write one file."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.with_suffix(".lock").open("wb") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _entry(benchmark: Benchmark, place: torch.device) -> str:
    """Name of a benchmark's speed in the cache."""
    code = science.of_step("plan")  # that of the rule that asks
    return f"{name_of(place)}, torch {torch.__version__}, code {code[:12]}, {benchmark.key}"
