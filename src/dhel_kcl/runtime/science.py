"""Which functions compute the result of each step, and the digests of the code behind them.

A digest is asked for with what a step's spec selects: a loss, a kernel, a backbone, how images are had.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dhel_kcl.data import catalogue
from dhel_kcl.registry import LOSSES, PACKAGE
from dhel_kcl.runtime.digest import RUNNING, Code

if TYPE_CHECKING:
    from dhel_kcl.evidence.exhibit import Exhibit
    from dhel_kcl.study.suite import Run, Suite

FUNCTIONS = {
    "split": "data.split:draw",
    "select": "study.selection:best",
    "collect": "evidence.collect:collect",
    "join": "evidence.collect:joined",
    "judge": "evidence.verdicts:judge",
    "plan": "training.throughput:views_per_second",
    "published": "evidence.tables.published:by_others",
    "theory tables": "theory.tables:MAKERS",
}
"""What computes a step's result, where no spec selects anything."""
BENCHMARKED = "simclr"
"""The loss whose trainings stand for all when speeds are measured, on images in memory."""
SELECTED = {"plan": {"loss": [BENCHMARKED], "kernel": [], "source": ["memory"]}}


def of_step(name: str, code: Code = RUNNING) -> str:
    """Digest of a step in FUNCTIONS."""
    return code.of([FUNCTIONS[name]], SELECTED.get(name))


def check(planned: str | None, running: str) -> None:
    """Raises ValueError if a job was planned with another digest than that of the code that runs; None: with any."""
    if planned not in (None, running):
        raise ValueError("the source changed after this job was planned; run the same command again")


def of_fetching(dataset: str, code: Code = RUNNING) -> str:
    """Digest of what prepares a data set; one that the catalogue does not know is a folder of one's own images."""
    known = catalogue.CATALOGUE.get(dataset)
    return code.of([(known.source if known else catalogue.OWN).removeprefix(f"{PACKAGE}.")])


def of_pretraining(loss: Mapping[str, Any], backbone: str, images: str, code: Code = RUNNING) -> str:
    """Digest of what pretrains.

    Args:
        loss: as in `PretrainSpec.loss`: {"name": ..., "kernel": ..., ...}; the floors' names select no loss.
        backbone: registry name.
        images: "memory" or "streamed".
        code: the package's; default: the one that is running.
    """
    selected = {
        "loss": [loss["name"]] if loss["name"] in LOSSES else [],
        "kernel": [loss["kernel"]] if "kernel" in loss else [],
        "backbone": [backbone],
        "source": [images],
    }
    return code.of(["training.trainer:Pretraining"], selected)


def of_evaluating(backbone: str, images: str, code: Code = RUNNING) -> str:
    """Digest of what evaluates an encoder; arguments as of `of_pretraining`."""
    return code.of(["evaluation.protocol:evaluate"], {"backbone": [backbone], "source": [images]})


def of_transferring(backbone: str, images: str, code: Code = RUNNING) -> str:
    """Digest of what evaluates an encoder on another data set; arguments as of `of_pretraining`."""
    return code.of(["evaluation.transfer:transfer"], {"backbone": [backbone], "source": [images]})


def of_exhibit(exhibit: "Exhibit", code: Code = RUNNING) -> str:
    """Digest of what makes a figure or table of a suite."""
    return code.of([f"{exhibit.module}:{exhibit.function}"])


def of_theory(name: str, code: Code = RUNNING) -> str:
    """Digest of a theory experiment; kernels are named by strings there, so all count."""
    return code.of([f"theory.{name}:measure", f"theory.{name}:judge", "theory.experiment:run"])


def of_theory_figure(name: str, code: Code = RUNNING) -> str:
    return code.of([f"theory.figures.{name}:draw"])


def of_run(suite: "Suite", run: "Run", code: Code = RUNNING) -> str:
    """Digest of what pretrains a run."""
    spec = suite.pretrain_spec(run)
    return of_pretraining(run.loss, spec["backbone"]["name"], spec["images"], code)


def of_evaluation(suite: "Suite", dataset: str, target: str | None = None, code: Code = RUNNING) -> str:
    """Digest of what evaluates the runs of a data set, on its own images or on those of `target`."""
    images = suite.evaluation_spec(target or dataset)["images"]
    of_images = of_transferring if target else of_evaluating
    return of_images(suite.settings(dataset).backbone.name, images, code)
