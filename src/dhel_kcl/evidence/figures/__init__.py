"""One module a figure: `draw(results)` makes it from the tidy tables of a suite.

A change in one of them redraws that figure; `panels` and `forest` hold what several of them share.
"""

from dhel_kcl.evidence.exhibit import Exhibit, held_by
from dhel_kcl.study.suite import Suite

NEEDS = {
    "claims": ("claims",),
    "accuracy": ("runs",),
    "hyperparameters": ("runs",),
    "spectra": ("spectra",),
    "similarities": ("similarities",),
    "alignment_uniformity": ("runs",),
    "training_curves": ("epochs",),
    "trade_off": ("runs", "claims"),
}
HELD = {"trade_off": lambda suite: "trade_off" in suite.config}
FIGURES = {
    name: Exhibit(f"dhel_kcl.evidence.figures.{name}", "draw", needs, HELD.get(name, lambda suite: True))
    for name, needs in NEEDS.items()
}


def figures_of(suite: Suite) -> list[str]:
    """Figures that a suite has: the trade-off only where it runs one."""
    return held_by(suite, FIGURES)
