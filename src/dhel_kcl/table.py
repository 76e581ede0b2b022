"""Step 7: one table of a suite as CSV, Markdown and LaTeX (booktabs).

Tables: linear_evaluation, geometry, ablations, costs.

Example:
    python -m dhel_kcl.table --root . --suite digits --results results/digits --name geometry --out geometry
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dhel_kcl import cli
from dhel_kcl.files import write_text
from dhel_kcl.results import Results
from dhel_kcl.suite import FLOORS, Suite

GEOMETRY_HEADERS = {
    "alignment": "alignment",
    "uniformity": "uniformity",
    "wasserstein_uniformity": "Wasserstein uniformity",
    "effective_rank": "effective rank",
    "covariance_rank": "covariance rank",
}


def mean_and_spread(values: pd.Series, digits: int) -> str:
    """ "mean ± standard deviation (n)"; without ± for one value, "-" for none."""
    values = values.dropna()
    if values.empty:
        return "-"
    mean = f"{values.mean():.{digits}f}"
    return f"{mean} (n=1)" if len(values) == 1 else f"{mean} ± {values.std():.{digits}f} (n={len(values)})"


def linear_evaluation(results: Results) -> pd.DataFrame:
    """Test accuracy (%) of the linear probe at the setting selected on validation."""
    suite, runs, rows = results.suite, results.selected, []
    for dataset in suite.datasets:
        here = runs[runs.dataset == dataset]
        for method in results.methods("losses"):
            row = {"data set": dataset, "loss": suite.title(method)}
            for size in suite.config["batch_sizes"]:
                cell = here[(here.method == method) & (here.batch_size == size)]
                row[f"M = {size}"] = mean_and_spread(cell.test_accuracy, 2)
            rows.append(row)
        for floor in FLOORS:
            cell = mean_and_spread(here[here.method == floor].test_accuracy, 2)
            row = {"data set": dataset, "loss": f"floor: {suite.title(floor)}"}
            rows.append(row | {f"M = {size}": cell for size in suite.config["batch_sizes"]})
    return pd.DataFrame(rows)


def geometry(results: Results) -> pd.DataFrame:
    """Geometry of the test embeddings at the selected setting: projector output z and backbone features h."""
    suite, runs, rows = results.suite, results.selected, []
    for dataset in suite.datasets:
        here = runs[runs.dataset == dataset]
        sizes = suite.config["batch_sizes"]
        cells = [(method, size) for size in sizes for method in results.methods("losses")]
        cells += [(floor, suite.config["floors"]["batch_size"]) for floor in FLOORS]
        for space in ("z", "h"):
            for method, size in cells:
                group = here[(here.method == method) & (here.batch_size == size)]
                if group[f"{space}_alignment"].isna().all():
                    continue
                row = {"data set": dataset, "space": space, "M": size if method not in FLOORS else "-"}
                row["loss"] = suite.title(method)
                for metric, header in GEOMETRY_HEADERS.items():
                    digits = 1 if "rank" in metric else 3
                    row[header] = mean_and_spread(group[f"{space}_{metric}"], digits)
                rows.append(row)
    return pd.DataFrame(rows)


def ablations(results: Results) -> pd.DataFrame:
    """Variants against the main losses at one batch size, each at its own selected setting."""
    suite, runs, rows = results.suite, results.selected, []
    settings = suite.config["ablations"]
    for dataset in suite.datasets:
        here = runs[(runs.dataset == dataset) & (runs.batch_size == settings["batch_size"])]
        for method in [*results.methods("losses"), *results.methods("ablations")]:
            group = here[here.method == method]
            rows.append(
                {
                    "data set": dataset,
                    "loss": suite.title(method),
                    "M": settings["batch_size"],
                    "selected": group.parameters.iloc[0],
                    "test accuracy (%)": mean_and_spread(group.test_accuracy, 2),
                    "alignment (z)": mean_and_spread(group.z_alignment, 3),
                    "effective rank (z)": mean_and_spread(group.z_effective_rank, 1),
                }
            )
    return pd.DataFrame(rows)


def costs(results: Results) -> pd.DataFrame:
    """Training time and speed as measured, on the machine named in results/<suite>/provenance.json."""
    costs = results.table("costs")
    return pd.DataFrame(
        {
            "data set": costs.dataset,
            "loss": [results.suite.title(method) for method in costs.method],
            "M": costs.batch_size,
            "runs": costs.runs,
            "seconds a run": costs.seconds_a_run.round(1),
            "total minutes": (costs.total_seconds / 60).round(2),
            "views a second": costs.views_per_second.round().astype(int),
        }
    )


TABLES: dict[str, Callable[[Results], pd.DataFrame]] = {
    "linear_evaluation": linear_evaluation,
    "geometry": geometry,
    "ablations": ablations,
    "costs": costs,
}


def tables_of(suite: Suite) -> list[str]:
    """Tables that a suite has: ablations only where it runs some."""
    return [name for name in TABLES if name != "ablations" or "ablations" in suite.config]


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write `out`.csv, `out`.md and `out`.tex."""
    write_text(out.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    write_text(out.with_suffix(".md"), table.to_markdown(index=False, disable_numparse=True) + "\n")
    write_text(out.with_suffix(".tex"), latex(table))


LATEX = str.maketrans({"%": r"\%", "_": r"\_", "±": r"$\pm$", "<": "$<$", ">": "$>$"})


def latex(table: pd.DataFrame) -> str:
    text = table.map(lambda cell: str(cell).translate(LATEX))
    text.columns = [column.replace("%", r"\%") for column in table.columns]
    return text.to_latex(index=False, column_format="l" * len(table.columns))


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--root", required=True, type=Path, help="repository folder, whose config is read")
    parser.add_argument("--suite", required=True, help="name of the suite")
    parser.add_argument("--results", required=True, type=Path, help="folder of the suite's tidy tables")
    parser.add_argument("--name", required=True, choices=TABLES, help="table to make")
    parser.add_argument(
        "--out", required=True, type=Path, help="path without extension; .csv, .md and .tex are written"
    )
    args = parser.parse_args()
    write_table(TABLES[args.name](Results(args.results, Suite.load(args.root, args.suite))), args.out)


if __name__ == "__main__":
    cli.run(main)
