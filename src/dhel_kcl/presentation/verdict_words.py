"""What results can say about a statement."""

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
MIXED = "mixed"
NOT_DISTINGUISHABLE = "not distinguishable"
NO_VERDICT = "no verdict"
NOT_RUN = "not run"

CONFIRMATORY = "confirmatory"
EXPLORATORY = "exploratory"
