"""Which functions compute the result of each step, and the digests of the code behind them.

A digest is asked for with what a step's spec selects: a loss, a kernel, a backbone, how images are had.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dhel_kcl.data import catalogue
from dhel_kcl.registry import LOSSES, PACKAGE
from dhel_kcl.runtime.digest import Code, code

if TYPE_CHECKING:
    from dhel_kcl.study.suite import Run, Suite

FUNCTIONS = {
    "split": "data.split:draw",
    "select": "study.selection:best",
    "collect": "evidence.collect:collect",
    "judge": "evidence.verdicts:judge",
    "plan": "training.throughput:views_per_second",
    "published": "evidence.tables.published:by_others",
    "theory tables": "theory.tables:MAKERS",
}
"""What computes a step's result, where no spec selects anything."""


def of_step(name: str, source: Code | None = None) -> str:
    """Digest of a step in FUNCTIONS."""
    return (source or code()).of([FUNCTIONS[name]])


def of_fetching(dataset: str, source: Code | None = None) -> str:
    """Digest of what prepares a data set; one that the catalogue does not know is a folder of one's own images."""
    known = catalogue.CATALOGUE.get(dataset)
    return (source or code()).of([(known.source if known else catalogue.OWN).removeprefix(f"{PACKAGE}.")])


def of_pretraining(loss: Mapping[str, Any], backbone: str, images: str, source: Code | None = None) -> str:
    """Digest of what pretrains.

    Args:
        loss: as in `PretrainSpec.loss`: {"name": ..., "kernel": ..., ...}; the floors' names select no loss.
        backbone: registry name.
        images: "memory" or "streamed".
        source: the package's source; default: the one that is running.
    """
    selected = {
        "loss": [loss["name"]] if loss["name"] in LOSSES else [],
        "kernel": [loss["kernel"]] if "kernel" in loss else [],
        "backbone": [backbone],
        "source": [images],
    }
    return (source or code()).of(["training.trainer:Pretraining"], selected)


def of_evaluating(backbone: str, images: str, source: Code | None = None) -> str:
    """Digest of what evaluates an encoder; arguments as of `of_pretraining`."""
    return (source or code()).of(["evaluation.protocol:evaluate"], {"backbone": [backbone], "source": [images]})


def of_transferring(backbone: str, images: str, source: Code | None = None) -> str:
    """Digest of what evaluates an encoder on another data set; arguments as of `of_pretraining`."""
    return (source or code()).of(["evaluation.transfer:transfer"], {"backbone": [backbone], "source": [images]})


def of_figure(name: str, source: Code | None = None) -> str:
    from dhel_kcl.evidence.figures import FIGURES  # not above: pretraining needs no pandas

    return (source or code()).of([f"{FIGURES[name].module}:{FIGURES[name].function}"])


def of_table(name: str, source: Code | None = None) -> str:
    from dhel_kcl.evidence.tables import TABLES  # not above: pretraining needs no pandas

    return (source or code()).of([f"{TABLES[name].module}:{TABLES[name].function}"])


def of_theory(name: str, source: Code | None = None) -> str:
    """Digest of a theory experiment; kernels are named by strings there, so all count."""
    return (source or code()).of([f"theory.{name}:measure", f"theory.{name}:judge", "theory.experiment:run"])


def of_theory_figure(name: str, source: Code | None = None) -> str:
    return (source or code()).of([f"theory.figures.{name}:draw"])


def of_run(suite: "Suite", run: "Run", source: Code | None = None) -> str:
    """Digest of what pretrains a run."""
    spec = suite.pretrain_spec(run)
    return of_pretraining(run.loss, spec["backbone"]["name"], spec["images"], source)


def of_evaluation(suite: "Suite", dataset: str, target: str | None = None, source: Code | None = None) -> str:
    """Digest of what evaluates the runs of a data set, on its own images or on those of `target`."""
    images = suite.evaluation_spec(target or dataset)["images"]
    of_images = of_transferring if target else of_evaluating
    return of_images(suite.settings(dataset).backbone.name, images, source)
