"""How fast a device does the work of a suite: measured in seconds, and kept for this device and code."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from dhel_kcl.files import read_json, write_json
from dhel_kcl.runtime import science
from dhel_kcl.runtime.provenance import environment
from dhel_kcl.training import device
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.throughput import SECONDS, embedded_per_second, views_per_second
from dhel_kcl.views.augment import Augment

LOSS = {"name": "simclr", "temperature": 0.3}
"""Of the benchmark: losses take a few per cent of a step at most."""
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
    def backbone(self) -> str: ...

    def measure(self, place: torch.device, seconds: float = SECONDS) -> float:
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
        return cls(PretrainSpec.of(spec | NEUTRAL | own), channels, side)

    @property
    def key(self) -> str:
        return json.dumps({"what": "training"} | asdict(self), sort_keys=True)

    @property
    def backbone(self) -> str:
        name: str = self.spec.backbone["name"]
        return name

    def measure(self, place: torch.device, seconds: float = SECONDS) -> float:
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
    def backbone(self) -> str:
        name: str = self.encoder["name"]
        return name

    def measure(self, place: torch.device, seconds: float = SECONDS) -> float:
        return embedded_per_second(self.encoder, self.augment, self.shape, self.threads, place, seconds)


def name_of(place: torch.device) -> str:
    """The model of a device."""
    name: str = device.name(place) or environment()["processor"]
    return name


def measured(benchmarks: Iterable[Benchmark], place: torch.device, cache: Path) -> dict[str, float]:
    """Images a second of each benchmark, by key: measured now, or found in `cache` for this device and code."""
    known = read_json(cache) if cache.is_file() else {}
    rates: dict[str, float] = {}
    for key, benchmark in tqdm({b.key: b for b in benchmarks}.items(), desc="measuring", unit="rate", leave=False):
        code = science.of_pretraining(LOSS, benchmark.backbone, "memory")
        here = f"{name_of(place)}, torch {torch.__version__}, code {code[:12]}, {key}"
        if here not in known:
            known[here] = benchmark.measure(place)
            write_json(cache, known)
        rates[key] = known[here]
    return rates
