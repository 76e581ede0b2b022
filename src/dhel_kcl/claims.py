"""Step 7: what a suite's results say about each claim of the paper: estimate, interval and verdict.

The statements, with their statistics, signs, thresholds and margins, are data: claims.yaml in this package. Each
is judged on each data set from the tidy tables alone; docs/claims.md says how. Writes one CSV.

Example:
    python -m dhel_kcl.claims --root . --suite digits --results results/digits --out results/digits/claims.csv
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from dhel_kcl import cli
from dhel_kcl.files import write_text
from dhel_kcl.inference import Estimate, contrast, holm, image_interval, satterthwaite
from dhel_kcl.results import Results
from dhel_kcl.suite import Suite

LEDGER = Path(__file__).with_name("claims.yaml")
THEORY = "see paper_figures/theory/verdicts.md"
POINTS = 50
"""At which two curves are compared, evenly over their common range (midpoint rule)."""

Weights = dict[tuple[str, int], float]
"""{(method, batch size): weight} of a contrast between selected settings."""


def ledger() -> dict[str, Any]:
    return yaml.safe_load(LEDGER.read_text(encoding="utf-8"))


def ledger_digest() -> str:
    """Changes with the statements, not with their comments."""
    return hashlib.sha256(repr(ledger()).encode()).hexdigest()


class Evidence:
    """One data set's runs, and the statistics of two losses' difference, `of` less `against`."""

    def __init__(self, results: Results, dataset: str, book: dict[str, Any]) -> None:
        self.results, self.dataset, self.book = results, dataset, book
        runs = results.runs[results.runs.dataset == dataset]
        self.trade_off = runs[runs.part == "trade_off"]
        self.runs = runs[runs.part == "losses"]
        self.selected = self.runs[self.runs.selected]
        self.grid = self.runs[self.runs.role == "grid"]
        cells = self.selected.groupby(["method", "batch_size"])
        self.cells = {key: group.set_index("seed") for key, group in cells}

    def sizes(self, of: str, against: str) -> list[int]:
        """Batch sizes at which a seed of both losses was run at the selected setting."""
        seeds = {key: set(cell.index) for key, cell in self.cells.items()}
        common = self.results.sizes(self.dataset)
        return [size for size in common if seeds.get((of, size), set()) & seeds.get((against, size), set())]

    def share(self, count: int) -> str:
        """At how many of the batch sizes, unless it is at all."""
        asked = len(self.results.sizes(self.dataset))
        return "" if count == asked else f"at {count} of {asked} batch sizes"

    # Statistics of the selected settings: weights of a contrast, and what to say beside it.

    def level(self, of: str, against: str) -> tuple[Weights, str]:
        """Mean over batch sizes."""
        sizes = self.sizes(of, against)
        return _differences(of, against, {size: 1 / len(sizes) for size in sizes}), self.share(len(sizes))

    def interaction(self, of: str, against: str) -> tuple[Weights, str]:
        """Difference at the smallest batch size, less the mean difference at the others."""
        sizes = self.sizes(of, against)
        if len(sizes) < 2:
            return {}, "needs two batch sizes"
        others = {size: -1 / (len(sizes) - 1) for size in sizes[1:]}
        return _differences(of, against, {sizes[0]: 1.0} | others), self.share(len(sizes))

    def drop(self, of: str, against: str) -> tuple[Weights, str]:
        """Accuracy lost from the batch size that is best on validation to the smallest."""
        sizes = self.sizes(of, against)
        if len(sizes) < 2:
            return {}, "needs two batch sizes"
        weights: Weights = {}
        best = {}
        for method, sign in ((of, 1.0), (against, -1.0)):
            here = self.selected[(self.selected.method == method) & self.selected.batch_size.isin(sizes)]
            best[method] = here.groupby("batch_size").validation_accuracy.mean().idxmax()
            for size, weight in ((best[method], sign), (sizes[0], -sign)):
                weights[method, size] = weights.get((method, size), 0.0) + weight
        return weights, "; ".join(filter(None, [self.share(len(sizes)), f"best M: {best[of]} and {best[against]}"]))

    def over_seeds(self, weights: Weights, column: str) -> Estimate:
        """A contrast between selected settings, paired by seed within each batch size."""
        sizes = sorted({size for (_, size), weight in weights.items() if weight})
        parts = {}
        for size in sizes:
            terms = [weight * self.cells[key][column] for key, weight in weights.items() if key[1] == size and weight]
            parts[size] = pd.concat(terms, axis=1, join="inner").sum(axis=1, skipna=False)
        if not parts:  # all weights cancel
            return Estimate(0.0, seeds=min(len(self.cells[key]) for key in weights))
        return contrast(pd.DataFrame(parts).to_numpy(float))

    def by_size(self, pair: tuple[str, ...], column: str) -> str:
        """Mean differences at each batch size, to read beside their contrast."""
        of, against = pair
        parts = {m: self.over_seeds(_differences(of, against, {m: 1.0}), column) for m in self.sizes(of, against)}
        return "; ".join(f"M = {size}: {part.value:+.2f}" for size, part in parts.items())

    def over_images(self, weights: Weights) -> tuple[float, float]:
        """Interval of a contrast in test accuracy over draws of the test images."""
        correct = self.results.correct
        if any((self.dataset, *key) not in correct for key in weights):
            return math.nan, math.nan
        values = sum(100 * weight * correct[(self.dataset, *key)] for key, weight in weights.items())
        return image_interval(np.asarray(values), self.book["confidence"], self.book["draws"], seed=0)

    # Statistics of the grid, whose points have one seed: the noise of a run is that of the selected settings.

    def grid_mean(self, of: str, against: str, column: str) -> Estimate:
        """Mean over the grid and batch sizes: what a setting drawn at random is expected to give."""
        return self.over_grid(of, against, column, lambda points: points[column].mean(), lambda count: 1 / count)

    def grid_worst(self, of: str, against: str, column: str) -> Estimate:
        """Value at the setting that is worst on validation, mean over batch sizes."""

        def worst(points: pd.DataFrame) -> float:
            by = ["validation_accuracy", "validation_cross_entropy"]
            return points.sort_values(by, ascending=[True, False])[column].iloc[0]

        return self.over_grid(of, against, column, worst, lambda count: 1.0)

    def over_grid(
        self,
        of: str,
        against: str,
        column: str,
        statistic: Callable[[pd.DataFrame], float],
        share: Callable[[int], float],
    ) -> Estimate:
        """Mean difference of a statistic of the grid; its variance is `share`(grid points) of a run's."""
        differences, counts = [], set()
        for size in self.results.sizes(self.dataset):
            points = [self.whole_grid(method, size) for method in (of, against)]
            if all(len(part) for part in points):
                counts.add(tuple(len(part) for part in points))
                differences.append(statistic(points[0]) - statistic(points[1]))
        if not differences:
            return Estimate(math.nan, note="no complete grid of both")
        if unequal := [pair for pair in counts if pair[0] != pair[1]]:
            note = f"grids of {unequal[0][0]} and {unequal[0][1]} points do not compare"
            return Estimate(math.nan, seeds=1, note=note)
        noises = [self.noise(method, [column]) for method in (of, against)]
        mean_share = np.mean([share(pair[0]) for pair in counts])
        variances = [covariance[0, 0] * mean_share / len(differences) for covariance, _, _ in noises]
        df = satterthwaite(variances, [df for _, df, _ in noises]) if sum(variances) > 0 else math.nan
        seeds = max(1, min(seeds for _, _, seeds in noises))
        return Estimate(float(np.mean(differences)), math.sqrt(sum(variances)), df, seeds, self.share(len(differences)))

    def whole_grid(self, method: str, size: int) -> pd.DataFrame:
        """Grid runs of a loss at a batch size; none if there are fewer than the suite asks for, or than two."""
        asked = self.results.suite.candidates(self.dataset, method, size)
        points = self.grid[(self.grid.method == method) & (self.grid.batch_size == size)]
        return points if len(points) == len(asked) > 1 else points.iloc[:0]

    def noise(self, method: str, columns: list[str], log: tuple[str, ...] = ()) -> tuple[NDArray, int, int]:
        """Covariance of a run's values over seeds at the selected settings, pooled over batch sizes; its degrees of
        freedom; the fewest seeds of a batch size."""
        here = self.selected[self.selected.method == method]
        values = here[columns].astype(float).assign(**{name: np.log(here[name]) for name in log})
        counts = here.groupby("batch_size").size()
        df, fewest = int((counts - 1).sum()), int(counts.min()) if len(counts) else 0
        if df < 1:
            return np.full((len(columns), len(columns)), math.nan), 0, fewest
        residuals = (values - values.groupby(here.batch_size).transform("mean")).to_numpy()
        return residuals.T @ residuals / df, df, fewest

    def rank_at_alignment(self, of: str, against: str, column: str) -> Estimate:
        """Mean difference of two curves of rank against log alignment, over the range of alignment that both reach.

        A curve joins a loss's settings at one batch size, each a mean over its seeds. The error is that of curves
        whose points are drawn anew with the noise of a run.
        """
        noises = {m: self.noise(m, ["z_alignment", column], log=("z_alignment",)) for m in (of, against)}
        rng = np.random.default_rng(0)
        seeds = max(1, min(seeds for _, _, seeds in noises.values()))
        differences, drawn, seen = [], [], False
        for size in self.results.sizes(self.dataset):
            curves = {method: self.curve(method, size, column) for method in (of, against)}
            if any(len(curve) < 2 for curve in curves.values()):
                continue
            seen = True
            if _overlap(*(curve.log_alignment.to_numpy() for curve in curves.values())) < self.book["least_overlap"]:
                continue
            points = [curve[["log_alignment", "rank"]].to_numpy() for curve in curves.values()]
            differences.append(_between(*points))
            if any(df < 1 for _, df, _ in noises.values()):
                continue
            moved = []
            for method, part in zip(curves, points, strict=True):
                shape = (self.book["draws"], len(part))
                errors = rng.multivariate_normal(np.zeros(2), noises[method][0], size=shape)
                moved.append(part + errors / np.sqrt(curves[method].seeds.to_numpy())[:, None])
            drawn.append([_between(*pair) for pair in zip(*moved, strict=True)])
        if not differences:
            missing = "the two losses do not reach the same alignment" if seen else "needs two settings of each loss"
            return Estimate(math.nan, seeds=seeds if seen else 0, note=missing)
        value, note = float(np.mean(differences)), self.share(len(differences))
        if not drawn:
            return Estimate(value, seeds=seeds, note=note)
        error = float(np.nanstd(np.mean(drawn, axis=0), ddof=1))
        return Estimate(value, error, min(df for _, df, _ in noises.values()), seeds, note)

    def curve(self, method: str, size: int, column: str) -> pd.DataFrame:
        """One row a setting: mean log alignment, mean rank, number of seeds; by rising alignment."""
        here = self.runs[(self.runs.method == method) & (self.runs.batch_size == size)]
        grouped = here.assign(log_alignment=np.log(here.z_alignment)).groupby("parameters")
        points = grouped.agg(log_alignment=("log_alignment", "mean"), rank=(column, "mean"), seeds=("seed", "size"))
        return points.sort_values("log_alignment")

    # Effects on rank in the trade_off part, where every setting has every seed.

    def decoupling(self, column: str) -> Estimate:
        """DHEL (mean) less DCL at equal weight and temperature."""
        table = self.trade_off_table(column, "loss")
        if not {"dhel-mean", "dcl"} <= set(table):
            return Estimate(math.nan)
        return _mean_effect(table["dhel-mean"] - table["dcl"])

    def weight(self, column: str) -> Estimate:
        """Energy weight 2 less 1 at equal loss and temperature."""
        table = self.trade_off_table(column, "weight")
        return _mean_effect(table[2.0] - table[1.0]) if {1.0, 2.0} <= set(table) else Estimate(math.nan)

    def temperature(self, column: str) -> Estimate:
        """Lowest less highest temperature at equal loss and energy weight."""
        table = self.trade_off_table(column, "temperature")
        return _mean_effect(table[min(table)] - table[max(table)]) if len(table.columns) > 1 else Estimate(math.nan)

    def trade_off_table(self, column: str, across: str) -> pd.DataFrame:
        """One row a seed and setting, one column for each value of `across`: loss, weight or temperature."""
        points = trade_off_points(self.results, self.trade_off)
        setting = [name for name in ("seed", "loss", "weight", "temperature") if name != across]
        return points.pivot(index=setting, columns=across, values=column)


def trade_off_points(results: Results, runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of the trade_off part with their loss (and form), energy weight (1 if not said) and temperature."""
    said = [dict(entry.split("=") for entry in text.split()) for text in runs.parameters]
    losses = [results.suite.methods[method]["loss"] for method in runs.method]
    return runs.assign(
        loss=[f"{loss}-{entry['form']}" if "form" in entry else loss for loss, entry in zip(losses, said, strict=True)],
        weight=[float(entry.get("energy_weight", 1)) for entry in said],
        temperature=[float(entry["temperature"]) for entry in said],
    )


def _differences(of: str, against: str, by_size: dict[int, float]) -> Weights:
    return {(method, m): s * w for m, w in by_size.items() for method, s in ((of, 1), (against, -1))}


def _mean_effect(effects: pd.Series) -> Estimate:
    """Mean over all settings of an effect with index (seed, ...), each setting a fixed effect."""
    table = effects.unstack("seed").T.dropna(axis=1, how="all")
    return contrast(table.to_numpy(float) / max(len(table.columns), 1))


def _overlap(first: NDArray, second: NDArray) -> float:
    return float(min(first.max(), second.max()) - max(first.min(), second.min()))


def _between(first: NDArray, second: NDArray) -> float:
    """Mean vertical distance of two curves through points (K, 2), over their common range; NaN if there is none."""
    first, second = (points[points[:, 0].argsort()] for points in (first, second))
    if _overlap(first[:, 0], second[:, 0]) <= 0:
        return math.nan
    low, high = max(first[0, 0], second[0, 0]), min(first[-1, 0], second[-1, 0])
    x = low + (high - low) * (np.arange(POINTS) + 0.5) / POINTS
    return float(np.mean(np.interp(x, *first.T) - np.interp(x, *second.T)))


def estimate(evidence: Evidence, statement: dict[str, Any], pair: tuple[str, ...]) -> tuple[Estimate, Weights]:
    """Estimate of a statement's statistic, with the weights of the contrast between selected settings it is, if any."""
    statistic, column = getattr(evidence, statement["statistic"]), statement["column"]
    if statement["statistic"] in ("level", "drop", "interaction"):
        weights, note = statistic(*pair)
        if not weights:
            return Estimate(math.nan, note=note), {}
        result = evidence.over_seeds(weights, column)
        return replace(result, note="; ".join(filter(None, [note, result.note]))), weights
    return statistic(*pair, column), {}


def is_testable(results: Results, dataset: str, statement: dict[str, Any], pair: tuple[str, ...], seeds: int) -> bool:
    """Whether the suite, once finished, has what the statement needs: batch sizes, grids, at least `seeds` seeds."""
    if not pair:
        return len(results.suite.config["trade_off"]["seeds"]) >= seeds
    if not set(pair) <= set(results.methods("losses", dataset)):
        return False
    sizes, statistic = results.sizes(dataset), statement["statistic"]
    if statistic in ("drop", "interaction") and len(sizes) < 2:
        return False
    grids = [len(results.suite.candidates(dataset, method, size)) for method in pair for size in sizes]
    if statistic in ("grid_mean", "grid_worst", "rank_at_alignment") and max(grids) < 2:
        return False
    return 1 + len(results.settings(dataset)["seeds"]["selected"]) >= seeds


def verdict(result: Estimate, adjusted: float, statement: dict[str, Any], alpha: float, minimum: int) -> str:
    """supported, contradicted, not distinguishable or not run."""
    if result.seeds == 0:
        return "not run"
    if result.seeds < minimum or not adjusted < alpha:
        return "not distinguishable"
    above = result.value > statement["threshold"]
    return "supported" if above == (statement["direction"] == "greater") else "contradicted"


def judge(results: Results, book: dict[str, Any]) -> pd.DataFrame:
    """One row a statement, pair of losses and data set. Verdicts come from Holm's p-values over all those that the
    suite can test, whether they have run yet or not."""
    alpha, suite, rows, judged = 1 - book["confidence"], results.suite, [], []
    for dataset in results.datasets:
        evidence, methods = Evidence(results, dataset, book), results.methods("losses", dataset)
        asked: list[tuple[dict[str, Any], tuple[str, ...], int]] = [
            (statement, tuple(pair), book["minimum_seeds"])
            for statement in book["statements"]
            for pair in book["pairs"]
        ]
        if dataset in results.datasets_of("trade_off"):
            extra = book["trade_off"]
            asked += [(statement, (), extra["minimum_seeds"]) for statement in extra["statements"]]
        for statement, pair, minimum in asked:
            names = dict(zip(("of", "against"), (_title(suite, method) for method in pair), strict=False))
            row = {key: statement[key] for key in ("claim", "id", "source", "unit", "direction", "threshold", "margin")}
            row |= {"dataset": dataset, "of": "", "against": ""}
            row |= dict(zip(("of", "against"), pair, strict=False))
            row |= {"statement": statement["text"].format(**names), "minimum_seeds": minimum}
            if set(pair) <= set(methods):
                result, weights = estimate(evidence, statement, pair)
            else:
                result, weights = Estimate(math.nan, note="not in this suite"), {}
            row |= _numbers(result, book, minimum, statement)
            if weights and not math.isnan(result.value):
                row["by_batch_size"] = evidence.by_size(pair, statement["column"])
                if statement["column"] == "test_accuracy":
                    row["images_low"], row["images_high"] = evidence.over_images(weights)
            rows.append(row)
            judged.append((result, statement, minimum, is_testable(results, dataset, statement, pair, minimum)))

    family = [k for k, (*_, testable) in enumerate(judged) if testable]
    for k, adjusted in zip(family, holm([rows[k]["p"] for k in family]), strict=True):
        rows[k]["p_holm"] = adjusted
    for row, (result, statement, minimum, _) in zip(rows, judged, strict=True):
        row["verdict"] = verdict(result, row.get("p_holm", math.nan), statement, alpha, minimum)
        row["note"] = "; ".join([*filter(None, [result.note]), *_remarks(row, result, minimum, book["confidence"])])
    rows += [
        {"claim": entry["claim"], "statement": entry["text"], "verdict": "by computation", "note": THEORY}
        for entry in book["theory"]
    ]
    return pd.DataFrame(rows).reindex(columns=COLUMNS).sort_values("claim", kind="stable")


COLUMNS = ["claim", "id", "dataset", "of", "against", "statement", "source", "unit", "direction", "threshold", "margin"]
COLUMNS += ["estimate", "low", "high", "df", "seeds", "minimum_seeds", "p", "p_holm", "blocked_low", "blocked_high"]
COLUMNS += ["images_low", "images_high", "by_batch_size", "equivalent", "verdict", "note"]


def _title(suite: Suite, method: str) -> str:
    return suite.title(method) if method in suite.methods else method


def _numbers(result: Estimate, book: dict[str, Any], minimum: int, statement: dict[str, Any]) -> dict[str, Any]:
    """Estimate, interval, p (only with enough seeds), and whether a difference of the margin is excluded."""
    level, enough = book["confidence"], result.seeds >= minimum
    low, high = result.interval(level)
    inner = result.interval(1 - 2 * (1 - level))  # two one-sided tests (Schuirmann 1987)
    away = [abs(end - statement["threshold"]) for end in inner]
    numbers: dict[str, Any] = {"estimate": result.value, "low": low, "high": high, "df": result.df}
    numbers |= {"seeds": result.seeds, "p": result.p_value(statement["threshold"]) if enough else math.nan}
    numbers["equivalent"] = bool(enough and max(away) < statement["margin"])
    if result.blocked is not None:
        numbers["blocked_low"], numbers["blocked_high"] = result.blocked.interval(level)
    return numbers


def _remarks(row: dict[str, Any], result: Estimate, minimum: int, level: float) -> list[str]:
    """What limits a verdict."""
    if math.isnan(result.value):
        return []
    if result.seeds < minimum:
        return [f"too few seeds: {result.seeds} of {minimum}"]
    remarks = []
    if not result.error > 0:
        return ["no spread between seeds to judge by"]
    if row["equivalent"]:
        remarks.append(f"the difference lies within ±{row['margin']:g} {row['unit']}")
    if row["verdict"] == "not distinguishable" and not row["low"] <= row["threshold"] <= row["high"]:
        remarks.append(f"p = {row['p']:.2g} alone, {row['p_holm']:.2g} among all statements")
    for name, what in (("blocked", "whole seeds"), ("images", "test images")):
        if row["verdict"] in ("supported", "contradicted"):
            low, high = row.get(f"{name}_low", math.nan), row.get(f"{name}_high", math.nan)
            if low <= row["threshold"] <= high:
                remarks.append(f"the {level:.0%} interval over {what} includes {row['threshold']:g}")
    return remarks


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--out", required=True, type=Path, help="file to write (claims.csv)")
    args = parser.parse_args()
    table = judge(Results(args.results, Suite.load(args.root, args.suite)), ledger())
    write_text(args.out, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    cli.run(main)
