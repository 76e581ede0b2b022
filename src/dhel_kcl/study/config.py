"""What a config file may say: one model a section, with every key, its meaning, default and range; `choices` has those
of losses and backbones.

`load_global` and `load_suite` read the files; what the models do not know is an error that names the file, the key and
what is allowed. docs/configuration.md is made from the models.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from annotated_types import Ge, Le, Len
from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from dhel_kcl.data.catalogue import CATALOGUE, COLOURS, LARGEST_IN_MEMORY, Dataset, of_folder, split_sizes
from dhel_kcl.study import layout, plain_yaml
from dhel_kcl.study.choices import LENGTHS, AnyBackbone, AnyLosses, CompactResNet, Loss, Losses, Setting
from dhel_kcl.study.mistakes import MOST, ConfigError, did_you_mean, listed, mistake
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
EXTRAS = ("final", "ablations", "causes", "transfer")
"""Sections of a suite besides its main comparison."""
EPOCHS = 200
"""Of a training whose length is not said."""
AnySection = TypeVar("AnySection", bound=Section)


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
    """Passes over the training images; excludes `updates`. Of `training` without either, 200."""
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

    def updates_at(self, batch_size: int) -> int:
        """Those that are asked for at a batch size; 0 where the length is given in epochs."""
        return self.updates[batch_size] if isinstance(self.updates, dict) else self.updates or 0


class Training(Length):
    """SGD with a cosine schedule."""

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
    """Every seed sets initialisation, shuffling and augmentation."""

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
        if isinstance(size, int) and (size > LARGEST_IN_MEMORY if streamed is None else streamed is True):
            return content | {"augment": {"size": size} | augment}
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
    """Losses, under names that nothing else in the suite has. No two points may ask for the same training."""

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
    """Compile the encoder with torch.compile, which takes a minute; see benchmarks/README.md for when it pays."""
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


def load_global(root: Path) -> GlobalConfig:
    """config/config.yaml below `root`, checked, with defaults. Raises ConfigError."""
    path = root / layout.GLOBAL_CONFIG
    return _checked(GlobalConfig, path, plain_yaml.read(path))


def load_suites(root: Path, name: str) -> dict[str, SuiteConfig]:
    """{name: config} of the suite `name` below `root`, or of each suite that it joins.

    Raises ConfigError naming the file, the key and what is allowed.
    """
    path, content = _content(root, name)
    if not _is_joint(content):
        return {name: load_suite(root, name)}
    joint, suites = _checked(JointConfig, path, content), {}
    for each in joint.suites:
        if each not in suite_names(root) or _is_joint(_content(root, each)[1]):
            allowed = [other for other in suite_names(root) if not _is_joint(_content(root, other)[1])]
            raise ConfigError(f"{path}: suites: {each!r} is unknown{did_you_mean(each, allowed)}")
        suites[each] = load_suite(root, each)
    for one, other in itertools.combinations(suites, 2):
        if both := [dataset for dataset in suites[one].datasets if dataset in suites[other].datasets]:
            raise ConfigError(f"{path}: suites: {one} and {other} both have {both[0]}; name one of the two")
    return suites


def load_suite(root: Path, name: str) -> SuiteConfig:
    """config/suites/`name`.yaml below `root`, checked, with defaults and every data set's settings complete.

    Raises ConfigError naming the file, the key and what is allowed.
    """
    path, content = _content(root, name)
    _checked(SuiteConfig, path, content)  # before anything is inherited, so that a mistake is named where it stands
    suite = _checked(SuiteConfig, path, _completed(content))
    if contradictions := list(itertools.islice(_contradictions(suite), MOST)):
        raise ConfigError("\n".join(f"{path}: {text}" for text in contradictions))
    return suite


def own_images(suites: Mapping[str, SuiteConfig]) -> dict[str, Own]:
    """Settings of all data sets of one's own images, by name. suites: by name.

    Raises ConfigError if two suites say different things of one: it is prepared once.
    """
    found: dict[str, tuple[str, Own]] = {}
    for suite, config in suites.items():
        for name, settings in config.datasets.items():
            if isinstance(settings, Own):
                other, first = found.setdefault(name, (suite, settings))
                keys = [key for key in ("folder", "size", "streamed") if getattr(first, key) != getattr(settings, key)]
                if keys:
                    path = layout.SUITE_CONFIG.format(suite=suite)
                    raise ConfigError(
                        f"{path}: datasets.{name}.{keys[0]}: suite {other} says {getattr(first, keys[0])} of the data "
                        f"set of the same name, and not {getattr(settings, keys[0])}; choose another name"
                    )
    return {name: settings for name, (_, settings) in found.items()}


def suite_names(root: Path) -> list[str]:
    """Names of the suites that there are below `root`."""
    return sorted(path.stem for path in root.glob(layout.SUITE_CONFIG.format(suite="*")))


def _content(root: Path, name: str) -> tuple[Path, Any]:
    """Path and content of a suite's file."""
    path = root / layout.SUITE_CONFIG.format(suite=name)
    if name not in suite_names(root):
        raise ConfigError(f"{path}: there is no such suite; allowed: {', '.join(suite_names(root))}")
    return path, plain_yaml.read(path)


def _is_joint(content: Any) -> bool:
    return isinstance(content, dict) and "suites" in content


def _checked(model: type[AnySection], path: Path, content: Any) -> AnySection:
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in listed(error))) from error


def _completed(suite: dict[str, Any]) -> dict[str, Any]:
    """Content of a suite's file in which each data set has all settings, and each section all data sets; without what
    is left out."""
    suite = {key: value for key, value in suite.items() if key not in suite.get("leave_out", ())}
    datasets = {}
    for name, own in suite["datasets"].items():
        both = {key: suite.get(key, {}) | own.get(key, {}) for key in MERGED}
        both["training"] = merged(suite.get("training", {}), own.get("training", {}))
        datasets[name] = {key: suite[key] for key in REPLACED if key in suite} | own | both
        if not {"losses", "floors"} & (suite.keys() | own.keys()):
            datasets[name]["floors"] = {"seeds": []}
    sections = {key: {"datasets": list(datasets)} | suite[key] for key in ("ablations", "causes") if suite.get(key)}
    return suite | sections | {"datasets": datasets}


def _contradictions(suite: SuiteConfig) -> Iterator[str]:
    """Settings that do not go together, each as "key: what is wrong"."""
    yield from _of_sections(suite)
    yield from _of_transfer(suite)
    for dataset, settings in suite.datasets.items():
        yield from _of_seeds(suite, settings)
        yield from (f"datasets.{dataset}{text}" for text in _of_batches(suite, dataset))
        yield from (f"datasets.{dataset}.{text}" for text in _of_images(suite, dataset))
        yield from _of_points(suite, dataset)


def _of_sections(suite: SuiteConfig) -> Iterator[str]:
    names = set(suite.losses).union(*(settings.losses for settings in suite.datasets.values()))
    for key, section in (("ablations", suite.ablations), ("causes", suite.causes)):
        if section is None:
            continue
        for name in section.losses:
            if name in names:
                yield f"{key}.losses.{name}: the name is already used; choose another"
        names |= set(section.losses)
        for dataset in section.datasets:
            if dataset not in suite.datasets:
                yield f"{key}.datasets: {dataset!r} is unknown; allowed: {', '.join(suite.datasets)}"
            elif key == "ablations" and section.batch_size not in (sizes := suite.datasets[dataset].batch_sizes):
                yield f"{key}.batch_size: {section.batch_size} is not one of batch_sizes {list(sizes)}"


def _of_transfer(suite: SuiteConfig) -> Iterator[str]:
    if suite.transfer is None:
        return
    if all(suite.transfer.batch_size not in settings.batch_sizes for settings in suite.datasets.values()):
        yield f"transfer.batch_size: {suite.transfer.batch_size} is not one of batch_sizes {list(suite.batch_sizes)}"
    for target, asked in suite.transfer.datasets.items():
        key = f"transfer.datasets.{target}"
        if target in suite.datasets:
            if asked.model_fields_set:
                yield f"{key}: is one of the suite's datasets, which have split and size there; leave it empty: {{}}"
        elif target not in CATALOGUE:
            yield f"{key}: is unknown{did_you_mean(target, [*suite.datasets, *CATALOGUE])}"
        else:
            yield from (f"{key}{text}" for text in _of_target(suite, target, asked))


def _of_target(suite: SuiteConfig, target: str, asked: Target) -> Iterator[str]:
    """Of a data set that is none of the suite's."""
    entry = CATALOGUE[target]
    if asked.split is None:
        yield ": the key 'split' is missing"
    else:
        yield from (f".{text}" for text in _of_split(target, asked.split, entry))
    if all(_channels(name, settings) != entry.channels for name, settings in suite.datasets.items()):
        yield f": has {entry.channels} channels, and none of the suite's datasets has as many"


def _channels(dataset: str, settings: Settings) -> int:
    """Of a data set's images; those of a folder are not counted for it."""
    return COLOURS if isinstance(settings, Own) else CATALOGUE[dataset].channels


def _of_seeds(suite: SuiteConfig, settings: Settings) -> Iterator[str]:
    further = {"seeds.selected": settings.seeds.selected}
    further["ablations.seeds"] = suite.ablations.seeds if suite.ablations else ()
    for key, seeds in further.items():
        if settings.seeds.grid in seeds:
            yield f"{key}: contains the grid's seed {settings.seeds.grid}, which runs anyway"
    chosen_by = {settings.seeds.grid, *settings.seeds.selected}
    if settings.final and (both := sorted(chosen_by & set(settings.final.seeds))):
        yield f"final.seeds: contains {both[0]}, a seed of the grid or of seeds.selected; choose another"


def _batch_sizes(suite: SuiteConfig, dataset: str) -> dict[str, tuple[int, ...]]:
    """Batch sizes of a data set's runs, by the keys that say them."""
    settings = suite.datasets[dataset]
    found = {"batch_sizes": settings.batch_sizes}
    if settings.floors.seeds:
        found["floors.batch_size"] = (settings.floors.batch_size,)
    if suite.causes and dataset in suite.causes.datasets:
        found["causes.batch_size"] = (suite.causes.batch_size,)
    return {key: sizes for key, sizes in found.items() if sizes}


def _of_batches(suite: SuiteConfig, dataset: str) -> Iterator[str]:
    settings, asked = suite.datasets[dataset], _batch_sizes(suite, dataset)
    for key, sizes in asked.items():
        if wrong := [size for size in sizes if size % settings.processes]:
            yield (
                f": a batch of {wrong[0]} cannot be shared by {settings.processes} processes; "
                f"make {key} a multiple of processes"
            )
    lengths: dict[str, Length] = {"training": settings.training}
    if settings.final:
        lengths["final.training"] = settings.final.training
    for key, length in lengths.items():
        if isinstance(updates := length.updates, dict):
            for size in sorted({size for sizes in asked.values() for size in sizes} - updates.keys()):
                yield f".{key}.updates: has no number for batches of {size}; add one"


def _of_points(suite: SuiteConfig, dataset: str) -> Iterator[str]:
    """Points of `causes` that ask for the same training, which would count once more."""
    causes, training = suite.causes, suite.datasets[dataset].training
    if causes is None or dataset not in causes.datasets:
        return
    points = [(name, entry, point) for name, entry in causes.losses.items() for point in entry.grid]
    seen: dict[Any, tuple[str, Setting]] = {}
    for name, entry, point in points:
        asked = entry.identity(point.loss), training.changed(point.training).at(causes.batch_size)
        key = tuple(frozenset(each.items()) for each in asked)
        for seed in causes.seeds_of(entry):
            other, first = seen.setdefault((key, seed), (name, point))
            if first is not point:
                yield (
                    f"causes.losses.{name}: {point.parameters} is the training that {other} has as {first.parameters}; "
                    "leave one of the two out"
                )
                break


def _of_split(dataset: str, split: Split, entry: Dataset) -> Iterator[str]:
    try:
        split_sizes(dataset, train=split.train, validation=split.validation, test=split.test, dataset=entry)
    except ValueError as error:
        yield f"split: {error}"


def _of_images(suite: SuiteConfig, dataset: str) -> Iterator[str]:
    """Whether the data set has as many images as are asked for."""
    settings = suite.datasets[dataset]
    split = settings.split
    try:
        entry = settings.dataset(dataset)
    except ValueError as error:
        yield f"folder: {error}"
        return
    yield from _of_views(entry, settings.augment)
    if not entry.train:  # a folder that is not there: who asks for its images is told
        return
    if wrong := list(_of_split(dataset, split, entry)):
        yield from wrong
        return
    images = split_sizes(dataset, train=split.train, validation=split.validation, test=split.test, dataset=entry)
    remedy = "lower it" if split.train is None else "lower it or raise split.train"
    for key, sizes in _batch_sizes(suite, dataset).items():
        there = images["train" if key == "floors.batch_size" else "pretrain"]
        if max(sizes) > there:
            yield f"{key}: {max(sizes)} is above the {there} training images; {remedy}"


def _of_views(dataset: Dataset, augment: Augment) -> Iterator[str]:
    """Whether images of many sizes can be augmented so."""
    if dataset.streamed and augment.rotation:
        yield "augment: images that stay files go with neither rotation nor pad"
    elif dataset.streamed and augment.size is None:
        yield "augment: images that stay files need size, the views' height and width"
