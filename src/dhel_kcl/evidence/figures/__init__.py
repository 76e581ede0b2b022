"""One module a figure: `draw(results)` makes it from the tidy tables of a suite."""

from dhel_kcl.study.suite import Suite

FIGURES = (
    "claims",
    "accuracy",
    "hyperparameters",
    "spectra",
    "similarities",
    "alignment_uniformity",
    "training_curves",
    "trade_off",
)


def figures_of(suite: Suite) -> list[str]:
    """Figures that a suite has: the trade-off only where it runs one."""
    return [name for name in FIGURES if name != "trade_off" or suite.config.trade_off]
