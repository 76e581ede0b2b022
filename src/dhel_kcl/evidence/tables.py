"""Step 8: one table of a suite as CSV, Markdown, LaTeX (booktabs) and HTML.

Tables: claims_summary, claims, linear_evaluation, cached_probe, knn, geometry, ablations, trade_off_points,
trade_off_effects, robustness, transfer, published, recipe, runs, costs. A cell that the suite asks for and that has no
run says "not run".

Example:
    python -m dhel_kcl.evidence.tables --root . --suite digits --results results/digits --name geometry --out geometry
"""

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dhel_kcl.evidence import published, trade_off
from dhel_kcl.evidence import verdicts as claims_of
from dhel_kcl.evidence.estimates import Estimate, expected_best_of
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.claim_names import CLAIMS
from dhel_kcl.presentation.table_files import FORMATS, NOT_RUN, mean_and_spread, write_table
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import FLOORS, Run, Suite, dataset_title

VERDICTS = ("supported", "contradicted", "not distinguishable", NOT_RUN)
GEOMETRY_HEADERS = {
    "alignment": "alignment",
    "uniformity": "uniformity",
    "wasserstein_uniformity": "Wasserstein uniformity",
    "effective_rank": "effective rank",
    "covariance_rank": "covariance rank",
}


def claims_summary(results: Results) -> pd.DataFrame:
    """Number of statements by claim, data set and verdict; of those not distinguishable, how many have no estimate."""
    rows: list[dict[str, Any]] = []
    for (claim, dataset), group in results.table("claims").groupby(["claim", "dataset"], sort=False):
        counts = group.verdict.value_counts()
        row = {"claim": f"{claim}: {CLAIMS[claim]}", "data set": dataset} | {
            verdict: counts.get(verdict, 0) for verdict in VERDICTS
        }
        open_ = group[group.verdict == "not distinguishable"]
        rows.append(row | {"of these, nothing to compare": open_.estimate.isna().sum()})
    table = pd.DataFrame(rows).astype(str)
    return table[["claim", "data set", *VERDICTS[:3], "of these, nothing to compare", VERDICTS[3]]]


def claims(results: Results) -> pd.DataFrame:
    """Every statement with its estimate, interval, adjusted p and verdict."""
    table = results.table("claims")
    trained = table.estimate.notna()
    return pd.DataFrame(
        {
            "claim": table.claim,
            "data set": table.dataset,
            "statement": table.statement,
            "estimate": [
                f"{value:+.2f}" if known else "" for value, known in zip(table.estimate, trained, strict=True)
            ],
            "95 % interval": _intervals(table.low, table.high),
            "unit": table.unit.where(trained, ""),
            "by M, weight or temperature": table.parts.fillna(""),
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
    columns = {dataset: dict(_flat(results.settings(dataset).model_dump(mode="json"))) for dataset in results.datasets}
    common = {"title", "datasets", *type(results.settings(results.datasets[0])).model_fields}
    shared = {
        key: value
        for key, value in results.suite.config.model_dump(mode="json").items()
        if key not in common and value is not None
    }
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
        cells += [(floor, results.settings(dataset).floors.batch_size) for floor in FLOORS]
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
    size = suite.config.ablations.batch_size if suite.config.ablations else 0
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
    rows = []
    for dataset in results.datasets_of("trade_off"):
        points = trade_off.points(results, dataset)
        for setting in trade_off.planned(results.suite, dataset).itertuples():
            cell = points[(points.method == setting.method) & (points.parameters == setting.parameters)]
            row = {"data set": dataset, "loss": results.suite.title(setting.method), "weight": f"{setting.weight:g}"}
            row |= {"temperature": f"{setting.temperature:g}", "accuracy (%)": mean_and_spread(cell.test_accuracy, 2)}
            row |= {"alignment of z": mean_and_spread(cell.z_alignment, 3)}
            rows.append(row | {"effective rank of z": mean_and_spread(cell.z_effective_rank, 1)})
    return pd.DataFrame(rows)


def trade_off_effects(results: Results) -> pd.DataFrame:
    """What a change of the loss, of the weight and of the temperature does, all else equal, with 95 % intervals."""
    level, rows = claims_of.ledger()["confidence"], []
    columns = {
        "effective rank of z": ("z_effective_rank", 1),
        "alignment of z": ("z_alignment", 3),
        "accuracy (points)": ("test_accuracy", 2),
    }

    def cell(effect: Estimate, digits: int) -> str:
        if math.isnan(effect.value):
            return NOT_RUN
        low, high = (f"{end:+.{digits}f}" for end in effect.interval(level))
        return f"{effect.value:+.{digits}f}" + ("" if low == "+nan" else f" ({low} to {high})")

    for dataset in results.datasets_of("trade_off"):
        for what, factor, pair, by in _contrasts(results.suite, dataset):
            found = {}
            for header, (column, digits) in columns.items():
                effects = trade_off.effects(results, dataset, column, factor, *pair)
                parts = trade_off.by_factor(effects, by) if len(effects) else {}
                parts |= {"all": trade_off.mean_effect(effects)}
                found[header] = {at: cell(effect, digits) for at, effect in parts.items()}
            cells = pd.DataFrame(found).rename_axis("at").reset_index()
            rows += [{"data set": dataset, "effect of": what} | row for row in cells.to_dict("records")]
    return pd.DataFrame(rows)


def _contrasts(suite: Suite, dataset: str) -> Iterator[tuple[str, str, tuple[Any, Any], str]]:
    """(name, factor, (of, against), factor at whose values it is shown) of the effects that a trade-off can show."""
    planned = trade_off.planned(suite, dataset)
    titles = {loss: suite.title(method) for loss, method in zip(planned.loss, planned.method, strict=True)}
    for of, against in itertools.combinations(reversed(titles), 2):
        yield f"{titles[of]} − {titles[against]}", "loss", (of, against), "weight"
    for low, high in itertools.pairwise(sorted(set(planned.weight))):
        yield f"w = {high:g} − {low:g}", "weight", (high, low), "temperature"
    for low, high in itertools.pairwise(sorted(set(planned.temperature))):
        yield f"τ = {low:g} − {high:g}", "temperature", (low, high), "weight"


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
                row["selected"] = _place(order.parameters, results.suite.candidates(dataset, method, size))
                rows.append(row | _spread_over_grid(order.test_accuracy, close))
    return pd.DataFrame(rows)


def _place(parameters: pd.Series, candidates: list[Run]) -> str:
    """The selected setting's value of what the grid varies, marked where it lies at the edge of three numbers or more,
    beyond which nobody looked."""
    if len(parameters) < len(candidates):
        return NOT_RUN
    chosen = dict(entry.split("=") for entry in parameters.iloc[0].split())
    texts = []
    for key in candidates[0].loss:
        values = {run.loss[key] for run in candidates}
        numbers = sorted(float(value) for value in values if isinstance(value, int | float))
        at_edge = len(numbers) > 2 and float(chosen[key]) in (numbers[0], numbers[-1])
        texts += [f"{key}={chosen[key]}" + " (edge)" * at_edge] if len(values) > 1 else []
    return " ".join(texts)


def _spread_over_grid(accuracy: pd.Series, close: float) -> dict[str, str]:
    """accuracy: in the order of choice on validation."""
    values, count = list(accuracy), len(accuracy)
    headers = ["points", "expected of 1", "expected best of 2", "best on validation", "worst on validation", "least"]
    headers += [f"within {close:g} point of the best", "gain if selected on test"]
    if not values:
        return dict.fromkeys(headers, NOT_RUN)
    near = sum(value >= max(values) - close for value in values)
    two = expected_best_of(min(2, count), values)
    numbers = [expected_best_of(1, values), two, values[0], values[-1], min(values)]
    cells = [str(count), *(f"{number:.2f}" for number in numbers), f"{near}/{count}", f"{max(values) - values[0]:.2f}"]
    return dict(zip(headers, cells, strict=True))


def transfer(results: Results) -> pd.DataFrame:
    """Test accuracy (%) of a cached linear probe on each data set, on features learned on one."""
    runs, rows, size = (
        results.selected,
        [],
        results.suite.config.transfer.batch_size if results.suite.config.transfer else 0,
    )
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
    "trade_off_effects": trade_off_effects,
    "robustness": robustness,
    "transfer": transfer,
    "published": published.beside_ours,
    "recipe": recipe,
    "runs": runs,
    "costs": costs,
}


def _grid_runs(suite: Suite) -> list[Run]:
    return [run for run in suite.runs if (run.section, run.role) == ("losses", "grid")]


def tables_of(suite: Suite) -> list[str]:
    """Tables that a suite has: some only where it runs what they show, or where others published on its data sets."""
    absent = {
        "cached_probe": not any(suite.settings(dataset).probe.augmented for dataset in suite.datasets),
        "ablations": suite.config.ablations is None,
        "trade_off_points": suite.config.trade_off is None,
        "trade_off_effects": suite.config.trade_off is None,
        "robustness": not any(len(suite.candidates(r.dataset, r.method, r.batch_size)) > 1 for r in _grid_runs(suite)),
        "transfer": suite.config.transfer is None,
        "published": published.figures(suite.datasets).empty,
    }
    return [name for name in TABLES if not absent.get(name)]


def titled(table: pd.DataFrame) -> pd.DataFrame:
    """The table with titles for the names of data sets."""
    table = table.rename(columns=dataset_title)
    return table.assign(**{key: table[key].map(dataset_title) for key in ("data set", "trained on") if key in table})


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--name", required=True, choices=TABLES, help="table to make")
    parser.add_argument("--out", required=True, type=Path, help=f"path without extension; writes {', '.join(FORMATS)}")
    args = parser.parse_args()
    write_table(titled(TABLES[args.name](Results(args.results, Suite.load(args.root, args.suite)))), args.out)


if __name__ == "__main__":
    cli.run(main)
