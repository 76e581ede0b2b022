"""A suite's runs: which configurations, under which names, and in which role."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from dhel_kcl.data.catalogue import CATALOGUE, Dataset
from dhel_kcl.study import layout
from dhel_kcl.study.choices import Loss, Setting
from dhel_kcl.study.config import load_suites
from dhel_kcl.study.schema import FLOORS, Augment, Settings, Split, SuiteConfig, Target, Training

SECTIONS = ("losses", "ablations", "causes")
"""Sections of a suite that name losses."""


@dataclass(frozen=True)
class Run:
    """One row of the results: a configuration with a seed.

    section: "losses", "final", "ablations", "causes" or "floors". method: the name of the loss in the suite, or of the
    floor. role: "grid" (a point of the hyperparameter grid, on the grid's seed), "selected" (a further seed of the
    setting that `select` chose), "final" (that setting at the final length), "point" (of causes) or "floor".
    setting: its hyperparameters; none of a setting that comes from selected.json.
    """

    suite: str
    dataset: str
    section: str
    method: str
    batch_size: int
    role: str
    name: str
    seed: int
    setting: Setting

    @property
    def loss(self) -> dict[str, Any]:
        """The registry name and parameters, for `PretrainSpec.loss`."""
        return self.setting.loss

    @property
    def takes_selected(self) -> bool:
        """Whether its setting comes from selected.json."""
        return self.role in ("selected", "final")

    @property
    def folder(self) -> str:
        return layout.run_folder(self)

    @property
    def trained(self) -> bool:
        """Whether there is an encoder, were it an untrained one."""
        return self.method != "pixels"


@dataclass(frozen=True)
class Method:
    """A loss as a suite names it.

    loss: its name in the registry. fixed: {"name": registry name, "kernel": ...}, which holds for the whole grid.
    grid: all combinations of its parameters. seeds: of every point of it. further: seeds of the setting that is
    selected from it.
    """

    name: str
    section: str
    title: str
    batch_sizes: tuple[int, ...]
    loss: str
    fixed: dict[str, Any]
    grid: list[Setting]
    seeds: tuple[int, ...]
    further: tuple[int, ...]

    def run_name(self, batch_size: int, setting: Setting) -> str:
        values = [f"{key}-{value}" for key, value in setting.values.items()]
        return "_".join([self.name, f"m{batch_size}", *values])


@dataclass(frozen=True)
class Suite:
    """Checked configs and the runs that follow from them.

    configs: {name: config}, of this suite alone; of a joint suite, which runs nothing itself, those that it joins.
    """

    name: str
    configs: dict[str, SuiteConfig]

    @classmethod
    def load(cls, root: Path, name: str) -> "Suite":
        """The suite of config/suites/`name`.yaml below `root`. Raises ConfigError."""
        return cls(name, load_suites(root, name))

    @property
    def is_joint(self) -> bool:
        return self.name not in self.configs

    @property
    def parts(self) -> list["Suite"]:
        """The suites that it joins; itself if it joins none."""
        return [Suite(name, {name: config}) for name, config in self.configs.items()] if self.is_joint else [self]

    @property
    def config(self) -> SuiteConfig:
        """Of a suite that is no joint one."""
        return self.configs[self.name]

    @cached_property
    def _part_names(self) -> dict[str, str]:
        return {dataset: name for name, config in self.configs.items() for dataset in config.datasets}

    @property
    def datasets(self) -> list[str]:
        return list(self._part_names)

    def config_of(self, dataset: str) -> SuiteConfig:
        """That of the suite that a data set is in."""
        return self.configs[self._part_names[dataset]]

    def settings(self, dataset: str) -> Settings:
        """What holds for a data set: the suite's settings with its own in their place."""
        return self.config_of(dataset).datasets[dataset]

    def has(self, section: str) -> bool:
        """Whether a section that may be absent is there."""
        asked = [each for config in self.configs.values() for each in (config, *config.datasets.values())]
        return any(getattr(each, section, None) for each in asked)

    def judged_section(self, dataset: str) -> str:
        """Section of the runs that a data set's losses are compared by: at the final length where there is one."""
        return "final" if self.settings(dataset).final else "losses"

    def judged_seeds(self, dataset: str) -> tuple[int, ...]:
        """Seeds of the selected settings that they are compared by; never that which selected them."""
        settings = self.settings(dataset)
        return settings.final.seeds if settings.final else settings.seeds.selected

    @property
    def targets(self) -> list[str]:
        """Data sets that encoders are transferred to."""
        asked = [config.transfer for config in self.configs.values() if config.transfer]
        return list(dict.fromkeys(target for transfer in asked for target in transfer.datasets))

    @property
    def all_datasets(self) -> list[str]:
        """Those that are trained on, and those that encoders are transferred to."""
        return list(dict.fromkeys([*self.datasets, *self.targets]))

    def split(self, dataset: str) -> Split:
        """How a data set is split that is trained on or transferred to."""
        split = self.settings(dataset).split if dataset in self.datasets else self._target(dataset).split
        assert split  # `config` lets no data set pass without one
        return split

    def _target(self, dataset: str) -> Target:
        assert self.config.transfer
        return self.config.transfer.datasets[dataset]

    def dataset(self, name: str) -> Dataset:
        """What is known of a data set before it is there."""
        return self._entries[name] if name in self._entries else CATALOGUE[name]

    @cached_property
    def _entries(self) -> dict[str, Dataset]:
        return {name: self.settings(name).dataset(name) for name in self.datasets}

    def methods_of(self, dataset: str) -> dict[str, Method]:
        """Losses of all sections that are run on a data set, by name."""
        config, settings = self.config_of(dataset), self.settings(dataset)
        sizes, grid = settings.batch_sizes, (settings.seeds.grid,)
        entries, seeds = settings.losses.items(), settings.seeds.selected
        found = [_method("losses", name, entry, sizes, grid, seeds) for name, entry in entries]
        if (asked := config.ablations) and dataset in asked.datasets:
            one = (asked.batch_size,)
            found += [_method("ablations", name, entry, one, grid, asked.seeds) for name, entry in asked.losses.items()]
        if (causes := config.causes) and dataset in causes.datasets:
            one, entries = (causes.batch_size,), causes.losses.items()
            found += [_method("causes", name, entry, one, causes.seeds_of(entry), ()) for name, entry in entries]
        return {method.name: method for method in found}

    @cached_property
    def methods(self) -> dict[str, Method]:
        """Losses of all data sets, by name, section by section: the first data set's where they differ."""
        found: dict[str, Method] = {}
        for section, dataset in itertools.product(SECTIONS, self.datasets):
            for name, method in self.methods_of(dataset).items():
                if method.section == section:
                    found.setdefault(name, method)
        return found

    def title(self, method: str) -> str:
        """Name of a loss or floor in tables and figures."""
        return FLOORS[method] if method in FLOORS else self.methods[method].title

    @cached_property
    def runs(self) -> list[Run]:
        """Every run, in the order of the config."""
        return [run for dataset in self.datasets for run in self._runs_of(dataset)]

    def _runs_of(self, dataset: str) -> Iterator[Run]:
        cells = [(method, size) for method in self.methods_of(dataset).values() for size in method.batch_sizes]
        for method, size in cells:
            yield from self._of_grid(dataset, method, size)
        if final := self.settings(dataset).final:
            for method, size in cells:
                if method.section == "losses":
                    name, part = layout.final_run(method.name, size), self._part_names[dataset]
                    run = partial(Run, part, dataset, "final", method.name, size, "final", name)
                    yield from (run(seed, Setting(method.fixed)) for seed in final.seeds)
        yield from self._of_floors(dataset)

    def _of_grid(self, dataset: str, method: Method, size: int) -> Iterator[Run]:
        """Every point of a grid, and the setting that is selected from it."""
        run = partial(Run, self._part_names[dataset], dataset, method.section, method.name, size)
        role = "point" if method.section == "causes" else "grid"
        for setting in method.grid:
            yield from (run(role, method.run_name(size, setting), seed, setting) for seed in method.seeds)
        name = layout.selected_run(method.name, size)
        yield from (run("selected", name, seed, Setting(method.fixed)) for seed in method.further)

    def _of_floors(self, dataset: str) -> Iterator[Run]:
        floors = self.settings(dataset).floors
        for method in self.floors(dataset):
            run = partial(Run, self._part_names[dataset], dataset, "floors", method, floors.batch_size, "floor", method)
            for seed in floors.seeds[:1] if method == "pixels" else floors.seeds:
                yield run(seed, Setting({"name": method}))

    def floors(self, dataset: str) -> list[str]:
        """What its losses are compared with, of `FLOORS`."""
        floors = self.settings(dataset).floors
        return [name for name in FLOORS if floors.seeds and (floors.supervised or name != "supervised")]

    @cached_property
    def by_folder(self) -> dict[str, Run]:
        return {run.folder: run for run in self.runs}

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

    def transfers(self, run: Run) -> list[str]:
        """Data sets that a run's encoder is evaluated on besides its own: those that are named, with as many
        channels."""
        asked = self.config_of(run.dataset).transfer
        if asked is None or (run.section, run.role, run.batch_size) != ("losses", "selected", asked.batch_size):
            return []
        channels = self.dataset(run.dataset).channels
        return [name for name in asked.datasets if name != run.dataset and self.dataset(name).channels == channels]

    def training(self, run: Run) -> Training:
        """How a run is trained, but for the learning rate that comes from selected.json."""
        settings = self.settings(run.dataset)
        if settings.final and run.section in ("final", "floors"):
            return settings.training.changed(settings.final.training.model_dump(mode="json"))
        return settings.training.changed(run.setting.training)

    @cached_property
    def _as_json(self) -> dict[str, dict[str, Any]]:
        """Settings of each data set as JSON has them."""
        return {name: self.settings(name).model_dump(mode="json") for name in self.datasets}

    def pretrain_spec(self, run: Run) -> dict[str, Any]:
        """Content of `PretrainSpec`, as JSON has it."""
        settings, config = self._as_json[run.dataset], self.config_of(run.dataset)
        return {
            "dataset": run.dataset,
            "images": self.dataset(run.dataset).images,
            "loss": run.loss,
            "batch_size": run.batch_size,
            "backbone": settings["backbone"],
            "projector_dim": config.projector_dim,
            "augment": settings["augment"],
            "training": self.training(run).at(run.batch_size),
            "precision": config.precision,
            "compile": config.compile,
            "device": config.device,
            "processes": settings["processes"],
            "threads": config.threads,
            "seed": run.seed,
        }

    def evaluation_spec(self, dataset: str) -> dict[str, Any]:
        """Content of `EvaluationSpec` for encoders that see images of a data set, as JSON has it."""
        config = self.config_of(dataset) if dataset in self.datasets else self.config
        if dataset in self.datasets:
            probe, augment = self._as_json[dataset]["probe"], self._as_json[dataset]["augment"]
        else:
            probe = config.probe.model_dump(mode="json") | {"augmented": None}
            augment = Augment(size=self._target(dataset).size).model_dump(mode="json")
        return probe | {
            "dataset": dataset,
            "images": self.dataset(dataset).images,
            "augment": augment,
            "precision": config.precision,
            "device": config.device,
            "threads": config.threads,
        }

    def digest(self) -> str:
        """Changes with all that the suite decides: config, runs, titles; not with comments in the file, or the order
        of a section's keys."""
        if self.is_joint:
            return _digest([part.digest() for part in self.parts])
        decided = [
            self.config.model_dump(mode="json"),
            [dataclasses.asdict(run) for run in self.runs],
            [dataclasses.asdict(method) for method in self.methods.values()],
            FLOORS,
            self.runs_digest(),
        ]
        return _digest(decided)

    def runs_digest(self) -> str:
        """Changes with the runs there are and with what any of them is asked to do, not with titles."""
        asked = {
            "runs": {run.folder: self.pretrain_spec(run) for run in self.runs},
            "transfers": {run.folder: self.transfers(run) for run in self.runs},
            "splits": {name: self.split(name).model_dump() for name in self.all_datasets},
            "evaluations": {name: self.evaluation_spec(name) for name in self.all_datasets},
        }
        return _digest(asked, sort_keys=True)


def _digest(content: Any, sort_keys: bool = False) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=sort_keys).encode()).hexdigest()


def _method(
    section: str, name: str, entry: Loss, sizes: tuple[int, ...], seeds: tuple[int, ...], further: tuple[int, ...]
) -> Method:
    title, fixed, grid = entry.title or name, entry.fixed, entry.grid
    return Method(name, section, title, sizes, entry.loss, fixed, grid, seeds, further)


def dataset_title(dataset: str) -> str:
    """Name in tables and figures: its title, or what it is called in the config."""
    return CATALOGUE[dataset].title if dataset in CATALOGUE else dataset
