"""One module a figure; each draws from the tidy tables of a suite and writes PDF and PNG."""

from dhel_kcl.suite import Suite

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
    return [name for name in FIGURES if name != "trade_off" or "trade_off" in suite.config]
