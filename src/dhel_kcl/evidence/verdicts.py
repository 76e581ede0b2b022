"""Step 7: what a suite's results say about each claim of the paper: estimate, interval and verdict.

The statements, with their statistics, signs, thresholds and margins, are data: claims.yaml in this package. Each
is judged on each data set from the tidy tables alone; docs/claims.md says how. Writes one CSV.

Example:
    python -m dhel_kcl.evidence.verdicts --root . --suite digits --results results/digits --out results/digits/claims.csv
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from dhel_kcl.evidence import trade_off
from dhel_kcl.evidence.estimates import Estimate, contrast, holm, image_interval, satterthwaite
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.files import write_text
from dhel_kcl.study.suite import Suite

LEDGER = Path(__file__).with_name("claims.yaml")
BORROWED = "one seed a grid point, noise of the selected settings"
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
        if not sizes:
            seeds = min(len(self.cells[key]) for key in weights)
            return Estimate(math.nan, seeds=seeds, note="the same runs on both sides: nothing to compare")
        parts = {}
        for size in sizes:
            terms = [weight * self.cells[key][column] for key, weight in weights.items() if key[1] == size and weight]
            parts[size] = pd.concat(terms, axis=1, join="inner").sum(axis=1, skipna=False)
        table = pd.DataFrame(parts)
        fresh = table.drop(index=self.results.settings(self.dataset).seeds.grid, errors="ignore")
        return replace(contrast(table.to_numpy(float)), fresh=contrast(fresh.to_numpy(float)))

    def by_size(self, pair: tuple[str, ...], column: str) -> dict[str, Estimate]:
        """Differences at each batch size, to read beside a contrast of them."""
        of, against = pair
        sizes = self.sizes(of, against)
        return {f"M = {m}": self.over_seeds(_differences(of, against, {m: 1.0}), column) for m in sizes}

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
        note = "; ".join(filter(None, [self.share(len(differences)), BORROWED]))
        return Estimate(float(np.mean(differences)), math.sqrt(sum(variances)), df, seeds, note)

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
        value, note = float(np.mean(differences)), "; ".join(filter(None, [self.share(len(differences)), BORROWED]))
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

    # Effects in the trade_off part.

    def decoupling(self, column: str) -> pd.DataFrame:
        """DHEL (mean) less DCL at equal weight and temperature."""
        return trade_off.effects(self.results, self.dataset, column, "loss", "dhel-mean", "dcl")

    def weight(self, column: str) -> pd.DataFrame:
        """Energy weight 2 less 1 at equal loss and temperature."""
        return trade_off.effects(self.results, self.dataset, column, "weight", 2.0, 1.0)

    def temperature(self, column: str) -> pd.DataFrame:
        """Lowest less highest temperature at equal loss and energy weight."""
        asked = trade_off.planned(self.results.suite, self.dataset).temperature
        return trade_off.effects(self.results, self.dataset, column, "temperature", asked.min(), asked.max())


def _differences(of: str, against: str, by_size: dict[int, float]) -> Weights:
    return {(method, m): s * w for m, w in by_size.items() for method, s in ((of, 1), (against, -1))}


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


@dataclass
class Judged:
    """A statement's estimate; the parts that it averages or compares; the weights of the contrast it is, if any."""

    result: Estimate
    parts: dict[str, Estimate] = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)


def estimate(evidence: Evidence, statement: dict[str, Any], pair: tuple[str, ...]) -> Judged:
    """Estimate of a statement's statistic."""
    statistic, column = getattr(evidence, statement["statistic"]), statement["column"]
    if not pair:
        effects = statistic(column)
        result = trade_off.mean_effect(effects)
        if math.isnan(result.value):
            return Judged(result)
        by_setting = effects.dropna().mean()
        note = f"from {by_setting.min():+.2f} to {by_setting.max():+.2f} by setting"
        return Judged(replace(result, note=note), trade_off.by_factor(effects, statement["by"]))
    if statement["statistic"] in ("level", "drop", "interaction"):
        weights, note = statistic(*pair)
        if not weights:
            return Judged(Estimate(math.nan, note=note))
        result = evidence.over_seeds(weights, column)
        result = replace(result, note="; ".join(filter(None, [note, result.note])))
        return Judged(result, evidence.by_size(pair, column), weights)
    return Judged(statistic(*pair, column))


def is_testable(evidence: Evidence, statement: dict[str, Any], pair: tuple[str, ...], seeds: int) -> bool:
    """Whether the suite, once finished, has what the statement needs: batch sizes, grids, at least `seeds` seeds."""
    results, dataset = evidence.results, evidence.dataset
    if not pair:
        return len(getattr(evidence, statement["statistic"])(statement["column"])) >= seeds
    if not set(pair) <= set(results.methods("losses", dataset)):
        return False
    sizes, statistic = results.sizes(dataset), statement["statistic"]
    if statistic in ("drop", "interaction") and len(sizes) < 2:
        return False
    grids = [len(results.suite.candidates(dataset, method, size)) for method in pair for size in sizes]
    if statistic in ("grid_mean", "grid_worst", "rank_at_alignment") and max(grids) < 2:
        return False
    return 1 + len(results.settings(dataset).seeds.selected) >= seeds


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
                found = estimate(evidence, statement, pair)
            else:
                found = Judged(Estimate(math.nan, note="not in this suite"))
            row |= _numbers(found.result, book, minimum, statement)
            known = {name: part for name, part in found.parts.items() if not math.isnan(part.value)}
            row["parts"] = "; ".join(f"{name}: {part.value:+.2f}" for name, part in known.items())
            if found.weights and not math.isnan(found.result.value) and statement["column"] == "test_accuracy":
                row["images_low"], row["images_high"] = evidence.over_images(found.weights)
            rows.append(row)
            judged.append((found, statement, minimum, is_testable(evidence, statement, pair, minimum)))

    family = [k for k, (*_, testable) in enumerate(judged) if testable]
    for p in ("p", "blocked_p"):
        for k, adjusted in zip(family, holm([rows[k][p] for k in family]), strict=True):
            rows[k][f"{p}_holm"] = adjusted
    for row, (found, statement, minimum, _) in zip(rows, judged, strict=True):
        result = found.result
        row["verdict"] = verdict(result, row.get("p_holm", math.nan), statement, alpha, minimum)
        notes = [*filter(None, [result.note]), *_remarks(row, found, statement, minimum, book["confidence"])]
        row["note"] = "; ".join(notes)
        if result.blocked is None:  # in the family above, but no other p than the first
            row["blocked_p_holm"] = math.nan
    return pd.DataFrame(rows).reindex(columns=COLUMNS).sort_values("claim", kind="stable")


COLUMNS = ["claim", "id", "dataset", "of", "against", "statement", "source", "unit", "direction", "threshold", "margin"]
COLUMNS += ["estimate", "low", "high", "df", "seeds", "minimum_seeds", "p", "p_holm", "parts", "equivalent"]
COLUMNS += ["blocked_low", "blocked_high", "blocked_p_holm", "fresh_estimate", "fresh_low", "fresh_high"]
COLUMNS += ["images_low", "images_high", "verdict", "note"]


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
    blocked = result.blocked or result
    numbers["blocked_p"] = blocked.p_value(statement["threshold"]) if enough else math.nan
    if result.blocked is not None:
        numbers["blocked_low"], numbers["blocked_high"] = result.blocked.interval(level)
    if result.fresh is not None:
        numbers["fresh_estimate"] = result.fresh.value
        numbers["fresh_low"], numbers["fresh_high"] = result.fresh.interval(level)
    return numbers


def _remarks(row: dict[str, Any], found: Judged, statement: dict[str, Any], minimum: int, level: float) -> list[str]:
    """What limits a verdict."""
    result = found.result
    if math.isnan(result.value):
        return []
    if result.seeds < minimum:
        return [f"too few seeds: {result.seeds} of {minimum}"]
    if not result.error > 0:
        return ["no spread between seeds to judge by"]
    remarks = []
    if statement["statistic"] not in ("drop", "interaction"):  # the others average their parts
        opposite = [name for name, part in found.parts.items() if _against(part, result, row["threshold"], level)]
        remarks += [f"the opposite at {', '.join(opposite)}"] if opposite else []
    if row["equivalent"]:
        remarks.append(f"the {2 * level - 1:.0%} interval lies within ±{row['margin']:g} {row['unit']}")
    if row["verdict"] == "not distinguishable" and not row["low"] <= row["threshold"] <= row["high"]:
        remarks.append(f"p = {row['p']:.2g} alone, {row['p_holm']:.2g} among all statements")
    p_holm = row.get("blocked_p_holm", math.nan)
    if math.isnan(p_holm) and not math.isnan(row.get("p_holm", math.nan)):
        remarks.append("no two seeds were run at every batch size")
    elif (ruled := verdict(result, p_holm, statement, 1 - level, minimum)) != row["verdict"]:
        remarks.append(f"with whole seeds as the unit {ruled} (p = {p_holm:.2g})")
    if row["verdict"] in ("supported", "contradicted"):
        low, high = row.get("images_low", math.nan), row.get("images_high", math.nan)
        if low <= row["threshold"] <= high:
            remarks.append(f"the {level:.0%} interval over test images includes {row['threshold']:g}")
    return remarks


def _against(part: Estimate, whole: Estimate, threshold: float, level: float) -> bool:
    """Whether a part lies, by its own interval, on the other side of the threshold than the whole."""
    low, high = part.interval(level)
    return high < threshold < whole.value or whole.value < threshold < low


def main() -> None:
    parser = cli.suite_parser(__doc__)
    parser.add_argument("--out", required=True, type=Path, help="file to write (claims.csv)")
    args = parser.parse_args()
    table = judge(Results(args.results, Suite.load(args.root, args.suite)), ledger())
    write_text(args.out, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    cli.run(main)
