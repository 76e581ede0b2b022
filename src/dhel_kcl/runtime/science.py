"""Which modules compute the result of each step, and the digests of the code behind them.

A digest is asked for with what a step's spec selects: a loss, a kernel, a backbone, how images are had.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dhel_kcl.data import catalogue
from dhel_kcl.registry import LOSSES, PACKAGE
from dhel_kcl.runtime.digest import Code, code

if TYPE_CHECKING:
    from dhel_kcl.study.suite import Run, Suite

MODULES = {
    "split": "data.split",
    "select": "study.selection",
    "collect": "evidence.collect",
    "judge": "evidence.verdicts",
    "plan": "training.throughput",
    "published": "evidence.tables.published",
    "theory tables": "theory.tables",
}
"""The module that computes a step's result, where no spec selects anything."""


def of_step(name: str, source: Code | None = None) -> str:
    """Digest of a step in MODULES."""
    return (source or code()).of([MODULES[name]])


def of_fetching(dataset: str, source: Code | None = None) -> str:
    """Digest of what prepares a data set."""
    module = catalogue.CATALOGUE[dataset].source.split(":")[0]
    return (source or code()).of([module.removeprefix(f"{PACKAGE}.")])


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
    return (source or code()).of(["training.trainer"], selected)


def of_evaluating(backbone: str, images: str, source: Code | None = None) -> str:
    """Digest of what evaluates an encoder; arguments as of `of_pretraining`."""
    return (source or code()).of(["evaluation.protocol"], {"backbone": [backbone], "source": [images]})


def of_figure(name: str, source: Code | None = None) -> str:
    return (source or code()).of([f"evidence.figures.{name}"])


def of_table(name: str, source: Code | None = None) -> str:
    from dhel_kcl.evidence.tables import TABLES  # not above: pretraining needs no pandas

    return (source or code()).of([TABLES[name].module])


def of_theory(name: str, source: Code | None = None) -> str:
    """Digest of a theory experiment; kernels are named by strings there, so all count."""
    return (source or code()).of([f"theory.{name}"])


def of_theory_figure(name: str, source: Code | None = None) -> str:
    return (source or code()).of([f"theory.figures.{name}"])


def of_run(suite: "Suite", run: "Run", source: Code | None = None) -> str:
    """Digest of what pretrains a run."""
    spec = suite.pretrain_spec(run)
    return of_pretraining(run.loss, spec["backbone"]["name"], spec["images"], source)


def of_evaluation(suite: "Suite", dataset: str, target: str | None = None, source: Code | None = None) -> str:
    """Digest of what evaluates the runs of a data set, on its own images or on those of `target`."""
    images = suite.evaluation_spec(target or dataset)["images"]
    return of_evaluating(suite.settings(dataset).backbone.name, images, source)
