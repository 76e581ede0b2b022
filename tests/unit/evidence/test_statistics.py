"""Statistics of results with known truth: intervals that cover it, and what a suite can tell at all."""

import math

import numpy as np
import pandas as pd
import pytest

from dhel_kcl.evidence.causes import planned
from dhel_kcl.evidence.dataset_runs import DatasetRuns, Pair
from dhel_kcl.evidence.statistics import OF_CAUSES, OF_PAIRS, STATISTICS, best_rates
from tests.synthetic import BOOK, STATEMENTS, effect, in_memory, small, suite_of, with_causes, with_rates

PAIR = Pair("dhel", "simclr")
RATED = ["grid_mean"]
"""Statistics that need a choice of learning rates."""


@pytest.fixture
def suite(tmp_path):
    return suite_of(tmp_path, with_rates)


def estimated(results, statement, pair):
    asked = STATEMENTS[statement]
    return asked.statistic.estimate(DatasetRuns(results, "digits", BOOK.rules), pair, asked.column)


def can_test(suite, statistic, pair, seeds):
    return STATISTICS[statistic].testable(suite, "digits", pair, seeds)


def by_setting(run, values):
    """Settings and learning rates differ in accuracy, on validation as well; at the worst setting DHEL leads by two
    points in test accuracy."""
    if "temperature" not in values:
        return {}
    place = [0.1, 0.3, 1.0].index(values["temperature"])
    slow = 4.0 * (values["learning_rate"] == 0.1)
    lead = 2.0 if run.method == "dhel" else 0.0
    return {
        "test_accuracy": [80.0, 70.0, 60.0][place] + lead * [0.5, 0.75, 1][place] - slow,
        "validation_accuracy": [82.0, 74.0, 66.0][place] - slow,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "truth", "value"),
    [("accuracy", effect("test_accuracy", 2.0), 2.0),
     ("small-batches", effect("test_accuracy", 2.0, at=16), 2.0),
     ("rank", effect("z_effective_rank", 2.0), 2.0),
     ("untuned", by_setting, 1.5),
     ("untuned", effect("test_accuracy", 1.0), 1.0),
     ("worst-setting", by_setting, 2.0),
     ("untuned-rate", by_setting, 1.5)],
)  # fmt: skip
def test_intervals_cover_the_truth(tmp_path, suite, statement, truth, value):
    """Of 100 simulated suites, 95 % intervals miss the truth in 1 to 12. 2 to 10 s."""
    noise, inside = {"test_accuracy": 0.5, "z_effective_rank": 0.5, "validation_accuracy": 0.5}, 0
    for seed in range(100):
        judged = estimated(in_memory(tmp_path, suite, truth, noise, seed), statement, PAIR)
        low, high = judged.result.interval(0.95)
        inside += low <= value <= high
    assert 88 <= inside <= 99


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["independent settings", "settings of a seed share noise"])
def test_intervals_of_causes_cover_the_truth(tmp_path, shared):
    """At equal rates and retuned. Rates are alike, so that noise on validation chooses them; what a seed shares, DCL
    gains and SimCLR loses. 5 s."""
    suite, inside = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4])), np.zeros(2)
    for seed in range(100):
        luck = shared * np.random.default_rng(seed + 1000).standard_normal(5)

        def truth(run, values, luck=luck):
            sign = {"dcl-c": 1, "simclr-c": -1}.get(run.method, 0) * (run.section == "causes")
            return {"z_effective_rank": 20 + sign * (1 + luck[run.seed % 5])}

        noise = {"z_effective_rank": 0.5, "validation_accuracy": 0.5}
        judged = estimated(in_memory(tmp_path, suite, truth, noise, seed), "positive", Pair())
        ends = [part.result.interval(0.95) for part in (judged, judged.retuned)]
        inside += [low <= 2 <= high for low, high in ends]
    assert (inside >= 88).all()
    assert (inside <= 99).all()


def test_causes_that_a_suite_cannot_tell_apart_do_not_count_in_the_family(tmp_path):
    def one_form(content):
        with_causes([0, 1, 2, 3, 4])(content)
        content["causes"]["losses"]["dhel-c"]["form"] = "sum"

    suite = suite_of(tmp_path, one_form)
    assert [name for name in OF_CAUSES if can_test(suite, name, Pair(), 5)] == ["positive", "temperature"]
    assert not can_test(suite, "temperature", Pair(), 6), "five seeds"


def test_the_sum_is_the_mean_with_twice_the_weight_whatever_its_entry(tmp_path):
    """And points of one training whose seeds stand under two names are one point."""

    def apart(content):
        with_causes([0, 1, 2])(content)
        losses, mean = content["causes"]["losses"], content["causes"]["losses"].pop("dhel-c")
        losses["dhel-mean-c"] = mean | {"form": "mean", "energy_weight": [1.0, 2.0]}
        losses["dhel-sum-c"] = mean | {"form": "sum", "seeds": [3, 4, 5]}
        losses["dcl-more"] = losses["dcl-c"] | {"temperature": [0.1], "seeds": [3, 4, 5]}

    table = planned(suite_of(tmp_path, apart), "digits")
    sums = table[table.method == "dhel-sum-c"]
    assert set(zip(sums.loss, sums.weight, strict=True)) == {("dhel-mean", 2.0)}
    assert set(sums.point) <= set(table[table.method == "dhel-mean-c"].point)
    assert set(table[table.method == "dcl-more"].point) < set(table[table.method == "dcl-c"].point)


def test_seeds_of_both_sides_count(tmp_path):
    """More seeds of two losses at one temperature: that setting has them all, and so has the mean."""

    def more(content):
        with_causes([0, 1, 2, 3, 4])(content)
        for name in ("simclr-c", "dcl-c"):
            further = {"temperature": [0.1], "seeds": [5, 6, 7]}
            content["causes"]["losses"][f"{name}-more"] = content["causes"]["losses"][name] | further

    suite = suite_of(tmp_path, more)
    judged = estimated(
        in_memory(tmp_path, suite, lambda run, values: {}, {"z_effective_rank": 1.0}, 0), "positive", Pair()
    )
    assert {name: each.seeds for name, each in judged.components.items()} == {"τ = 0.1": 8, "τ = 0.5": 5}
    assert judged.result.seeds == judged.retuned.result.seeds == 5
    assert 4 < judged.result.df < 7
    assert can_test(suite, "positive", Pair(), 5)
    assert not can_test(suite, "positive", Pair(), 6)


def test_other_learning_rates_on_one_side_are_named(tmp_path):
    def other(content):
        with_causes([0, 1, 2, 3, 4])(content)
        content["causes"]["losses"]["dcl-c"]["learning_rate"] = [0.1, 0.3, 1.0]

    suite = suite_of(tmp_path, other)
    results = in_memory(tmp_path, suite, lambda run, values: {}, {"z_effective_rank": 1.0}, 0)
    judged = estimated(results, "positive", Pair())
    assert judged.hindrances == ("unequal learning rates at τ = 0.1; τ = 0.5",)
    assert not can_test(suite, "positive", Pair(), 5)


def test_statements_on_causes_are_about_the_usual_length(tmp_path):
    """That of the suite's training, whether an entry says it or not."""

    def other(content):
        with_causes([0, 1, 2, 3, 4])(content)
        content["training"]["epochs"] = 15
        content["causes"]["losses"]["dcl-c"]["epochs"] = [4, 15, 40]
        content["causes"]["losses"]["dhel-c"]["epochs"] = [4, 15, 40]

    def truth(run, values):
        return {"z_effective_rank": 20 + (run.method == "dhel-c") * values.get("epochs", 0)}

    suite = suite_of(tmp_path, other)
    results = in_memory(tmp_path, suite, truth, {"z_effective_rank": 0.1}, 0)
    assert estimated(results, "cross-view", Pair()).result.value == pytest.approx(15, abs=0.2)
    used = STATEMENTS["positive"].statistic.used(DatasetRuns(results, "digits", BOOK.rules), Pair())
    assert set(used.epochs) == {15}
    assert len(used) == 2 * 2 * 2 * 5, "sides, temperatures, rates, seeds"


def test_what_a_suite_can_tell_follows_from_its_config(tmp_path, suite):
    assert all(can_test(suite, name, PAIR, 5) for name in OF_PAIRS)
    assert not any(can_test(suite, name, PAIR, 6) for name in ("level", "interaction")), "five final seeds"
    assert not any(can_test(suite, name, PAIR, 12) for name in OF_PAIRS), "ten seeds of the grid's length, and one"
    assert not any(can_test(suite, name, Pair("dhel", "dcl"), 1) for name in OF_PAIRS), "no such loss"
    assert not any(can_test(suite, name, Pair(), 5) for name in OF_CAUSES), "no such section"
    unrated = suite_of(tmp_path / "unrated", small)
    assert [name for name in OF_PAIRS if not can_test(unrated, name, PAIR, 5)] == RATED

    def fixed(content):
        small(content)
        content["batch_sizes"] = [16]
        content["losses"] = {name: entry | {"temperature": 0.3} for name, entry in content["losses"].items()}

    without = suite_of(tmp_path / "fixed", fixed)
    assert [name for name in OF_PAIRS if can_test(without, name, PAIR, 5)] == ["level"]

    def one_setting(content):
        with_rates(content)
        content["losses"] = {name: entry | {"temperature": 0.3} for name, entry in content["losses"].items()}

    rates_alone = suite_of(tmp_path / "rates", one_setting)
    assert [name for name in OF_PAIRS if can_test(rates_alone, name, PAIR, 5)] == ["level", "interaction"]
    found = estimated(in_memory(tmp_path, rates_alone, lambda run, values: {}, {}, 0), "untuned-rate", PAIR)
    assert found.note == "one setting in the grid"
    assert math.isnan(found.result.value)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statistic_says_that_there_is_nothing_to_judge(tmp_path, statement):
    """One shape for all: an estimate without a value, of a suite of which nothing has run."""
    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    results = in_memory(tmp_path, suite, lambda run, values: {}, {}, 0)
    vars(results)["runs"] = results.runs.iloc[:0]
    judged = estimated(results, statement, PAIR if STATEMENTS[statement] in BOOK.of_pairs else Pair())
    assert np.isnan(judged.result.value)
    assert (judged.result.seeds, judged.components, judged.hindrances) == (0, {}, ())


def test_each_setting_of_a_grid_counts_at_its_best_rate():
    points = pd.DataFrame(
        {"parameters": ["temperature=0.1 learning_rate=0.1", "temperature=0.1 learning_rate=0.3",
                        "temperature=0.5 learning_rate=0.1", "temperature=0.5 learning_rate=0.3"],
         "validation_accuracy": [70.0, 80.0, 60.0, 60.0],
         "validation_cross_entropy": [1.0, 1.0, 2.0, 1.0]}
    )  # fmt: skip
    assert best_rates(points).index.tolist() == [1, 3]


@pytest.mark.parametrize("statistic", OF_PAIRS)
def test_the_planned_error_is_that_of_simulated_suites(tmp_path, suite, statistic):
    """By its standard deviation over 60 of them, within 30 %."""
    planned = STATISTICS[statistic].planned(suite, "digits", PAIR, lambda size: 0.5)
    noise, values = {"test_accuracy": 0.5, "validation_accuracy": 0.5}, []
    for seed in range(60):
        runs = DatasetRuns(in_memory(tmp_path, suite, lambda run, values: {}, noise, seed), "digits", BOOK.rules)
        judged = STATISTICS[statistic].estimate(runs, PAIR, "test_accuracy")
        values.append(judged.result.value)
    assert np.std(values) == pytest.approx(planned.error, rel=0.3)
    assert judged.result.df == pytest.approx(planned.df, rel=0.5)
    assert judged.result.error == pytest.approx(planned.error, rel=0.6)
    assert math.isclose(planned.value, 0.0)
