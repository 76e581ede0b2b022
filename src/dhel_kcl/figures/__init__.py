"""One module a figure; each draws from the tidy tables of a suite and writes PDF and PNG."""

FIGURES = ("accuracy", "hyperparameters", "spectra", "similarities", "alignment_uniformity", "training_curves")
"""The figures of every suite that trains."""
