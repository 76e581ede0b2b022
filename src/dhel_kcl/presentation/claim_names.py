"""The paper's claims by their numbers, and two groups of statements that are this project's."""

CLAIMS = {
    "C1": "the losses share their minimisers",
    "C1 terms": "what the log-denominators alone ask for (ours)",
    "C2": "KCL's expectation is independent of the batch size",
    "C3": "better accuracy",
    "C4": "above all with small batches",
    "C5": "less dependent on hyperparameters (judged by accuracy untuned)",
    "C6": "less dimensional collapse",
    "C6 causes": "decoupling, weight or temperature (ours)",
    "C7": "the Wasserstein metric sees collapse",
}

CLEARER = {
    "accuracy": "accuracy at the selected setting",
    "untuned": "accuracy, mean of settings at best rates, 1 seed",
    "worst-setting": "accuracy at the worst setting, 1 seed",
    "untuned-rate": "accuracy, mean over the grid, 1 seed",
    "cross-view": "other view's negatives removed: DHEL mean - DCL",
}
"""{id of a statement: words} where the short ones of claims.yaml, not to be edited after the runs, tell too little."""


def heading(statement: str, short: str) -> str:
    """What figures and tables call a statement, by its id and its `short` words."""
    return CLEARER.get(statement, short)


def with_number(claim: str) -> str:
    """ "C3: better accuracy"; what has no number in the paper stays as it is."""
    return f"{claim}: {CLAIMS[claim]}" if claim in CLAIMS else claim
