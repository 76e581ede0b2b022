"""A suite's runs: which configurations, under which names and paths, and in which role."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.study.config import load_suite

PARTS = ("losses", "ablations", "trade_off")
FLOORS = {"pixels": "raw pixels", "random": "random encoder", "supervised": "supervised"}


@dataclass(frozen=True)
class Run:
    """One row of the results: a configuration with a seed.

    role: "grid" (a point of the hyperparameter grid, on the grid's seed), "selected" (a further seed of the
    setting that `select` chose; its `loss` then comes from selected.json), "point" (of a trade-off curve) or "floor".
    part: "losses", "ablations", "trade_off" or "floors". method: the name of the loss in the suite, or of the floor.
    loss: the registry name and parameters, for `PretrainSpec.loss`; without parameters for role "selected".
    """

    suite: str
    dataset: str
    part: str
    method: str
    batch_size: int
    role: str
    name: str
    seed: int
    loss: dict[str, Any]

    @property
    def folder(self) -> str:
        return f"{self.configuration}/seed{self.seed}"

    @property
    def configuration(self) -> str:
        return f"results/runs/{self.suite}/{self.dataset}/{self.name}"

    @property
    def trained(self) -> bool:
        return self.method != "pixels"


@dataclass(frozen=True)
class Suite:
    """A checked suite config and the runs that follow from it."""

    name: str
    config: dict[str, Any]

    @classmethod
    def load(cls, root: Path, name: str) -> "Suite":
        """The suite of config/suites/`name`.yaml below `root`. Raises ConfigError."""
        return cls(name, load_suite(root, name))

    @property
    def datasets(self) -> list[str]:
        return list(self.config["datasets"])

    def settings(self, dataset: str) -> dict[str, Any]:
        """What holds for a data set, by key: the suite's settings with its own in their place."""
        settings: dict[str, Any] = self.config["datasets"][dataset]
        return settings

    def methods_of(self, dataset: str) -> dict[str, dict[str, Any]]:
        """Loss entries of all parts by name, with their part, batch sizes and title."""
        methods: dict[str, dict[str, Any]] = {}
        for part in PARTS:
            settings = self.settings(dataset) if part == "losses" else self.config.get(part)
            if settings is None or (part != "losses" and dataset not in settings["datasets"]):
                continue
            sizes = settings["batch_sizes"] if part == "losses" else [settings["batch_size"]]
            for name, entry in settings["losses"].items():
                methods[name] = entry | {"part": part, "batch_sizes": sizes}
        return methods

    @cached_property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Loss entries of all data sets, by name: the first data set's where they differ."""
        found: dict[str, dict[str, Any]] = {}
        for part in PARTS:  # a part's losses stay together
            for dataset in self.datasets:
                for name, entry in self.methods_of(dataset).items():
                    if entry["part"] == part:
                        found.setdefault(name, entry)
        return found

    def title(self, method: str) -> str:
        return FLOORS.get(method) or self.methods[method].get("title", method)

    @cached_property
    def runs(self) -> list[Run]:
        """Every run, in the order of the config."""
        return [run for dataset in self.datasets for run in self._runs_of(dataset)]

    def _runs_of(self, dataset: str) -> Iterator[Run]:
        settings = self.settings(dataset)
        for method, entry in self.methods_of(dataset).items():
            part, fixed = entry["part"], _fixed(entry)
            for size in entry["batch_sizes"]:
                run = partial(Run, suite=self.name, dataset=dataset, part=part, method=method, batch_size=size)
                for loss in grid(entry):
                    name = "_".join([method, f"m{size}", *(f"{k}-{v}" for k, v in loss.items() if k != "name")])
                    if part == "trade_off":
                        for seed in self.config[part]["seeds"]:
                            yield run(role="point", name=name, seed=seed, loss=loss)
                    else:
                        yield run(role="grid", name=name, seed=settings["seeds"]["grid"], loss=loss)
                further = {"losses": settings["seeds"]["selected"], "trade_off": []}
                for seed in further[part] if part in further else self.config[part]["seeds"]:
                    yield run(role="selected", name=f"{method}_m{size}_selected", seed=seed, loss=fixed)
        floors = settings["floors"]
        for method in FLOORS:
            run = partial(Run, suite=self.name, dataset=dataset, part="floors", method=method)
            for seed in floors["seeds"][:1] if method == "pixels" else floors["seeds"]:
                yield run(batch_size=floors["batch_size"], role="floor", name=method, seed=seed, loss={"name": method})

    @cached_property
    def by_folder(self) -> dict[str, Run]:
        return {run.folder: run for run in self.runs}

    def transfers(self, run: Run) -> list[str]:
        """Data sets that a run's encoder is probed on besides its own: the others with as many channels."""
        settings = self.config.get("transfer")
        if settings is None or (run.part, run.role, run.batch_size) != ("losses", "selected", settings["batch_size"]):
            return []
        channels = CATALOGUE[run.dataset].channels
        return [name for name in self.datasets if name != run.dataset and CATALOGUE[name].channels == channels]

    @cached_property
    def _grids(self) -> dict[tuple[str, str, int], list[Run]]:
        grids: dict[tuple[str, str, int], list[Run]] = {}
        for run in self.runs:
            if run.role == "grid":
                grids.setdefault((run.dataset, run.method, run.batch_size), []).append(run)
        return grids

    def candidates(self, dataset: str, method: str, batch_size: int) -> list[Run]:
        """Grid runs among which the setting of a loss is selected."""
        return self._grids[dataset, method, batch_size]

    def pretrain_spec(self, run: Run) -> dict[str, Any]:
        """Content of `PretrainSpec`."""
        settings = self.settings(run.dataset)
        return {
            "dataset": run.dataset,
            "loss": run.loss,
            "batch_size": run.batch_size,
            "backbone": settings["backbone"],
            "projector_dim": self.config["projector_dim"],
            "augment": settings["augment"],
            "training": settings["training"],
            "precision": self.config["precision"],
            "compile": self.config["compile"],
            "device": self.config["device"],
            "processes": settings["processes"],
            "threads": self.config["threads"],
            "seed": run.seed,
        }

    def probe_spec(self, dataset: str) -> dict[str, Any]:
        """Content of `ProbeSpec`."""
        settings = self.settings(dataset)
        keys = ("precision", "device", "threads")
        probe = {"augmented": None} | settings["probe"]
        return probe | {"augment": settings["augment"]} | {key: self.config[key] for key in keys}

    def digest(self) -> str:
        """Changes with any value in the config, not with its comments or layout."""
        return hashlib.sha256(json.dumps(self.config).encode()).hexdigest()


def _fixed(entry: dict[str, Any]) -> dict[str, Any]:
    return {"name": entry["loss"]} | ({"kernel": entry["kernel"]} if "kernel" in entry else {})


def dataset_title(dataset: str) -> str:
    """Name in tables and figures: its title, or what it is called in the config."""
    return CATALOGUE[dataset].title if dataset in CATALOGUE else dataset


def parameters(loss: dict[str, Any]) -> str:
    """A loss's parameters as runs.csv has them: "form=sum temperature=0.3"."""
    return " ".join(f"{key}={value}" for key, value in loss.items() if key != "name")


def grid(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """All combinations of a loss entry's parameters, as {"name": ..., **parameters}."""
    axes = {key: values for key, values in entry.items() if isinstance(values, list) and key != "batch_sizes"}
    points = itertools.product(*axes.values())
    return [_fixed(entry) | dict(zip(axes, point, strict=True)) for point in points]
