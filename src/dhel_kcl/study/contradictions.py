"""What the keys of a suite say that does not go together, though each alone is right."""

from collections.abc import Iterator
from typing import Any

from dhel_kcl.data.catalogue import CATALOGUE, COLOURS, Dataset, split_sizes
from dhel_kcl.study.choices import Setting
from dhel_kcl.study.mistakes import did_you_mean
from dhel_kcl.study.schema import FLOORS, Augment, Length, Own, Settings, Split, SuiteConfig, Target

JUDGED = {
    "simclr": {"loss": "simclr"},
    "dcl": {"loss": "dcl"},
    "dhel": {"loss": "dhel"},
    "kcl-gaussian": {"loss": "kcl", "kernel": "gaussian"},
    "kcl-log": {"loss": "kcl", "kernel": "log"},
}
"""What an entry of `losses` trains whose name the claims ledger judges."""


def contradictions(suite: SuiteConfig) -> Iterator[str]:
    """Settings that do not go together, each as "key: what is wrong"."""
    yield from _of_sections(suite)
    yield from _of_transfer(suite)
    for dataset, settings in suite.datasets.items():
        yield from _of_names(suite, dataset)
        yield from _of_seeds(suite, settings)
        yield from (f"datasets.{dataset}{text}" for text in _of_batches(suite, dataset))
        yield from (f"datasets.{dataset}.{text}" for text in _of_images(suite, dataset))
        yield from _of_points(suite, dataset)


def _of_sections(suite: SuiteConfig) -> Iterator[str]:
    names = set(suite.losses).union(*(settings.losses for settings in suite.datasets.values()))
    if taken := sorted(names & FLOORS.keys()):
        yield f"losses.{taken[0]}: the name is that of a floor; choose another"
    names |= FLOORS.keys()
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


def _of_names(suite: SuiteConfig, dataset: str) -> Iterator[str]:
    """Losses that pass for others, in verdicts or in tables."""
    losses, titles = suite.datasets[dataset].losses, dict[str, str]()
    for name, entry in losses.items():
        for key, value in JUDGED.get(name, {}).items():
            if (found := getattr(entry, key, None)) not in (value, None):
                yield f"losses.{name}.{key}: {found!r} under a name that claims judge as {value!r}; name it otherwise"
    variants = suite.ablations.losses if suite.ablations and dataset in suite.ablations.datasets else {}
    for key, entries in (("losses", losses), ("ablations.losses", variants)):
        for name, entry in entries.items():
            where = f"{key}.{name}"
            if (other := titles.setdefault(entry.title or name, where)) != where:
                yield f"{where}.title: {(entry.title or name)!r} is that of {other}, too; choose another"


def _of_transfer(suite: SuiteConfig) -> Iterator[str]:
    if suite.transfer is None:
        return
    selecting = [settings for settings in suite.datasets.values() if settings.losses and settings.seeds.selected]
    sizes = sorted({size for settings in selecting for size in settings.batch_sizes})
    if not selecting:
        yield "transfer: is of the runs of losses with seeds.selected, and there are none; add some or leave it out"
    elif suite.transfer.batch_size not in sizes:
        yield f"transfer.batch_size: {suite.transfer.batch_size} is not one of batch_sizes {sizes}"
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
    if entry.streamed and asked.size is None:
        yield ": its images are of many sizes; the key 'size' is missing"
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
            of = [sizes for of, sizes in asked.items() if (key, of) != ("final.training", "causes.batch_size")]
            missing = sorted(set().union(*of) - updates.keys())
            yield from (f".{key}.updates: has no number for batches of {size}; add one" for size in missing)
            if not missing and not length.shared(settings.batch_sizes):
                yield f".{key}.updates: give equal numbers, or numbers in proportion to 1 / M, which are equal epochs"
    if settings.losses and not settings.batch_sizes:
        yield ".batch_sizes: is missing; say at which the losses are compared"


def _of_points(suite: SuiteConfig, dataset: str) -> Iterator[str]:
    """Points of `causes` whose lengths cannot be compared, or that ask for the same training, which would count once
    more."""
    causes, training = suite.causes, suite.datasets[dataset].training
    if causes is None or dataset not in causes.datasets:
        return
    points = [(name, entry, point) for name, entry in causes.losses.items() for point in entry.grid]
    units: dict[str, str] = {}
    for name, _, point in points:
        units.setdefault("updates" if training.changed(point.training).epochs is None else "epochs", name)
    if len(units) > 1:
        told = " and ".join(f"{name} {unit}" for unit, name in units.items())
        yield f"causes.losses: {told}, which cannot be compared; give all lengths in one of the two"
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
    yield from _of_views(entry, "augment", settings.augment)
    if settings.probe.augmented:
        yield from _of_views(entry, "probe.augmented.augment", settings.probe.augmented.augment)
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


def _of_views(dataset: Dataset, key: str, augment: Augment) -> Iterator[str]:
    """Whether images of this size, or of many, can be augmented so."""
    side = augment.size or dataset.side
    if dataset.streamed and (augment.rotation or augment.pad):
        yield f"{key}: images that stay files go with neither rotation nor pad"
    elif dataset.streamed and augment.size is None:
        yield f"{key}: images that stay files need size, the views' height and width"
    elif augment.pad >= side:
        yield f"{key}.pad: {augment.pad} is not below the images' {side} pixels"
    elif augment.blur and augment.blur_kernel >= 2 * side:
        yield f"{key}.blur_kernel: {augment.blur_kernel} is not below {2 * side}, twice the view's side"
