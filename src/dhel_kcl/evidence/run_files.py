"""What one run left, read and checked.

Each file is held against the suite's config, the split of its data set and what the run recorded of itself, never
against another run, which may be the damaged one. So whatever is wrong is named where it is.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dhel_kcl.data import split
from dhel_kcl.evidence.tidy import DIGITS, GEOMETRY, SCALINGS, SPACES
from dhel_kcl.files import DamagedError, read_json, reading, sha256
from dhel_kcl.study import job_counts, layout, selection
from dhel_kcl.study.choices import Setting
from dhel_kcl.study.selection import Candidate
from dhel_kcl.study.suite import Run, Suite

REMEDY = "delete it and run again to rebuild it, or restore it with `dvc checkout`"
SUBSETS = ("train", "validation", "test")
LIMITS = {"alignment": (0, 4), "uniformity": (-8, 0), "wasserstein_uniformity": (0, 2)}
"""Least and largest value of metrics on the unit sphere; those of ranks follow from the embeddings."""
SLACK = 1e-6
"""Rounding that checks of measured numbers allow."""

Row = dict[str, Any]
"""One row of a tidy table, by column."""


@dataclass(frozen=True)
class Training:
    """How a run was trained.

    setting: its hyperparameters. learning_rate: at the reference batch size. epochs: passes over its images; both None
    of an encoder that stays as it was drawn. plan, claims: first digits of the SHA-256 of docs/analysis_plan.md and
    claims.yaml as they were; None where there was no such file. seconds: that it took. views: that it saw.
    """

    setting: Setting
    learning_rate: float | None
    epochs: float | None
    plan: str | None
    claims: str | None
    git_revision: str
    seconds: float
    views: int


@dataclass(frozen=True)
class Details:
    """What is shown of selected settings alone.

    log: one row an epoch, of those that have a loss. correct: shape (test images,). spectrum: space, index,
    singular_value. similarities: space, similarity, density.
    """

    log: pd.DataFrame | None
    correct: NDArray[np.bool_]
    spectrum: pd.DataFrame
    similarities: pd.DataFrame


@dataclass(frozen=True)
class Measured:
    """A run with its numbers. measures: of runs.csv, by column. details: of selected settings and floors."""

    run: Run
    training: Training | None
    measures: Row
    details: Details | None

    @property
    def configuration(self) -> Row:
        run = self.run
        return {
            "dataset": run.dataset,
            "section": run.section,
            "method": run.method,
            "batch_size": run.batch_size,
        }

    @property
    def row(self) -> Row:
        """Of runs.csv."""
        training = self.training
        return self.configuration | {
            "role": self.run.role,
            "selected": self.details is not None,
            "seed": self.run.seed,
            "parameters": (training or self.run).setting.parameters,
            "learning_rate": training and training.learning_rate,
            "epochs": training and training.epochs,
            **self.measures,
            "plan": training and training.plan,
            "claims": training and training.claims,
            "git_revision": training and training.git_revision,
        }


@dataclass(frozen=True)
class RunFiles:
    """The folders of a suite's runs, below the working directory.

    code: digest of the code that a run must have been pretrained with. partial: whether runs, settings and transfers
    that are not there yet are left out.
    """

    suite: Suite
    code: Callable[[Run], str]
    partial: bool = False
    _kept: dict[Path, Any] = field(default_factory=dict, repr=False, compare=False)
    """Content of files that concern several runs, read once."""

    def is_complete(self, run: Run) -> bool:
        """Whether every file of a run is there, and the setting it was trained with."""
        files = layout.run_files(run) + ([layout.selected(run)] if run.takes_selected else [])
        return all(Path(file).is_file() for file in files)

    def read(self, run: Run) -> Measured:
        """A run's numbers. Raises DamagedError, or FileNotFoundError, that names the file."""
        # The run before the setting that was selected from it and others: a foreign one spoils that choice, too.
        training = self._training(run) if run.trained else None
        selected = self._is_selected(run)
        spec, images = self.suite.evaluation_spec(run.dataset), self._images(run.dataset)
        folder, accuracy = Path(run.folder), Evaluation(spec, images, run.trained)
        probe, geometry = accuracy.report(folder / "probe.json"), Geometry(run, len(images["test"]), spec)
        correct = read_correct(folder / "predictions.csv", images["test"], probe["test_accuracy"])
        measured = geometry.read(folder / "geometry.json")
        spectrum = geometry.spectrum(folder / "spectrum.csv")
        similarities = geometry.similarities(folder / "similarities.csv", spec["histogram_bins"])
        log = self._log(folder / "log.csv") if selected and has_loss(run) else None
        details = Details(log, correct, spectrum, similarities) if selected else None
        return Measured(run, training, probe | self._transfers(run) | measured, details)

    def _kept_once(self, path: Path, read: Callable[[Path], Any]) -> Any:
        if path not in self._kept:
            self._kept[path] = read(path)
        return self._kept[path]

    def _images(self, dataset: str) -> dict[str, NDArray[np.int64]]:
        """Images of each subset of a data set. Raises DamagedError unless it has as many as the config says."""

        def read(path: Path) -> dict[str, NDArray[np.int64]]:
            images, asked = split.read(path), self.suite.split(dataset)
            with reading(path, REMEDY):
                for name, count in {"train": asked.train, "validation": asked.validation, "test": asked.test}.items():
                    if count is not None and len(images[name]) != count:
                        raise ValueError(f"{len(images[name])} images of {name} where the config says {count}")
            return images

        return self._kept_once(Path(layout.SPLIT.format(suite=self.suite.name, dataset=dataset)), read)

    def _is_selected(self, run: Run) -> bool:
        """Whether a run is of the selected setting or a floor: by its role, or because `select` chose its grid
        point."""
        if run.role != "grid":
            return run.role != "point"
        if self.partial and not Path(layout.selected(run)).is_file():
            return False
        return self._selection(run).name == run.name

    def _selection(self, run: Run) -> Run:
        """The point chosen for a run's loss and batch size, which must be the best of the candidates listed with it,
        and those the grid."""

        def read(path: Path) -> Run:
            grid = {point.name: point for point in self.suite.candidates(run.dataset, run.method, run.batch_size)}
            asked = {name: (point.loss, self.suite.training(point).learning_rate) for name, point in grid.items()}
            with reading(path, REMEDY):
                chosen = read_json(path)
                candidates = [Candidate(**entry) for entry in chosen["candidates"]]
                if {candidate.run: (candidate.loss, candidate.learning_rate) for candidate in candidates} != asked:
                    raise ValueError("other candidates than the grid's")
                if chosen != selection.selected(candidates):
                    raise ValueError(f"{chosen['run']} is not the best of the candidates")
                return grid[selection.best(candidates).run]

        return self._kept_once(Path(layout.selected(run)), read)

    def _training(self, run: Run) -> Training:
        folder = Path(run.folder)
        expected, setting = self.suite.pretrain_spec(run), run.setting
        if run.takes_selected:
            chosen = self._selection(run)
            expected["loss"], setting = chosen.loss, chosen.setting
            expected["training"]["learning_rate"] = self.suite.training(chosen).learning_rate
        spec, path = read_json(folder / "spec.json"), folder / "provenance.json"
        with reading(path, REMEDY):
            record = read_json(path)
            if spec != expected or record["code"] != self.code(run):
                raise DamagedError(f"{folder} was made with another config or code and then copied here; {REMEDY}")
            if record["sha256"].keys() != set(layout.TRAINED) - {"provenance.json"}:
                raise ValueError("checksums of other files than training writes")
            for name, checksum in record["sha256"].items():
                if sha256(folder / name) != checksum:
                    raise DamagedError(f"{folder / name} is not the file that training wrote; {REMEDY}")
            sizes = {subset: len(index) for subset, index in self._images(run.dataset).items()}
            views = job_counts.views(self.suite, run, sizes)
            if record["views"] != views:
                raise ValueError(f"{record['views']} views where training takes {views}")
            seconds = number(record["training_seconds"], "training_seconds", 0)
            if not isinstance(record["git_revision"], str):
                raise TypeError(f"git_revision is {record['git_revision']!r}, not a text")
            rate, epochs = trained_at(spec, sizes) if views else (None, None)
            plan, claims = (digits(record[name], name) for name in ("plan", "claims"))
            return Training(setting, rate, epochs, plan, claims, record["git_revision"], seconds, views)

    def _log(self, path: Path) -> pd.DataFrame:
        with reading(path, REMEDY):
            return pd.read_csv(path)

    def _transfers(self, run: Run) -> Row:
        """{"transfer_<data set>": test accuracy (%)}, empty where the suite transfers nothing."""
        row: Row = dict.fromkeys(f"transfer_{target}" for target in self.suite.targets)
        for target in self.suite.transfers(run):
            path = Path(layout.transfer(run, target))
            if path.is_file() or not self.partial:
                spec = self.suite.evaluation_spec(target) | {"augmented": None}
                report = Evaluation(spec, self._images(target), trained=True).report(path)
                row[f"transfer_{target}"] = report["test_accuracy"]
        return row


@dataclass(frozen=True)
class Evaluation:
    """What the report of an encoder's evaluation must agree with: its spec, its data set's split."""

    spec: dict[str, Any]
    images: Mapping[str, NDArray[np.int64]]
    trained: bool

    def report(self, path: Path) -> Row:
        """Accuracies (%), cross-entropies and the number of test images, by column of runs.csv."""
        with reading(path, REMEDY):
            report = read_json(path)
            if report["spec"] != self.spec:
                raise DamagedError(f"{path} was made with another config of the evaluation; {REMEDY}")
            row: Row = {}
            for subset in ("validation", "test"):
                row[f"{subset}_accuracy"] = self._accuracy(report, subset)
                row[f"{subset}_cross_entropy"] = number(report[subset]["cross_entropy"], "cross_entropy", 0)
            self._accuracy(report, "train")
            self._share(report["knn"]["validation"], "validation")
            row |= {"test_images": len(self.images["test"]), "knn_accuracy": self._share(report["knn"]["test"], "test")}
            augmented = self.trained and self.spec["augmented"]
            cached = report["cached"] if augmented else report
            row["cached_test_accuracy"] = self._accuracy(cached, "test") if augmented else None
            return row | self._probes(cached)

    def _probes(self, cached: dict[str, Any]) -> Row:
        """Of the cached probes, the chosen one of which must be the best on validation, by the rule of `selection`."""
        found = {scaling: cached["scalings"][scaling] for scaling in self.spec["scaling"]}
        fitted = [each | {"scaling": scaling} for scaling, probe in found.items() for each in probe["candidates"]]
        if [each["weight_decay"] for each in fitted] != self.spec["weight_decay"] * len(found):
            raise ValueError("other probes than the config's")
        best = min(fitted, key=lambda each: (-each["accuracy"], each["cross_entropy"]))
        if any(cached[key] != best[key] for key in ("scaling", "weight_decay")):
            raise ValueError("the chosen probe is not the best on validation")
        accuracies = {name: self._accuracy(found[name], "test") if name in found else None for name in SCALINGS}
        row = {f"{scaling}_test_accuracy": accuracy for scaling, accuracy in accuracies.items()}
        return row | {"probe_scaling": cached["scaling"], "probe_weight_decay": cached["weight_decay"]}

    def _accuracy(self, report: dict[str, Any], subset: str) -> float:
        if report[subset]["images"] != len(self.images[subset]):
            raise ValueError(f"{report[subset]['images']} images of {subset}, the split has {len(self.images[subset])}")
        return self._share(report[subset]["accuracy"], subset)

    def _share(self, accuracy: Any, subset: str) -> float:
        """An accuracy, which must be that of a whole number of images."""
        right = number(accuracy, "accuracy", 0, 100) * len(self.images[subset]) / 100
        if abs(right - round(right)) > SLACK:
            raise ValueError(f"an accuracy of {accuracy!r} % is of no whole number of {subset} images")
        return accuracy


class Geometry:
    """What the geometry of a run's test embeddings must agree with: their number, the spaces that it has, the spec."""

    def __init__(self, run: Run, images: int, spec: dict[str, Any]) -> None:
        self.images, self.spec = images, spec
        self.spaces = SPACES if run.method not in ("pixels", "supervised") else ("h",)
        self.dims: dict[str, int] = {}

    def read(self, path: Path) -> Row:
        """Metrics by column of runs.csv, None in spaces that the run has not."""
        row: Row = {f"{space}_{metric}": None for space in SPACES for metric in GEOMETRY}
        with reading(path, REMEDY):
            geometry = read_json(path)
            if set(geometry) != set(self.spaces):
                raise ValueError(f"embeddings {', '.join(geometry)} where there should be {', '.join(self.spaces)}")
            for space in self.spaces:
                found = geometry[space]
                if found["embeddings"] != self.images:
                    raise ValueError(f"{found['embeddings']} embeddings of {self.images} test images")
                self.dims[space] = int(number(found["dim"], "dim", 1))
                for metric in GEOMETRY:
                    limits = LIMITS.get(metric, (0, self._rank(space)))
                    row[f"{space}_{metric}"] = number(found[metric], metric, *limits)
            row["z_negative_variance"] = self._negative_variance(geometry)
        return row

    def _negative_variance(self, geometry: dict[str, Any]) -> float | None:
        """That of z, None where it is not asked for."""
        asked = {"z"} & set(self.spaces) if self.spec["training_pairs"] else set()
        found = {space: geometry[space]["negative_variance"] for space in self.spaces}
        if asked != {space for space, variance in found.items() if variance is not None}:
            raise ValueError("the negative_variance of other embeddings than the config asks for")
        return number(found["z"], "negative_variance", 0, 1) if asked else None

    def _rank(self, space: str) -> int:
        """Number of singular values."""
        return min(self.images, self.dims[space])

    def spectrum(self, path: Path) -> pd.DataFrame:
        """Singular values of each space over the largest, from 1 down."""
        with reading(path, REMEDY):
            table = read_numbers(path, ["index", "singular_value"], text=("space",))
            for space, rows in self._by_space(table):
                values = rows.singular_value.to_numpy(float)
                if rows["index"].tolist() != list(range(1, 1 + self._rank(space))):
                    raise ValueError(f"{space} has other indices than 1 to {self._rank(space)}")
                if not (abs(values[0] - 1) < SLACK and (np.diff(values) <= SLACK).all() and values[-1] >= 0):
                    raise ValueError(f"the singular values of {space} do not fall from 1")
        return table

    def similarities(self, path: Path, bins: int) -> pd.DataFrame:
        """Densities of the similarities in each space over equal bins of [-1, 1], named by their lower ends."""
        ends = np.linspace(-1, 1, bins + 1)
        with reading(path, REMEDY):
            table = read_numbers(path, ["similarity", "density"], text=("space",))
            for space, rows in self._by_space(table):
                if rows.similarity.tolist() != ends[:-1].tolist():
                    raise ValueError(f"{space} has other bins than {bins} of [-1, 1]")
                if (rows.density < 0).any() or abs(rows.density.sum() * 2 / bins - 1) > SLACK:
                    raise ValueError(f"the density of {space} does not integrate to 1")
        return table

    def _by_space(self, table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
        if set(table.space) != set(self.spaces):
            raise ValueError(f"embeddings other than {', '.join(self.spaces)}")
        return [(space, table[table.space == space]) for space in self.spaces]


def trained_at(spec: dict[str, Any], sizes: Mapping[str, int]) -> tuple[float, float]:
    """Learning rate and epochs of a training by its spec, on subsets of these sizes."""
    training, images = spec["training"], sizes["train" if spec["loss"]["name"] == "supervised" else "pretrain"]
    epochs = training["epochs"] if "epochs" in training else training["updates"] * spec["batch_size"] / images
    return training["learning_rate"], epochs


def digits(checksum: Any, name: str) -> str | None:
    """The first of a SHA-256, if there is one. Raises ValueError for what is none."""
    if not (checksum is None or (isinstance(checksum, str) and re.fullmatch("[0-9a-f]{64}", checksum))):
        raise ValueError(f"{name} is {checksum!r}, no SHA-256")
    return checksum and checksum[:DIGITS]


def has_loss(run: Run) -> bool:
    """Whether training took steps, so that there are curves and a time."""
    return run.method not in ("pixels", "random")


def number(value: Any, name: str, least: float, largest: float = math.inf) -> Any:
    """The value, if it is a finite number between two limits, up to rounding. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, not a number")
    if not (math.isfinite(value) and least - SLACK <= value <= largest + SLACK):
        raise ValueError(f"{name} is {value!r}, not within {least:g} and {largest:g}")
    return value


def read_numbers(path: Path, columns: list[str], text: tuple[str, ...] = ()) -> pd.DataFrame:
    """CSV with columns of finite numbers and columns of text. Raises ValueError or KeyError if it is anything else."""
    table = pd.read_csv(path)[[*text, *columns]]
    if not np.isfinite(table[columns].apply(pd.to_numeric).to_numpy(float)).all():
        raise ValueError("not every number is there")
    return table


def read_correct(path: Path, images: NDArray[np.int64], accuracy: float) -> NDArray[np.bool_]:
    """Which of the test images a run classifies right, which must give its accuracy (%)."""
    with reading(path, REMEDY):
        table = read_numbers(path, ["image", "label", "prediction"])
        if table.image.tolist() != images.tolist():
            raise ValueError("other test images than the split's")
        correct = (table.label == table.prediction).to_numpy()
        if abs(np.mean(correct) - accuracy / 100) > 1e-9:
            raise ValueError("it does not give the accuracy in probe.json")
    return correct
