"""Rows of a tidy table that are there twice, as after a merge by hand: a run that counts twice narrows intervals."""

from dhel_kcl.evidence.tidy import CONFIGURATION, Results

KEYS = {
    "runs": [*CONFIGURATION, "seed", "parameters", "learning_rate", "epochs"],
    "epochs": [*CONFIGURATION, "seed", "epoch"],
    "predictions": [*CONFIGURATION, "seed"],
    "spectra": [*CONFIGURATION, "space", "index"],
    "similarities": [*CONFIGURATION, "space", "similarity"],
    "costs": CONFIGURATION,
}
"""Columns by which no two rows of a tidy table are the same."""


def refuse(results: Results) -> None:
    """Raises ValueError that names the table, the row and the command that makes it anew."""
    for name, keys in KEYS.items():
        table = results.table(name)
        twice = table.duplicated(keys)
        if twice.any():
            row = ", ".join(f"{key} {table[key][twice.idxmax()]}" for key in keys)
            raise ValueError(
                f"{results.folder / name}.csv has two rows of {row}; delete it and run `snakemake --cores all "
                f"{results.suite.name}` to make it anew, or restore it with `git checkout`"
            )
