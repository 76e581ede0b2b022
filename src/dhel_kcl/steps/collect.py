"""Gather a suite's runs in tidy tables, which all verdicts, tables and figures are made from.

Writes into --out:
    runs.csv          one row a run: configuration, role, accuracies (%), geometry of z and h, Git revision
    epochs.csv        training curves of the selected settings
    predictions.csv   which test images each run of the selected settings classifies right, packed in base64
    spectra.csv       normalised singular values of the selected settings, mean and spread over seeds
    similarities.csv  densities of pairwise similarities, likewise
    costs.csv         training time and speed by loss and batch size, and the speed that was planned
    metrics.json      test accuracy (%) and effective rank of z by loss, over batch sizes and seeds, for `dvc metrics`

Of a joint suite they are those of the suites that it joins, as far as these are there, one after the other. Of others
it reads the runs and the plan below results/runs/<suite> and the splits below data/splits/<suite>, in the working
directory.

Example:
    dhel-kcl collect --root . --suite digits --out results/digits
"""

from functools import partial
from pathlib import Path

from dhel_kcl.evidence import tidy
from dhel_kcl.evidence.collect import collect, joined, summary
from dhel_kcl.files import write_json
from dhel_kcl.runtime import cli, science
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()
    gather(Suite.load(args.root, args.suite), args.out)


def gather(suite: Suite, out: Path, partly: bool = False) -> None:
    """Write a suite's tidy tables into the folder `out`. Of runs that are not complete it raises FileNotFoundError, or,
    if the suite may be run `partly`, leaves them out; damaged and foreign ones are refused in either case."""
    tables = joined(parts_there(suite)) if suite.is_joint else collect(suite, partial(science.of_run, suite), partly)
    for name, table in tables.items():
        tidy.write(out / f"{name}.csv", table)
    runs = tidy.Results(out, suite).runs if suite.is_joint else tables["runs"]
    write_json(out / "metrics.json", summary(runs, suite))


def parts_there(suite: Suite) -> list[tidy.Results]:
    """Results below the working directory of the suites that a joint one joins. Raises ValueError if there are none."""
    folders = [Path(layout.RESULTS.format(suite=part.name)) for part in suite.parts]
    found = [
        tidy.Results(folder, part)
        for folder, part in zip(folders, suite.parts, strict=True)
        if (folder / "runs.csv").is_file()
    ]
    if not found:
        names = ", ".join(suite.configs)
        remedy = f"run one of them first, for example `snakemake --cores all {suite.parts[0].name}`"
        raise ValueError(f"{suite.name} joins {names}, and none of them has results in results/; {remedy}")
    return found
