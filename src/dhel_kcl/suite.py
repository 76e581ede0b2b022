"""A suite's runs: which configurations, under which names and paths, and in which role."""

import hashlib
import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dhel_kcl.config import load_suite

FLOORS = {"pixels": "raw pixels", "random": "random encoder", "supervised": "supervised"}


@dataclass(frozen=True)
class Run:
    """One row of the results: a configuration with a seed.

    role: "grid" (a point of the hyperparameter grid, on the grid's seed), "selected" (a further seed of the
    setting that `select` chose; its `loss` then comes from selected.json) or "floor".
    part: "losses", "ablations" or "floors". method: the name of the loss in the suite, or of the floor.
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

    @cached_property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Loss entries of both parts by name, with their part, batch sizes and title."""
        ablations = self.config.get("ablations", {"losses": {}, "batch_size": None})
        main = {
            name: entry | {"part": "losses", "batch_sizes": self.config["batch_sizes"]}
            for name, entry in self.config["losses"].items()
        }
        extra = {
            name: entry | {"part": "ablations", "batch_sizes": [ablations["batch_size"]]}
            for name, entry in ablations["losses"].items()
        }
        return main | extra

    def title(self, method: str) -> str:
        return FLOORS.get(method) or self.methods[method].get("title", method)

    @cached_property
    def runs(self) -> list[Run]:
        """Every run, in the order of the config."""
        seeds, floors = self.config["seeds"], self.config["floors"]
        ablations = self.config.get("ablations", {})
        runs = []
        for dataset in self.datasets:
            for method, entry in self.methods.items():
                part = entry["part"]
                further = ablations.get("seeds", []) if part == "ablations" else seeds["selected"]
                for size in entry["batch_sizes"]:
                    common = {
                        "suite": self.name,
                        "dataset": dataset,
                        "part": part,
                        "method": method,
                        "batch_size": size,
                    }
                    for loss in grid(entry):
                        name = "_".join([method, f"m{size}", *(f"{k}-{v}" for k, v in loss.items() if k != "name")])
                        runs.append(Run(**common, role="grid", name=name, seed=seeds["grid"], loss=loss))
                    for seed in further:
                        loss = {"name": entry["loss"]} | ({"kernel": entry["kernel"]} if "kernel" in entry else {})
                        name = f"{method}_m{size}_selected"
                        runs.append(Run(**common, role="selected", name=name, seed=seed, loss=loss))
            for method in FLOORS:
                for seed in floors["seeds"][:1] if method == "pixels" else floors["seeds"]:
                    runs.append(
                        Run(
                            self.name,
                            dataset,
                            "floors",
                            method,
                            floors["batch_size"],
                            "floor",
                            method,
                            seed,
                            {"name": method},
                        )
                    )
        return runs

    @cached_property
    def by_folder(self) -> dict[str, Run]:
        return {run.folder: run for run in self.runs}

    def candidates(self, run: Run) -> list[Run]:
        """Grid runs among which the setting of a selected run is chosen."""
        same = (run.dataset, run.method, run.batch_size)
        return [r for r in self.runs if r.role == "grid" and (r.dataset, r.method, r.batch_size) == same]

    def pretrain_spec(self, run: Run) -> dict[str, Any]:
        """Content of `PretrainSpec`."""
        return {
            "dataset": run.dataset,
            "loss": run.loss,
            "batch_size": run.batch_size,
            "backbone": self.config["backbone"],
            "projector_dim": self.config["projector_dim"],
            "augment": self.config["datasets"][run.dataset]["augment"],
            "training": self.config["training"],
            "precision": self.config["precision"],
            "threads": self.config["threads"],
            "seed": run.seed,
        }

    def probe_spec(self, run: Run) -> dict[str, Any]:
        """Content of `ProbeSpec`."""
        augment = self.config["datasets"][run.dataset]["augment"]
        return self.config["probe"] | {"augment": augment, "threads": self.config["threads"]}

    def digest(self) -> str:
        """Changes with any value in the config, not with its comments or layout."""
        return hashlib.sha256(json.dumps(self.config).encode()).hexdigest()


def grid(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """All combinations of a loss entry's parameters, as {"name": ..., **parameters}."""
    fixed = {"name": entry["loss"]} | ({"kernel": entry["kernel"]} if "kernel" in entry else {})
    axes = {key: values for key, values in entry.items() if isinstance(values, list) and key != "batch_sizes"}
    points = itertools.product(*axes.values())
    return [fixed | dict(zip(axes, point, strict=True)) for point in points]
