"""A suite for one's own images: settings that fit their number and size, with comments, to be edited."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dhel_kcl.data import split
from dhel_kcl.data.catalogue import CATALOGUE, LARGEST_IN_MEMORY
from dhel_kcl.data.folders import Listing, listing
from dhel_kcl.data.prepared import PARTS
from dhel_kcl.study import layout
from dhel_kcl.study.values import OWN_NAME

VALIDATION, TEST = 0.15, 0.2
"""Shares of the images, where there are no folders for them."""
BATCH_SIZES = (16, 64, 256)
SEEN = 200_000
"""Images that a training sees in all, repetitions included, between the least and the most epochs."""
EPOCHS = (10, 200)

TEXT = """\
# {name}: {images:,} images in {classes} classes, from {folder}.
# Command: snakemake --cores all {name}
# Cost: {cost}
# To expect: tables and figures in {figures}/{name}; chance is {chance:.1f} % where the classes are equally large.
title: {name}
precision: fp32
device: auto
threads: 1

datasets:
  {name}:
    # One sub-folder a class, below train, val and test where there are such; images without a class in unlabeled.
    folder: {folder}
    # Height and width that the network sees. {form}
    size: {size}
    # Numbers of images. {drawn}
    # Hyperparameters are selected on validation, results are of test.
    split: {{train: {train}, validation: {validation}, test: {test}, seed: 0}}
    # What a view may change of an image, and what must not tell two images apart. Set flip to 0 where left and right
    # differ (digits, text), hue and grey to 0 where the colour is what matters.
    augment:
      crop_scale: [0.2, 1.0]
      flip: 0.5
      jitter: 0.8
      brightness: 0.4
      contrast: 0.4
      saturation: 0.4
      hue: 0.1
      grey: 0.2

# {network}
backbone: {backbone}
projector_dim: 64
training:
  # {seen:,} images seen in a training.
  epochs: {epochs}
  # Of the largest influence besides epochs: try 0.1 and 1.0.
  learning_rate: 0.3
  reference_batch_size: 256

# Instances a batch, which every loss is compared at.
batch_sizes: {batch_sizes}
# Lists are grids: every value is run once, and the best on validation with the further seeds.
losses:
  simclr: {{loss: simclr, title: SimCLR, temperature: [0.1, 0.3, 1.0]}}
  dhel: {{loss: dhel, title: DHEL, temperature: [0.1, 0.3, 1.0]}}
  kcl-gaussian: {{loss: kcl, title: KCL Gaussian, kernel: gaussian, t: [1.0, 2.0, 4.0]}}

# A verdict needs five further seeds: [1, 2, 3, 4, 5].
seeds: {{grid: 0, selected: [1, 2]}}
# What the losses are compared with: raw pixels, the untrained network, and the network trained with labels.
floors: {{batch_size: {floor}, seeds: [0]}}
"""


@dataclass(frozen=True)
class NewSuite:
    """A suite that is about to be written. folder: of the images. size: of what the network sees."""

    name: str
    folder: Path
    size: int
    found: Listing
    train: int
    validation: int
    test: int

    @classmethod
    def of(cls, name: str, folder: Path, size: int) -> "NewSuite":
        """Raises ValueError for a public data set's name, no name, and images that are too few or do not fit."""
        if name in CATALOGUE:
            raise ValueError(f"{name!r} is the name of a public data set; choose another")
        if name == "splits" or not re.fullmatch(OWN_NAME, name):
            raise ValueError(f"{name!r} is no name for a suite; use a-z, 0-9 and _ (but not splits)")
        found = listing(folder)
        counts = {part: found.count(part) for part in PARTS}
        least, every = len(found.classes), counts["train"]
        test = counts["test"] or max(least, round(TEST * every))
        validation = counts["validation"] or max(least, round(VALIDATION * every))
        train = every - (0 if counts["test"] else test) - (0 if counts["validation"] else validation)
        if train < BATCH_SIZES[0]:
            raise ValueError(
                f"{folder}: {train} images are left to train with, of {every}; {BATCH_SIZES[0]} are needed"
            )
        labels = np.array([image.label for image in found.images])
        part = np.array([PARTS[image.part] for image in found.images])
        split.draw(labels, part, train, validation, test, seed=0)  # which says what is too few
        return cls(name, folder, size, found, train, validation, test)

    def text(self, cost: str) -> str:
        """Content of the suite's file. cost: in words."""
        low, high = EPOCHS
        images = self.train + self.found.count("unlabeled")
        epochs = min(max(round(SEEN / images), low), high)
        sizes = [size for size in BATCH_SIZES if size <= max(self.train // 8, BATCH_SIZES[0])][-2:]
        in_memory = self.size <= LARGEST_IN_MEMORY
        drawn = [part for part in ("validation", "test") if not self.found.count(part)]
        network, backbone = self._network()
        return TEXT.format(
            name=self.name,
            figures=layout.FIGURES,
            images=len(self.found.images),
            classes=len(self.found.classes),
            chance=100 / len(self.found.classes),
            folder=json.dumps(str(self.folder.absolute()), ensure_ascii=False),
            cost=cost,
            size=self.size,
            form="Up to 96 the images are cut to it and kept in memory." if in_memory else "The images stay files.",
            drawn=f"{' and '.join(drawn).capitalize()} images are drawn by the seed."
            if drawn
            else "Those of val and test.",
            train=self.train,
            validation=self.validation,
            test=self.test,
            network=network,
            backbone=backbone,
            epochs=epochs,
            seen=epochs * images,
            batch_sizes=sizes,
            floor=sizes[0],
        )

    def _network(self) -> tuple[str, str]:
        """Why, and which."""
        if self.size > LARGEST_IN_MEMORY:
            return "A GPU's work: on a laptop take a smaller size.", "{name: resnet18, stem: imagenet}"
        stages = 3 if self.size <= 32 else 4
        reason = "A compact network, which a laptop can train; with a GPU take resnet18."
        return reason, f"{{name: compact_resnet, width: 32, stages: {stages}}}"
