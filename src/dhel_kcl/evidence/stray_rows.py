"""Rows that would count though they must not: of a tidy table that are there twice, as after a merge by hand, which
narrows intervals; and of runs that the config no longer asks for."""

from dhel_kcl.evidence import grids
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


OF_GRIDS = ("grid", "point")
"""Roles whose hyperparameters it names; those of others were selected, or there are none."""


def refuse(results: Results) -> None:
    """Raises ValueError that names the table, the row and the command that makes it anew."""
    refuse_twice(results)
    refuse_not_asked(results)


def refuse_not_asked(results: Results) -> None:
    asked = {
        (
            run.dataset,
            run.section,
            run.method,
            run.batch_size,
            run.seed,
            run.setting.parameters * (run.role in OF_GRIDS),
        )
        for run in results.suite.runs
    }
    keys, runs = [*CONFIGURATION, "seed", "parameters"], results.runs
    runs = runs.assign(parameters=grids.parameters(runs).where(runs.role.isin(OF_GRIDS), ""))
    for row in runs[keys].itertuples(index=False, name=None):
        if row not in asked:
            named = ", ".join(f"{key} {value}" for key, value in zip(keys, row, strict=True) if value != "")
            suite = results.suite.name
            raise ValueError(
                f"{results.folder / 'runs.csv'} has a run that config/suites/{suite}.yaml does not ask for: {named}; "
                f"run `snakemake --cores all {suite}` to make the table anew, or restore the config"
            )


def refuse_twice(results: Results) -> None:
    for name, keys in KEYS.items():
        table = results.table(name)
        twice = table.duplicated(keys)
        if twice.any():
            row = ", ".join(f"{key} {table[key][twice.idxmax()]}" for key in keys)
            raise ValueError(
                f"{results.folder / name}.csv has two rows of {row}; delete it and run `snakemake --cores all "
                f"{results.suite.name}` to make it anew, or restore it with `git checkout`"
            )
