"""What a config file may say: one model a section, with every key, its meaning, default and range; `choices` has those
of losses and backbones. docs/configuration.md is made from the models.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from annotated_types import Ge, Le, Len
from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from dhel_kcl.data.catalogue import CATALOGUE, LARGEST_IN_MEMORY, Dataset, of_folder
from dhel_kcl.study.choices import LENGTHS, AnyBackbone, AnyLosses, CompactResNet, Loss, Losses
from dhel_kcl.study.mistakes import did_you_mean, mistake
from dhel_kcl.study.section import Named, Section
from dhel_kcl.study.values import (
    OWN_NAME,
    AnyList,
    BatchSize,
    ByBatchSize,
    Count,
    Grid,
    Limits,
    List,
    Momentum,
    NotNegative,
    OneOf,
    Positive,
    Seed,
    Share,
)

MERGED = ("training", "seeds", "floors", "probe")
"""Sections of a suite that a data set overrides key by key."""
REPLACED = ("backbone", "batch_sizes", "losses", "final", "processes")
"""Keys of a suite that a data set overrides as a whole."""
FLOORS = {"pixels": "raw pixels", "random": "random encoder", "supervised": "supervised"}
"""What the losses are compared with, and its title: {method: title}."""
EXTRAS = ("final", "ablations", "causes", "transfer")
"""Sections of a suite besides its main comparison."""
EPOCHS = 200
"""Of a training whose length is not said."""


class Split(Section):
    """Disjoint images, stratified by class. Hyperparameters are selected on validation, never on test."""

    train: BatchSize | None = None
    """Images for pretraining and for fitting the probe; null takes all that are left."""
    validation: Count
    """Images that hyperparameters are selected on."""
    test: BatchSize
    """Images that results are reported on."""
    seed: Seed = 0
    """Seed of the draw."""


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise mistake(f"{value} is even; give an odd number")
    return value


class Augment(Section):
    """Random views; crop, flip, colour, greyscale and blur, in this order."""

    crop_scale: Limits[Annotated[Positive, Le(1)]] = (1.0, 1.0)
    """Least and largest area of the crop, as a share of the image; [1, 1] is the whole image."""
    pad: Annotated[int, Ge(0)] = 0
    """Pixels of reflection that the image is padded by, for a random crop of its own size instead of crop_scale (which
    must be [1, 1])."""
    size: Count | None = None
    """Height and width of a view; null keeps the image's."""
    flip: Share = 0
    """Probability of swapping left and right."""
    rotation: Annotated[NotNegative, Le(180)] = 0
    """Largest rotation, degrees, either way. If 0, the crop is resized as PIL does (bicubic), else crop and rotation
    are one bilinear resampling."""
    jitter: Share = 1
    """Probability of brightness, contrast, saturation and hue, together and in a random order."""
    brightness: Share = 0
    """The factor is uniform in 1 +- this."""
    contrast: Share = 0
    """The factor is uniform in 1 +- this."""
    saturation: Share = 0
    """The factor is uniform in 1 +- this."""
    hue: Annotated[NotNegative, Le(0.5)] = 0
    """The shift is uniform in +- this, in turns of the colour circle."""
    grey: Share = 0
    """Probability of a grey view."""
    blur: Share = 0
    """Probability of a Gaussian blur."""
    blur_kernel: Annotated[int, Ge(3), AfterValidator(_odd)] = 23
    """Pixels of the blur's kernel, an odd number below twice the view's side."""
    blur_sigma: Limits[Positive] = (0.2, 2.0)
    """Least and largest standard deviation of the blur, pixels."""

    @model_validator(mode="after")
    def _pad_or_crop(self) -> Self:
        if self.pad and (self.crop_scale != (1, 1) or self.size or self.rotation):
            raise mistake(f"{self.pad} needs crop_scale [1, 1], no size and no rotation", key="pad")
        return self


class Length(Section):
    """How long a training is: epochs or updates, one of the two."""

    epochs: Count | None = None
    """Passes over the training images; excludes `updates`."""
    updates: Annotated[int | dict[int, int], ByBatchSize()] | None = None
    """Steps of the optimiser instead of epochs, whatever the number of images: one number, or one for each batch size,
    as in {"64": 2800, "256": 700}."""

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.epochs is None) == (self.updates is None):
            raise mistake("give epochs or updates, one of the two")
        return self

    @model_serializer(mode="wrap")
    def _without_the_other_length(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if value is not None}

    def steps(self, batch_size: int, images: int) -> int:
        """Updates of a run on so many images."""
        return (self.epochs or 0) * (images // batch_size) + self.updates_at(batch_size)

    def shared(self, batch_sizes: Iterable[int]) -> str:
        """What runs at several batch sizes have in common: "epochs" (or as many views, to a hundredth) or "updates";
        an empty text for neither."""
        if self.updates is None:
            return "epochs"
        updates = {size: self.updates_at(size) for size in batch_sizes}
        views = [size * count for size, count in updates.items()]
        if len(set(updates.values())) < 2:
            return "updates"
        return "epochs" if max(views) <= 1.01 * min(views) else ""

    def updates_at(self, batch_size: int) -> int:
        """Those that are asked for at a batch size; 0 where the length is given in epochs."""
        return self.updates[batch_size] if isinstance(self.updates, dict) else self.updates or 0


class Training(Length):
    """SGD with a cosine schedule, of 200 epochs where neither `epochs` nor `updates` is given."""

    learning_rate: Positive = 1.0
    """Peak rate at the reference batch size, scaled linearly in M."""
    reference_batch_size: Count = 256
    """Batch size that learning_rate is stated for."""
    momentum: Momentum = 0.9
    """Momentum of SGD."""
    weight_decay: NotNegative = 1.0e-6
    """Of matrices and filters, not of biases and batch normalisation."""
    warmup: Share = 0.01
    """Share of the steps with a linearly rising rate."""

    @model_validator(mode="before")
    @classmethod
    def _has_a_length(cls, content: Any) -> Any:
        unsaid = isinstance(content, dict) and not content.keys() & set(LENGTHS)
        return content | {"epochs": EPOCHS} if unsaid else content

    def at(self, batch_size: int) -> dict[str, Any]:
        """Content of `TrainingSettings` of runs at a batch size, as JSON has it."""
        content = self.model_dump(mode="json")
        return content | {"updates": self.updates_at(batch_size)} if self.updates is not None else content

    def changed(self, changes: Mapping[str, Any]) -> "Training":
        """The training with other values of some keys."""
        return Training.model_validate(merged(self.model_dump(mode="json"), changes)) if changes else self


def merged(training: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Content of a training in which some keys have other values; one length takes the place of the other."""
    replaced = LENGTHS if changes.keys() & set(LENGTHS) else ()
    return {key: value for key, value in training.items() if key not in replaced} | dict(changes)


class Seeds(Section):
    """Every seed sets initialisation, shuffling and augmentation. Required with `losses`."""

    grid: Seed = 0
    """Seed of every grid point."""
    selected: AnyList[Seed] = (1, 2, 3, 4)
    """Further seeds of the selected settings."""


class Final(Section):
    """The selected settings of `losses` once more, at another length, which results are then judged at; floors are
    trained at it. None if absent."""

    training: Length
    seeds: List[Seed]
    """Seeds of each, other than those of the grid and of seeds.selected."""


class Floors(Section):
    """What the losses are compared with, besides raw pixels - the same network untrained, and trained with labels."""

    batch_size: BatchSize = 64
    """Batch size of the training with labels."""
    seeds: AnyList[Seed] = (0, 1, 2, 3, 4)
    """Seeds of both; without any there are no floors, as in a suite without `losses` that says nothing of floors."""
    supervised: bool = True
    """Whether the network trained with labels is among them; it costs a training a seed."""


class Augmented(Section):
    """The paper's probe besides: a linear head trained by SGD on augmented images, whose accuracy is then the one
    reported. None if absent."""

    epochs: Count = 200
    """Passes over the training images."""
    batch_size: Count = 1024
    """Images a step."""
    learning_rate: Positive = 0.1
    """Initial rate, falling linearly to 0."""
    momentum: Momentum = 0.9
    """Momentum of SGD."""
    weight_decay: NotNegative = 1.0e-4
    """Weight decay of the head's weights."""
    augment: Augment


def _not_one(value: int) -> int:
    if value == 1:
        raise mistake("one pair has no negatives; give 0 or at least 2")
    return value


class Probe(Section):
    """Evaluation of a frozen encoder."""

    weight_decay: Grid[Positive] = (1.0e-4,)
    """L2 penalty of the logistic regression; of several, the one of the highest validation accuracy, then of the lowest
    validation cross-entropy."""
    scaling: Grid[Annotated[str, OneOf(("unit", "standardised"))]] = ("unit",)
    """Features h of that regression, L2-normalised or standardised; of both, one is chosen by the same rule, and the
    scores of both are recorded. Standardised features are divided by the square root of their number, so that a penalty
    weighs about the same on either."""
    neighbours: Count = 20
    """Nearest training images (by cosine of h) that vote on an image's class."""
    histogram_bins: Annotated[int, Ge(2)] = 100
    """Bins of the similarity histogram over -1 to 1."""
    view_seed: Seed = 0
    """Seed of the two views that alignment is measured on."""
    training_pairs: Annotated[int, Ge(0), AfterValidator(_not_one)] = 5000
    """Training images, two views each, on which the variance of negative similarities is measured; all if there are
    fewer, none if 0."""
    augmented: Augmented | None = None


class Settings(Section):
    """How a data set is split and augmented, and what it changes of the suite: training, seeds, floors and probe key by
    key, the rest as a whole."""

    split: Split
    augment: Augment = Augment()
    backbone: AnyBackbone = CompactResNet()
    processes: Count = 1
    training: Training = Training()
    batch_sizes: List[BatchSize] = ()
    losses: Losses = Field(default_factory=dict)
    seeds: Seeds = Seeds()
    final: Final | None = None
    floors: Floors = Floors()
    probe: Probe = Probe()

    def dataset(self, name: str) -> Dataset:
        """What is known of the data set that these are the settings of."""
        return CATALOGUE[name]


class Own(Settings):
    """A data set of one's own images, under a name of one's choice."""

    folder: str
    """Folder of the images: one sub-folder a class, below train, val and test where there are such; images without a
    class in a folder unlabeled."""
    size: Count
    """Height and width that networks see. Images in memory are cut to it when they are prepared (the shorter side
    resized, the centre taken)."""
    streamed: bool | None = None
    """Whether the images stay files, of any size, which are decoded while a network trains; null does so above 96
    pixels."""

    @model_validator(mode="before")
    @classmethod
    def _views_have_the_size(cls, content: Any) -> Any:
        """Views of streamed images are as large as `size` says."""
        if not isinstance(content, dict) or not isinstance(augment := content.get("augment", {}), dict):
            return content
        size, streamed = content.get("size"), content.get("streamed")
        if not isinstance(size, int) or not (size > LARGEST_IN_MEMORY if streamed is None else streamed is True):
            return content
        content = content | {"augment": {"size": size} | augment}
        match content.get("probe"):
            case {"augmented": {"augment": dict(augment), **settings}, **probe}:
                settings["augment"] = {"size": size} | augment
                return content | {"probe": probe | {"augmented": settings}}
        return content

    def dataset(self, name: str) -> Dataset:
        return of_folder(name, Path(self.folder).expanduser(), self.size, self.streamed)


def _settings(content: dict[str, Any]) -> type[Section]:
    return Own if "folder" in content else Settings


def _known(datasets: dict[str, Settings]) -> dict[str, Settings]:
    for name, settings in datasets.items():
        if isinstance(settings, Own):
            if name in CATALOGUE:
                raise mistake("is the name of a public data set; give your own images another", key=name)
            if name == "splits" or not re.fullmatch(OWN_NAME, name):
                raise mistake("is no name for a data set; use a-z, 0-9 and _ (but not splits)", key=name)
        elif name not in CATALOGUE:
            own = "; images of your own need the key 'folder'"
            raise mistake(f"{name!r} is unknown{did_you_mean(name, CATALOGUE)}{own}")
    return datasets


class Ablations(Section):
    """Variants run at one batch size and tabled against the losses above; none if absent."""

    datasets: List[str] = ()
    """Data sets that this is for; all by default."""
    batch_size: BatchSize
    """One of batch_sizes."""
    seeds: AnyList[Seed] = (1, 2)
    """Further seeds of the selected settings."""
    losses: Losses
    """Variants, under names that nothing else in the suite has."""


class Causes(Section):
    """What makes the losses differ, at one batch size: every point of the losses' grids on every seed, none selected.
    None if absent."""

    datasets: List[str] = ()
    """Data sets that this is for; all by default."""
    batch_size: BatchSize
    """Batch size of every point."""
    seeds: List[Seed] = (0,)
    """Seeds of every point."""
    losses: AnyLosses
    """Losses, under names that nothing else in the suite has. No two points may ask for the same training with the same
    seed."""

    def seeds_of(self, entry: Loss) -> tuple[int, ...]:
        return entry.seeds or self.seeds


class Target(Section):
    """How its images are had for it."""

    split: Split | None = None
    """Of a data set that is none of the suite's; the suite's are split as there."""
    size: Count | None = None
    """Height and width of its images, likewise; null keeps them."""


class Transfer(Section):
    """Probes of the selected settings' frozen encoders on other data sets, on cached features; none if absent."""

    batch_size: BatchSize
    """One of batch_sizes."""
    datasets: Annotated[dict[str, Target], Len(1)]
    """Data sets to probe on, each by encoders that were trained on another one with as many channels."""


class SuiteConfig(Section):
    """A suite (config/suites/<suite>.yaml)"""

    title: str
    """Name of the suite in captions."""
    precision: Annotated[str, OneOf(("auto", "fp32", "bf16"))] = "auto"
    """Arithmetic of the network while training; losses, metrics and evaluation are in float32 or better in any case.
    auto: bf16 where the device computes in it, else fp32."""
    compile: bool = False
    """Compile the encoder with torch.compile, which takes minutes; see benchmarks/README.md for when it pays."""
    device: Annotated[str, OneOf(("auto", "cpu", "cuda"))] = "auto"
    """Where runs are trained and evaluated. auto: a CUDA device if there is one."""
    threads: Count = 1
    """CPU cores of one job, for torch or for decoding images; Snakemake runs cores / threads jobs at a time. A job
    takes no more than it may use, and records how many."""
    processes: Count = 1
    """Processes of one run, one a GPU, that share each batch (torchrun, DistributedDataParallel)."""
    datasets: Annotated[dict[str, Annotated[Settings, Named(_settings)]], Len(1), AfterValidator(_known)]
    """Data sets by name: those of docs/datasets.md, or any name where `folder` says where the images lie."""
    backbone: AnyBackbone = CompactResNet()
    projector_dim: Annotated[int, Ge(2)] = 64
    """Dimension d of the embedding z. Least loss values are known for batch sizes up to d + 1 and for 2 d."""
    training: Training = Training()
    batch_sizes: List[BatchSize] = ()
    """Instances M a batch; the network sees 2 M views at once. Required with `losses`."""
    losses: Losses = Field(default_factory=dict)
    """Losses to compare at every batch size, under names of your choice (a-z, 0-9, -). Required without `causes`."""
    final: Final | None = None
    ablations: Ablations | None = None
    causes: Causes | None = None
    transfer: Transfer | None = None
    leave_out: AnyList[Annotated[str, OneOf(EXTRAS)]] = Field(default=(), exclude=True)
    """Sections above that are not run, as if they were absent."""
    confirmatory: bool = False
    """Whether the statements that its results are judged by were planned before its runs."""
    seeds: Seeds = Seeds()
    floors: Floors = Floors()
    probe: Probe = Probe()

    @model_validator(mode="after")
    def _compares_something(self) -> Self:
        if self.final and not self.losses:
            raise mistake("needs losses, whose selected settings it trains", key="final")
        if not self.losses and self.causes is None:
            raise mistake("the key 'losses' is missing, or 'causes'")
        if missing := [key for key in ("batch_sizes", "seeds") if self.losses and key not in self.model_fields_set]:
            raise mistake(f"the key {missing[0]!r} is missing")
        return self


class JointConfig(Section):
    """A suite of suites (config/suites/<suite>.yaml), which runs nothing of its own"""

    title: str
    """Name of the suite in captions."""
    suites: List[str]
    """Suites whose results its tables and figures show side by side, each on other data sets."""


class GlobalConfig(Section):
    """Global settings (config/config.yaml)"""

    default_suite: str = "digits"
    """Suite that `snakemake --cores all` and `dvc repro` build, a file name in config/suites without .yaml."""
