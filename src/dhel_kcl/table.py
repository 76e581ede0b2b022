"""Step 8: one table of a suite as CSV, Markdown, LaTeX (booktabs) and HTML.

Tables: claims_summary, claims, linear_evaluation, cached_probe, knn, geometry, ablations, trade_off_points, robustness,
transfer, published, recipe, runs, costs. A cell that the suite asks for and that has no run says "not run".

Example:
    python -m dhel_kcl.table --root . --suite digits --results results/digits --name geometry --out geometry
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dhel_kcl import claims as claims_of
from dhel_kcl import cli
from dhel_kcl.files import write_text
from dhel_kcl.inference import expected_best_of
from dhel_kcl.results import Results
from dhel_kcl.suite import FLOORS, Run, Suite, grid

NOT_RUN = "not run"
PUBLISHED = Path(__file__).with_name("published.csv")
VERDICTS = ("supported", "contradicted", "not distinguishable", NOT_RUN)
GEOMETRY_HEADERS = {
    "alignment": "alignment",
    "uniformity": "uniformity",
    "wasserstein_uniformity": "Wasserstein uniformity",
    "effective_rank": "effective rank",
    "covariance_rank": "covariance rank",
}


def mean_and_spread(values: pd.Series, digits: int) -> str:
    """ "mean ± standard deviation (n)"; without ± for one value, "not run" for none, "-" for runs without the value."""
    if values.empty:
        return NOT_RUN
    values = values.dropna()
    if values.empty:
        return "-"
    mean = f"{values.mean():.{digits}f}"
    return f"{mean} (n=1)" if len(values) == 1 else f"{mean} ± {values.std():.{digits}f} (n={len(values)})"


def claims_summary(results: Results) -> pd.DataFrame:
    """Number of statements by claim, data set and verdict."""
    table = results.table("claims")
    rows = []
    for (claim, dataset), group in table.groupby(["claim", table.dataset.fillna("")], sort=False):
        counts = group.verdict.value_counts()
        row = {"claim": claim, "data set": dataset or "none needed"}
        row |= {verdict: str(counts.get(verdict, 0)) if dataset else "" for verdict in VERDICTS}
        rows.append(row | {"judged by": "this suite" if dataset else group.note.iloc[0]})
    return pd.DataFrame(rows)


def claims(results: Results) -> pd.DataFrame:
    """Every statement with its estimate, interval, adjusted p and verdict."""
    table = results.table("claims")
    trained = table.estimate.notna()
    return pd.DataFrame(
        {
            "claim": table.claim,
            "data set": table.dataset.fillna(""),
            "statement": table.statement,
            "estimate": [
                f"{value:+.2f}" if known else "" for value, known in zip(table.estimate, trained, strict=True)
            ],
            "95 % interval": _intervals(table.low, table.high),
            "unit": table.unit.where(trained, "").fillna(""),
            "over test images": _intervals(table.images_low, table.images_high),
            "p (Holm)": ["" if pd.isna(p) else "< 0.0001" if p < 1e-4 else f"{p:.2g}" for p in table.p_holm],
            "seeds": ["" if pd.isna(n) else f"{n:.0f}" for n in table.seeds.where(trained)],
            "verdict": table.verdict,
            "note": table.note.fillna(""),
        }
    )


def _intervals(low: pd.Series, high: pd.Series) -> list[str]:
    pairs = zip(low, high, strict=True)
    return ["" if pd.isna(a) or pd.isna(b) else f"{a:+.2f} to {b:+.2f}" for a, b in pairs]


def linear_evaluation(results: Results) -> pd.DataFrame:
    """Test accuracy (%) of the linear probe at the setting selected on validation."""
    return _accuracies(results, "test_accuracy")


def cached_probe(results: Results) -> pd.DataFrame:
    """The same of a linear probe on features computed once, where the main probe augments."""
    return _accuracies(results, "cached_test_accuracy")


def knn(results: Results) -> pd.DataFrame:
    """The same of nearest neighbours."""
    return _accuracies(results, "knn_accuracy")


def recipe(results: Results) -> pd.DataFrame:
    """How the suite's runs were made: every setting of its config, one column a data set."""
    columns = {dataset: dict(_flat(results.settings(dataset))) for dataset in results.datasets}
    common = {"title", "datasets", *results.settings(results.datasets[0])}
    shared = {key: value for key, value in results.suite.config.items() if key not in common}
    columns = {dataset: dict(_flat(shared)) | column for dataset, column in columns.items()}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    return pd.DataFrame(
        [{"setting": key} | {name: column.get(key, "") for name, column in columns.items()} for key in keys]
    )


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """("training.epochs", "15"), ...: the settings that are not settings of settings."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def runs(results: Results) -> pd.DataFrame:
    """Every run, in the order of the config."""
    table = results.runs

    def number(column: str, digits: int) -> list[str]:
        return ["" if pd.isna(value) else f"{value:.{digits}f}" for value in table[column]]

    return pd.DataFrame(
        {
            "data set": table.dataset,
            "loss": [results.suite.title(method) for method in table.method],
            "M": table.batch_size,
            "parameters": table.parameters.fillna(""),
            "seed": table.seed,
            "role": table.role.where(~table.selected | (table.role != "grid"), "grid, selected"),
            "validation accuracy (%)": number("validation_accuracy", 2),
            "test accuracy (%)": number("test_accuracy", 2),
            "alignment of z": number("z_alignment", 3),
            "effective rank of z": number("z_effective_rank", 1),
            "effective rank of h": number("h_effective_rank", 1),
            "Git revision": table.git_revision.fillna("").str.replace(r"^(\w{10})\w*", r"\1", regex=True),
        }
    )


def _accuracies(results: Results, column: str) -> pd.DataFrame:
    runs, rows = results.selected, []
    for dataset in results.datasets:
        here, sizes = runs[runs.dataset == dataset], results.sizes(dataset)
        for method in results.methods("losses", dataset):
            row = {"data set": dataset, "loss": results.suite.title(method)}
            for size in results.all_sizes:
                cell = here[(here.method == method) & (here.batch_size == size)]
                row[f"M = {size}"] = mean_and_spread(cell[column], 2) if size in sizes else ""
            rows.append(row)
        for floor in FLOORS:
            cell = mean_and_spread(here[here.method == floor][column], 2)
            row = {"data set": dataset, "loss": f"floor: {results.suite.title(floor)}"}
            rows.append(row | {f"M = {size}": cell if size in sizes else "" for size in results.all_sizes})
    return pd.DataFrame(rows)


def geometry(results: Results) -> pd.DataFrame:
    """Geometry of the test embeddings at the selected setting: projector output z and backbone features h."""
    suite, runs, rows = results.suite, results.selected, []
    for dataset in results.datasets:
        here = runs[runs.dataset == dataset]
        cells = [(m, size) for size in results.sizes(dataset) for m in results.methods("losses", dataset)]
        cells += [(floor, results.settings(dataset)["floors"]["batch_size"]) for floor in FLOORS]
        for space in ("z", "h"):
            for method, size in cells:
                group = here[(here.method == method) & (here.batch_size == size)]
                if len(group) and group[f"{space}_alignment"].isna().all():
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
    size = suite.config["ablations"]["batch_size"]
    for dataset in results.datasets_of("ablations"):
        here = runs[(runs.dataset == dataset) & (runs.batch_size == size)]
        for method in [*results.methods("losses", dataset), *results.methods("ablations", dataset)]:
            group = here[here.method == method]
            rows.append(
                {
                    "data set": dataset,
                    "loss": suite.title(method),
                    "M": size,
                    "selected": group.parameters.iloc[0] if len(group) else NOT_RUN,
                    "test accuracy (%)": mean_and_spread(group.test_accuracy, 2),
                    "alignment (z)": mean_and_spread(group.z_alignment, 3),
                    "effective rank (z)": mean_and_spread(group.z_effective_rank, 1),
                }
            )
    return pd.DataFrame(rows)


def trade_off_points(results: Results) -> pd.DataFrame:
    """Accuracy, alignment and rank at every energy weight and temperature of the trade-off."""
    points, rows = claims_of.trade_off_points(results, results.runs[results.runs.part == "trade_off"]), []
    for dataset in results.datasets_of("trade_off"):
        for method, entry in results.suite.methods_of(dataset).items():
            for loss in grid(entry) if entry["part"] == "trade_off" else []:
                weight, temperature = loss.get("energy_weight", 1), loss["temperature"]
                cell = points[(points.dataset == dataset) & (points.method == method)]
                cell = cell[(cell.weight == weight) & (cell.temperature == temperature)]
                row = {"data set": dataset, "loss": results.suite.title(method), "weight": f"{weight:g}"}
                row |= {"temperature": f"{temperature:g}", "accuracy (%)": mean_and_spread(cell.test_accuracy, 2)}
                row |= {"alignment of z": mean_and_spread(cell.z_alignment, 3)}
                rows.append(row | {"effective rank of z": mean_and_spread(cell.z_effective_rank, 1)})
    return pd.DataFrame(rows)


def robustness(results: Results) -> pd.DataFrame:
    """Test accuracy (%) over grids of two points or more, one seed a point; picked on validation, as `select` does."""
    rows = []
    grid = results.runs[results.runs.role == "grid"]
    close = claims_of.ledger()["close"]
    for dataset in results.datasets:
        for method in results.methods("losses", dataset):
            for size in results.sizes(dataset):
                if len(results.suite.candidates(dataset, method, size)) < 2:
                    continue
                row = {"data set": dataset, "loss": results.suite.title(method), "M": size}
                points = grid[(grid.dataset == dataset) & (grid.method == method) & (grid.batch_size == size)]
                order = points.sort_values(
                    ["validation_accuracy", "validation_cross_entropy"], ascending=[False, True], kind="stable"
                )
                rows.append(row | _spread_over_grid(order.test_accuracy, close))
    return pd.DataFrame(rows)


def _spread_over_grid(accuracy: pd.Series, close: float) -> dict[str, str]:
    """accuracy: in the order of choice on validation."""
    values, count = list(accuracy), len(accuracy)
    headers = [
        "points",
        "expected of 1",
        "expected best of 2",
        "selected",
        "worst",
        f"within {close:g} point of the best",
    ]
    headers += ["gain if selected on test"]
    if not values:
        return dict.fromkeys(headers, NOT_RUN)
    near = sum(value >= max(values) - close for value in values)
    two = expected_best_of(min(2, count), values)
    numbers = [expected_best_of(1, values), two, values[0], min(values)]
    cells = [str(count), *(f"{number:.2f}" for number in numbers), f"{near}/{count}", f"{max(values) - values[0]:.2f}"]
    return dict(zip(headers, cells, strict=True))


def transfer(results: Results) -> pd.DataFrame:
    """Test accuracy (%) of a cached linear probe on each data set, on features learned on one."""
    runs, rows, size = results.selected, [], results.suite.config["transfer"]["batch_size"]
    runs = runs[(runs.batch_size == size) & (runs.role == "selected")]
    # The same probe for all: transfers are cached.
    own = runs.cached_test_accuracy.fillna(runs.test_accuracy)
    for dataset in results.datasets:
        here = runs[runs.dataset == dataset].assign(**{f"transfer_{dataset}": own})
        for method in results.methods("losses", dataset):
            cell = here[here.method == method]
            row = {"trained on": dataset, "loss": results.suite.title(method), "M": size}
            for target in results.datasets:
                row[target] = mean_and_spread(cell[f"transfer_{target}"].dropna(), 2)
            rows.append(row)
    return pd.DataFrame(rows)


def published(results: Results) -> pd.DataFrame:
    """Published accuracies on the suite's data sets, beside ours where data set, loss, batch size, backbone, epochs and
    probe are the same; empty where we ran nothing such."""
    rows = []
    for entry in published_figures(results.datasets).to_dict("records"):
        loss = f"{entry['loss']} {entry['dhel_form']}".strip().replace("best_baseline", "best baseline")
        value = entry["value"] if entry["precision"] == "printed" else f"about {entry['value']}"
        rows.append(
            {
                "data set": entry["dataset"],
                "loss": loss,
                "M": entry["batch_size"] or "not stated",
                "temperature": entry["temperature"]
                or ("tuned" if entry["temperature_tuned"] == "yes" else "not stated"),
                "probe": entry["probe"].split(",")[0],
                "published (%)": value,
                "ours (%)": ours(results, entry),
                "comparable": "; ".join(filter(None, [entry["comparable"], entry["inferred_fields"]])),
                "source": entry["source"],
            }
        )
    return pd.DataFrame(rows)


def published_figures(datasets: list[str]) -> pd.DataFrame:
    """Rows of published.csv on these data sets, all cells as printed there."""
    table = pd.read_csv(PUBLISHED, dtype=str, keep_default_na=False)
    return table[table.dataset.isin(datasets)]


def ours(results: Results, entry: dict[str, Any]) -> str:
    """Our accuracy under the conditions of a published one, or an empty text."""
    asked = results.settings(entry["dataset"])
    protocol = entry["probe"].split(",")[0]
    augmented = bool(asked["probe"].get("augmented"))
    same = (asked["backbone"]["name"], str(asked["training"]["epochs"])) == (entry["backbone"], entry["epochs"])
    if not same or protocol not in ("augmented", "cached features") or entry["comparable"].startswith("no"):
        return ""
    if protocol == "augmented" and not augmented:
        return ""
    column = "cached_test_accuracy" if augmented and protocol == "cached features" else "test_accuracy"
    runs = results.runs[(results.runs.dataset == entry["dataset"]) & results.runs.part.isin(["losses", "ablations"])]
    runs = runs[runs.batch_size.astype(str) == entry["batch_size"]]
    fixed = entry["temperature_tuned"] == "no" and entry["temperature"]
    at_it = [f"temperature={entry['temperature']}" in str(said).split() for said in runs.parameters]
    runs = runs.loc[at_it if fixed else runs.selected]
    wanted = ("simclr", "dcl") if entry["loss"] == "best_baseline" else (entry["loss"],)
    cells = [runs[runs.method == method][column].dropna() for method in _methods(results, wanted, entry["dhel_form"])]
    cells = [cell for cell in cells if len(cell)]
    return mean_and_spread(max(cells, key=lambda cell: cell.mean()), 2) if cells else ""


def _methods(results: Results, losses: tuple[str, ...], form: str) -> list[str]:
    """Names under which a suite runs these losses, as published: in this form, with energy weight 1."""

    def same(entry: dict[str, Any]) -> bool:
        said = {key: values if isinstance(values, list) else [values] for key, values in entry.items()}
        return said.get("energy_weight", [1.0]) == [1.0] and (not form or said.get("form") == [form])

    return [name for name, entry in results.suite.methods.items() if entry["loss"] in losses and same(entry)]


def costs(results: Results) -> pd.DataFrame:
    """Training time and speed as measured, on the machine named in results/<suite>/provenance.json, and as planned."""
    costs = results.table("costs")
    plan = results.table("plan") if (results.folder / "plan.csv").is_file() else costs.iloc[:0]
    speeds = plan.set_index(["dataset", "batch_size"]).views_per_second.to_dict()
    planned = [speeds.get(key) for key in zip(costs.dataset, costs.batch_size, strict=True)]
    return pd.DataFrame(
        {
            "data set": costs.dataset,
            "loss": [results.suite.title(method) for method in costs.method],
            "M": costs.batch_size,
            "runs": costs.runs,
            "seconds a run": costs.seconds_a_run.round(1),
            "total minutes": (costs.total_seconds / 60).round(2),
            "views a second": costs.views_per_second.round().astype(int),
            "planned": ["" if speed is None else round(speed) for speed in planned],
        }
    )


TABLES: dict[str, Callable[[Results], pd.DataFrame]] = {
    "claims_summary": claims_summary,
    "claims": claims,
    "linear_evaluation": linear_evaluation,
    "cached_probe": cached_probe,
    "knn": knn,
    "geometry": geometry,
    "ablations": ablations,
    "trade_off_points": trade_off_points,
    "robustness": robustness,
    "transfer": transfer,
    "published": published,
    "recipe": recipe,
    "runs": runs,
    "costs": costs,
}


def _grid_runs(suite: Suite) -> list[Run]:
    return [run for run in suite.runs if (run.part, run.role) == ("losses", "grid")]


def tables_of(suite: Suite) -> list[str]:
    """Tables that a suite has: some only where it runs what they show, or where others published on its data sets."""
    probes = [suite.settings(dataset)["probe"] for dataset in suite.datasets]
    absent = {
        "cached_probe": not any(probe.get("augmented") for probe in probes),
        "knn": not any("neighbours" in probe for probe in probes),
        "ablations": "ablations" not in suite.config,
        "trade_off_points": "trade_off" not in suite.config,
        "robustness": not any(len(suite.candidates(r.dataset, r.method, r.batch_size)) > 1 for r in _grid_runs(suite)),
        "transfer": "transfer" not in suite.config,
        "published": published_figures(suite.datasets).empty,
    }
    return [name for name in TABLES if not absent.get(name)]


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write `out` in every one of FORMATS."""
    write_text(out.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    write_text(out.with_suffix(".md"), table.to_markdown(index=False, disable_numparse=True) + "\n")
    write_text(out.with_suffix(".tex"), latex(table))
    body = table.to_html(index=False, border=0, na_rep="")
    write_text(out.with_suffix(".html"), PAGE.format(title=out.name.replace("_", " "), body=body))


FORMATS = ("csv", "md", "tex", "html")
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 sans-serif; color: #222; margin: 1rem }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }}
th {{ position: sticky; top: 0; background: #fff; border-bottom: 1.5px solid #222 }}
</style>
{body}
</html>
"""
LATEX = str.maketrans({"%": r"\%", "_": r"\_", "±": r"$\pm$", "<": "$<$", ">": "$>$"})


def latex(table: pd.DataFrame) -> str:
    text = table.map(lambda cell: str(cell).translate(LATEX))
    text.columns = [column.replace("%", r"\%") for column in table.columns]
    return text.to_latex(index=False, column_format="l" * len(table.columns))


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--name", required=True, choices=TABLES, help="table to make")
    parser.add_argument("--out", required=True, type=Path, help=f"path without extension; writes {', '.join(FORMATS)}")
    args = parser.parse_args()
    write_table(TABLES[args.name](Results(args.results, Suite.load(args.root, args.suite))), args.out)


if __name__ == "__main__":
    cli.run(main)
