"""Verdicts on results with known truth: nothing but the results decides them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dhel_kcl.evidence import verdicts
from dhel_kcl.evidence.estimates import Estimate
from dhel_kcl.evidence.tidy import Results, pack, where
from dhel_kcl.evidence.verdicts import both_differ, family_size
from tests.synthetic import (
    BOOK,
    PRESENT,
    STATEMENTS,
    effect,
    in_memory,
    planned,
    results_of,
    small,
    suite_of,
    with_causes,
    with_rates,
    write,
)

STEPS = [statement.id for statement in BOOK.of_causes]
EXPLORATORY = {statement.id for statement in BOOK.statements if statement.kind == "exploratory"}


@pytest.fixture
def suite(tmp_path):
    return suite_of(tmp_path, small)


def judge(results, book=BOOK, present=PRESENT):
    return verdicts.judge(results, book, present)


def ruled(results, statement, book=BOOK, pair=("dhel", "simclr"), present=PRESENT):
    """The ledger's row of a statement and pair of losses."""
    table = judge(results, book, present)
    rows = table[(table.id == statement) & ((table.of == pair[0]) & (table.against == pair[1]) | (table.of == ""))]
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("size", "expected"), [(2.0, "supported"), (-2.0, "contradicted"), (0.0, "not distinguishable")]
)
@pytest.mark.parametrize(
    ("statement", "column"),
    [("accuracy", "test_accuracy"), ("untuned", "test_accuracy"), ("worst-setting", "test_accuracy"),
     ("untuned-rate", "test_accuracy"), ("rank", "z_effective_rank"), ("rank-features", "h_effective_rank")],
)  # fmt: skip
def test_a_planted_effect_is_found_with_its_sign(tmp_path, statement, column, size, expected):
    results = results_of(tmp_path / "results", suite_of(tmp_path, with_rates), effect(column, size), {column: 0.3})
    row = ruled(results, statement)
    assert row.verdict == expected
    assert row.low < size < row.high
    assert row.seeds >= 5
    if size == 0:
        assert row.p_holm > 0.05
        assert row.equivalent
        margin = next(each.margin for each in BOOK.statements if each.id == statement)
        assert f"the 90% interval lies within ±{margin:g}" in row.note


@pytest.mark.parametrize(("size", "expected"), [(2.0, "supported"), (-2.0, "contradicted")])
def test_the_smallest_batch_decides_on_robustness_to_batch_size(tmp_path, suite, size, expected):
    results = results_of(tmp_path / "r", suite, effect("test_accuracy", size, at=16), {"test_accuracy": 0.2})
    row = ruled(results, "small-batches")
    assert row.verdict == expected
    assert row.low < size < row.high
    assert row.statement.startswith("at equal epochs the lead of DHEL over SimCLR")


def test_few_seeds_give_no_verdict_however_large_the_effect(tmp_path):
    """The seed that selected a setting is not among them."""

    def four(content):
        small(content)
        content["seeds"]["selected"] = [1, 2, 3, 4]

    suite = suite_of(tmp_path, four)
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 50.0), {"test_accuracy": 0.1})
    row = ruled(results, "accuracy")
    assert row.verdict == "no verdict"
    assert "too few seeds: 4 of 5" in row.note
    assert np.isnan(row.p)


def test_equal_seeds_are_no_certainty(tmp_path, suite):
    row = ruled(results_of(tmp_path / "results", suite, effect("test_accuracy", 1.0), {}), "accuracy")
    assert row.estimate == pytest.approx(1.0)
    assert row.verdict == "no verdict"
    assert "no spread between seeds" in row.note


def test_what_was_not_run_is_not_judged(tmp_path, suite):
    results = results_of(tmp_path / "results", suite, without=lambda run: run.method == "dhel")
    table = judge(results)
    assert table.estimate.isna().all()
    assert set(table.verdict) == {"not run"}
    assert "not in this suite" in ruled(results, "accuracy", pair=("kcl-log", "dcl")).note


@pytest.mark.parametrize(
    ("missing", "statements"),
    [(lambda run: run.batch_size == 16, ("accuracy", "untuned")),
     (lambda run: (run.method, run.batch_size, run.role) == ("dhel", 16, "selected"), ("accuracy", "rank"))],
    ids=["a batch size", "one loss there"],
)  # fmt: skip
def test_a_missing_arm_gives_no_verdict_and_is_named(tmp_path, suite, missing, statements):
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 3.0), without=missing)
    for statement in statements:
        row = ruled(results, statement)
        assert row.verdict == "no verdict"
        assert "DHEL and SimCLR have not both run at M = 16" in row.note
        assert row.components.startswith("M = 64: ")
        assert np.isnan(row.p)
    assert ruled(results, "small-batches").verdict == "not run"


def test_the_grids_of_two_losses_must_have_as_many_points(tmp_path):
    def unequal(content):
        with_rates(content)
        content["losses"]["dhel"]["learning_rate"] = [0.1]

    results = results_of(tmp_path / "results", suite_of(tmp_path, unequal), effect("test_accuracy", 9.0))
    for statement in ("accuracy", "small-batches", "untuned", "rank"):
        row = ruled(results, statement)
        assert row.verdict == "no verdict"
        assert "unequal grids: DHEL has 3 points of 3 settings, SimCLR has 6 points of 3 settings" in row.note
    assert judge(results).p_holm.isna().all()


def test_pending_statements_count_in_the_family(tmp_path):
    """So that a verdict on half a suite cannot be lost by finishing it for this reason alone."""

    def later(run):
        return run.role == "grid" and run.setting.values["temperature"] != 0.1

    suite = suite_of(tmp_path, with_rates)
    half = results_of(tmp_path / "half", suite, effect("test_accuracy", 1.0), without=later)
    assert ruled(half, "untuned-rate").verdict == "not run"
    row, table = ruled(half, "accuracy"), judge(half)
    assert row.p == table.p.min()
    assert row.tests == len(BOOK.of_pairs) == family_size(suite, BOOK, "exploratory")
    assert row.p_holm == pytest.approx(min(1.0, row.tests * row.p))


@pytest.mark.parametrize(
    "missing",
    [lambda run: run.method == "supervised" and run.seed == 2,
     lambda run: (run.section, run.method, run.batch_size, run.seed) == ("final", "dhel", 16, 14)],
    ids=["a floor", "a judged seed of one loss"],
)  # fmt: skip
def test_a_planned_suite_has_no_verdict_before_all_its_runs_are_there(tmp_path, missing):
    """Others have, of what there is, and say that it is not all."""

    def six(content):
        with_rates(content)
        content["final"]["seeds"] = [10, 11, 12, 13, 14, 15]

    truth, note = effect("test_accuracy", 2.0), "the suite is not finished: 1 of 75 runs are missing"
    for name, change, expected in (("planned", planned(six), {"no verdict"}), ("other", six, {"supported"})):
        suite = suite_of(tmp_path / name, change)
        assert ruled(results_of(tmp_path / name / "all", suite, truth), "accuracy").verdict == "supported"
        table = judge(results_of(tmp_path / name / "results", suite, truth, without=missing))
        assert set(table[table.id == "accuracy"].verdict) - {"not run"} == expected
        assert table[table.verdict != "not run"].note.str.contains(note).all()


@pytest.mark.parametrize("column", ["test_accuracy", "validation_accuracy", "validation_cross_entropy"])
@pytest.mark.parametrize(
    ("rows", "statement"), [({"role": "grid"}, "untuned-rate"), ({"role": "final", "seed": 12}, "accuracy")]
)
def test_a_value_that_is_no_number_gives_no_verdict(tmp_path, column, rows, statement):
    """Else the mean over the others would be taken for that over all."""
    results = results_of(tmp_path / "results", suite_of(tmp_path, with_rates), effect("test_accuracy", 3.0))
    assert ruled(results, statement).verdict == "supported"
    results.runs.loc[where(results.runs, method="dhel", **rows).index[0], column] = np.nan
    row = ruled(results, statement)
    assert row.verdict == "no verdict"
    assert "values that are no numbers in 1 of " in row.note


def test_exploratory_statements_are_a_family_of_their_own(tmp_path):
    suite = suite_of(tmp_path, planned(with_rates))
    table = judge(results_of(tmp_path / "results", suite, effect("test_accuracy", 1.0)))
    tests = table.dropna(subset="tests").groupby("id").tests.first()
    assert set(tests[sorted(EXPLORATORY)]) == {4} == {family_size(suite, BOOK, "exploratory")}
    assert set(tests.drop(sorted(EXPLORATORY))) == {3}


def test_all_statements_of_a_suite_that_was_not_planned_are_one_family(tmp_path):
    """Those declared confirmatory too, which a planned suite corrects among fewer."""
    suite = suite_of(tmp_path, with_rates)
    table = judge(results_of(tmp_path / "results", suite, effect("test_accuracy", 1.0))).dropna(subset="tests")
    assert set(table.tests) == {7} == {family_size(suite, BOOK, "exploratory")}
    assert family_size(suite, BOOK, "confirmatory") == 0
    assert table.p_holm.min() == pytest.approx(7 * table.p.min())


def test_statements_that_a_suite_cannot_test_do_not_count_in_the_family(tmp_path):
    def fixed(content):
        small(content)
        content["batch_sizes"] = [16]
        content["losses"] = {name: entry | {"temperature": 0.3} for name, entry in content["losses"].items()}

    table = judge(results_of(tmp_path / "results", suite_of(tmp_path, planned(fixed)), effect("test_accuracy", 1.0)))
    tested = table[table.p.notna()]
    assert set(tested.id) == {"accuracy", "rank"}, "one batch size and one setting; ranks of h without noise"
    smallest = tested.p.min()
    assert tested.p_holm.min() == pytest.approx(2 * smallest)


@pytest.mark.parametrize("statement", ["untuned", "worst-setting"])
def test_a_batch_size_with_one_seed_leaves_the_grid_without_a_verdict(tmp_path, suite, statement):
    """The others have all six, and an effect that is plain with them."""

    def one_seed(run):
        return run.role == "selected" and run.batch_size == 64

    truth, noise = effect("test_accuracy", 3.0), {"test_accuracy": 0.3}
    assert ruled(results_of(tmp_path / "all", suite, truth, noise), statement).verdict == "supported"
    row = ruled(results_of(tmp_path / "fewer", suite, truth, noise, without=one_seed), statement)
    assert (row.verdict, row.seeds) == ("no verdict", 1)
    assert "too few seeds: 1 of 5" in row.note


def causes_alone(content):
    with_causes([0, 1, 2, 3, 4])(content)
    for key in ("losses", "batch_sizes", "seeds", "floors"):
        del content[key]


NULL = {"test_accuracy": 0.5, "z_effective_rank": 0.5, "h_effective_rank": 0.5, "validation_accuracy": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize("config", [with_rates, causes_alone], ids=["main", "causes"])
def test_few_families_without_an_effect_have_any_verdict(tmp_path, config):
    """Of 100 simulated suites, each with all statements, 5 are expected to have one or more. 10 to 30 s."""
    suite, wrong = suite_of(tmp_path, planned(config)), 0
    for seed in range(100):
        table = judge(in_memory(tmp_path, suite, lambda run, values: {}, NULL, seed))
        confirmatory = table[~table.id.isin(EXPLORATORY)]
        wrong += confirmatory.verdict.isin(["supported", "contradicted", "mixed"]).any()
    assert wrong <= 12


def test_the_worst_setting_is_the_worst_on_validation(tmp_path, suite):
    """The worst of DHEL has the higher accuracy than SimCLR's, though its best has the lower."""

    def truth(run, values):
        temperature = values.get("temperature", 0.1)
        better = (temperature == 1.0) == (run.method == "dhel")
        return {"test_accuracy": 81.0 if better else 80.0, "validation_accuracy": 90 - 5 * temperature}

    row = ruled(results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.2}), "worst-setting")
    assert row.verdict == "supported"
    assert row.low < 1 < row.high
    assert "one seed a grid point, noise of the selected settings" in row.note


def test_the_best_rate_of_each_setting_counts_where_rates_are_tuned(tmp_path):
    """At the other rate DHEL fails, which the whole grid sees and the tuned one does not."""

    def truth(run, values):
        fails = run.method == "dhel" and values.get("learning_rate") == 0.3
        return {"test_accuracy": 70.0 if fails else 80.0, "validation_accuracy": 70.0 if fails else 80.0}

    results = results_of(tmp_path / "results", suite_of(tmp_path, with_rates), truth, {"test_accuracy": 0.2})
    assert ruled(results, "untuned").equivalent
    assert ruled(results, "worst-setting").verdict == "not distinguishable"
    row = ruled(results, "untuned-rate")
    assert row.verdict == "contradicted"
    assert row.estimate == pytest.approx(-5, abs=0.5)


@pytest.mark.parametrize(
    ("at_64", "expected"), [(-2.0, "mixed"), (-0.1, "supported"), (5.0, "supported")], ids=["opposite", "none", "same"]
)
def test_an_average_that_hides_opposite_effects_is_mixed(tmp_path, suite, at_64, expected):
    def truth(run, values):
        return effect("z_effective_rank", {16: 5.0, 64: at_64}[run.batch_size])(run, values)

    row = ruled(results_of(tmp_path / "results", suite, truth, {"z_effective_rank": 0.2}), "rank")
    assert row.verdict == expected
    assert ("above at M = 16; below at M = 64" in row.note) == (expected == "mixed")
    alone = "by 95% intervals each above at M = 16 and below at M = 64, though not by such for all at once"
    beyond = "the 90% interval lies within ±4 dimensions, outside of which are the estimates at M = 16"
    assert [text in row.note for text in (alone, beyond)] == [at_64 == -0.1] * 2
    assert [entry.split(":")[0] for entry in row.components.split("; ")] == ["M = 16", "M = 64"]


@pytest.mark.slow
def test_effects_on_one_side_seldom_look_mixed(tmp_path, suite):
    """Of 200 suites with an effect at one batch size and none at the other, at most 2.5 % are expected to."""

    def truth(run, values):
        return effect("z_effective_rank", 3.0, at=16)(run, values)

    book, noise = replace(BOOK, statements=(STATEMENTS["rank"],)), {"z_effective_rank": 0.5}
    found = [ruled(in_memory(tmp_path, suite, truth, noise, seed), "rank", book).verdict for seed in range(200)]
    assert found.count("mixed") <= 12


def test_the_seed_that_selected_a_setting_is_not_judged(tmp_path, suite):
    """Seed 0 is lucky for DHEL, and alone."""

    def truth(run, values):
        return effect("test_accuracy", 5.0 if run.role == "grid" else 0.0)(run, values)

    row = ruled(results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.01}), "accuracy")
    assert row.estimate == pytest.approx(0, abs=0.1)
    assert row.seeds == 5


def test_the_final_length_is_judged_where_there_is_one(tmp_path):
    def truth(run, values):
        return effect("test_accuracy", 2.0 if run.role == "final" else -3.0)(run, values)

    results = results_of(tmp_path / "results", suite_of(tmp_path, with_rates), truth, {"test_accuracy": 0.2})
    row = ruled(results, "accuracy")
    assert row.verdict == "supported"
    assert row.estimate == pytest.approx(2, abs=0.5)
    assert row.short_low < row.short_estimate < row.short_high < 0
    assert "at the grid's length" in row.note
    assert ruled(results, "untuned").estimate == pytest.approx(-3, abs=0.5), "the grid has its own"


def test_a_verdict_that_treats_batch_sizes_as_independent_says_when_whole_seeds_would_not_give_it(tmp_path, suite):
    """What a seed does to DHEL is the same at both batch sizes, so there are five differences and not ten."""
    shared = dict(enumerate([0.0, 0.0, 1.2, 2.2, 1.1, 0.2]))

    def truth(run, values):
        return effect("test_accuracy", shared.get(run.seed, 0.0))(run, values)

    table = judge(results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.01}))
    row = table[(table.id == "accuracy") & (table.of == "dhel") & (table.against == "simclr")].iloc[0]
    assert (row.blocked_low, row.blocked_high) != (row.low, row.high)
    assert row.blocked_p_holm > row.p_holm
    assert np.isnan(table.blocked_p_holm[table.id == "untuned"]).all(), "its settings have one seed"
    book = replace(BOOK, statements=(STATEMENTS["accuracy"],))
    alone = ruled(results_of(tmp_path / "alone", suite, truth, {"test_accuracy": 0.01}), "accuracy", book)
    assert alone.verdict == "supported"
    assert "with whole seeds as the unit not distinguishable" in alone.note


def test_where_batch_sizes_share_no_seeds_it_is_said(tmp_path):
    suite = suite_of(tmp_path, lambda content: (small(content), content.update(seeds={"selected": list(range(1, 13))})))
    apart = lambda run: run.role == "selected" and (run.batch_size == 16) == run.seed % 2  # noqa: E731
    row = ruled(results_of(tmp_path / "results", suite, effect("test_accuracy", 3.0), without=apart), "accuracy")
    assert row.verdict == "supported"
    assert "no two seeds were run at every batch size" in row.note


def by_step(positive=0.0, cross_view=0.0, weight=0.0, temperature=0.0):
    """Rank by the steps from SimCLR to DHEL's sum, each with its effect."""

    def truth(run, values):
        if run.section != "causes":
            return {}
        steps = {"simclr-c": 0, "dcl-c": 1, "dhel-c": 2}[run.method] + (values.get("form") == "sum")
        rank = 20 + sum([positive, cross_view, weight][:steps])
        return {"z_effective_rank": rank + temperature * (values["temperature"] == 0.1)}

    return truth


NOISE = {"z_effective_rank": 0.3, "validation_accuracy": 0.5}


def test_each_step_has_its_own_effect(tmp_path):
    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    results = results_of(tmp_path / "results", suite, by_step(2.0, -3.0, 0.0, 5.0), NOISE)
    rows = {name: ruled(results, name) for name in STEPS}
    assert [rows[name].verdict for name in ("positive", "cross-view", "temperature")] == [
        "supported", "contradicted", "supported"
    ]  # fmt: skip
    assert rows["weight"].verdict == "not distinguishable"
    assert rows["weight"].equivalent
    for name, truly in (("positive", 2.0), ("cross-view", -3.0), ("weight", 0.0), ("temperature", 5.0)):
        row = rows[name]
        assert row.low < truly < row.high
        assert row.retuned_low < truly < row.retuned_high
        assert row.p >= row.retuned_p or np.isnan(row.p)
        assert row.seeds == 5
    assert [entry.split(": ")[0] for entry in rows["positive"].components.split("; ")] == ["τ = 0.1", "τ = 0.5"]
    labels = [entry.split(": ")[0] for entry in rows["temperature"].retuned_components.split("; ")]
    assert labels == ["simclr, w = 1", "dcl, w = 1", "dhel-mean, w = 1", "dhel-mean, w = 2"]


def test_a_cause_needs_both_ways_to_set_the_learning_rate(tmp_path):
    """At equal rates DCL gains 2; but its best rate is another than SimCLR's, and takes away more than that."""

    def truth(run, values):
        if run.section != "causes":
            return {}
        rate, low = values["learning_rate"], run.method == "simclr-c"
        best = rate == (0.1 if low else 0.3)
        rank = 20 + 2 * (run.method == "dcl-c") - (4 if rate == 0.3 else 0)
        return {"z_effective_rank": rank, "validation_accuracy": 80 + 5 * best}

    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    row = ruled(results_of(tmp_path / "results", suite, truth, NOISE), "positive")
    assert row.estimate == pytest.approx(2, abs=0.5)
    assert row.retuned_estimate == pytest.approx(-2, abs=0.5)
    assert (row.verdict, row.p) == ("mixed", 1.0)
    assert "above at equal rates; below at rates retuned" in row.note


def test_a_cause_that_counts_as_none_at_equal_rates_says_so(tmp_path):
    """DCL gains half a dimension at equal rates, below the margin, and more where its best rate is another."""

    def truth(run, values):
        if run.section != "causes":
            return {}
        rate, first = values["learning_rate"], run.method == "simclr-c"
        best = rate == (0.3 if first else 0.1)
        rank = 20 + 0.5 * (run.method == "dcl-c") - (4 if rate == 0.3 else 0)
        return {"z_effective_rank": rank, "validation_accuracy": 80 + 5 * best}

    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    noise = NOISE | {"z_effective_rank": 0.1}
    row = ruled(results_of(tmp_path / "results", suite, truth, noise), "positive")
    assert (row.verdict, row.equivalent, row.margin) == ("supported", False, 1.0)
    assert row.note == "at equal rates the 90% interval lies within ±1 dimensions"


def test_settings_of_opposite_sign_are_mixed(tmp_path):
    def truth(run, values):
        return by_step(4.0 if values.get("temperature") == 0.1 else -2.0)(run, values)

    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    row = ruled(results_of(tmp_path / "results", suite, truth, NOISE), "positive")
    assert row.verdict == "mixed"
    assert "above at τ = 0.1; below at τ = 0.5" in row.note


def test_the_p_of_a_cause_is_the_larger_of_two():
    first, second = Estimate(2.0, 0.5, 4, 5), Estimate(1.0, 0.5, 4, 5)
    assert both_differ([first, second], 0.0) == second.p_value(0.0) > first.p_value(0.0)
    assert both_differ([first, replace(second, value=-1.0)], 0.0) == 1.0
    assert np.isnan(both_differ([first, Estimate(1.0)], 0.0))
    assert both_differ([first], 0.0) == first.p_value(0.0)


@pytest.mark.slow
def test_a_cause_that_holds_in_one_way_alone_is_seldom_supported(tmp_path):
    """The effect is large at equal rates, none with each side at its own best one. Of 100 suites, 5 are expected."""

    def truth(run, values):
        if run.section != "causes":
            return {}
        of, rate = run.method == "dcl-c", values["learning_rate"]
        best = rate == (0.3 if of else 0.1)
        return {"z_effective_rank": 20 + 4 * of - 4 * (rate == 0.3), "validation_accuracy": 80 + 9 * best}

    book = replace(BOOK, statements=(STATEMENTS["positive"],))
    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    found = [ruled(in_memory(tmp_path, suite, truth, NOISE, seed), "positive", book).verdict for seed in range(100)]
    assert found.count("supported") + found.count("mixed") <= 12


@pytest.mark.parametrize(
    ("missing", "verdict", "note"),
    [(lambda run: run.seed == 5 and run.method == "dhel-c", "supported", ""),
     (lambda run: run.seed > 0 and run.method == "dcl-c", "no verdict", "too few seeds: 1 of 5"),
     (lambda run: run.setting.values["temperature"] == 0.5, "not run", "not run on both sides at τ = 0.5"),
     (lambda run: True, "not run", "")],
    ids=["a loss of a seed", "one seed", "a temperature", "everything"],
)  # fmt: skip
def test_a_seed_counts_once_it_has_every_setting(tmp_path, missing, verdict, note):
    """So that the mean is over the same settings for all."""
    results = results_of(
        tmp_path / "results",
        suite_of(tmp_path, with_causes([0, 1, 2, 3, 4, 5])),
        by_step(2.0),
        {"z_effective_rank": 0.05, "validation_accuracy": 0.5},
        without=lambda run: run.section == "causes" and missing(run),
    )
    row = ruled(results, "positive")
    assert row.verdict == verdict
    assert note in row.note
    if verdict == "supported":
        assert row.seeds == 6
        assert ruled(results, "cross-view").seeds == 5


def test_a_suite_of_causes_alone_is_judged(tmp_path):
    suite = suite_of(tmp_path, causes_alone)
    table = judge(results_of(tmp_path / "results", suite, by_step(2.0, 2.0, 2.0, 2.0), NOISE))
    assert set(table[table.verdict != "not run"].id) == set(STEPS)
    assert set(table[table.of == ""].verdict) == {"supported"}
    assert set(table.tests.dropna()) == {4}


def test_a_lead_that_other_test_images_could_undo_is_noted(tmp_path, suite):
    """Seeds agree on half a point in 400 images, which draws of other images do not."""
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 0.5), {"test_accuracy": 0.02})
    row = ruled(results, "accuracy")
    assert row.verdict == "supported"
    assert row.images_low < 0 < row.images_high
    assert "interval over test images includes 0" in row.note


def test_the_interval_over_test_images_is_around_the_effect_in_points(tmp_path, suite):
    """Also where the seed that selected, which is not judged, has every image wrong."""
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 4.0), {"test_accuracy": 0.02})
    row = ruled(results, "accuracy")
    assert 0 < row.images_low < row.estimate < row.images_high
    assert 0.5 < row.images_high - row.images_low < 8
    path = tmp_path / "results/predictions.csv"
    table = pd.read_csv(path)
    selecting = table.seed == suite.settings("digits").seeds.grid
    assert 0 < selecting.sum() < len(table)
    table.loc[selecting, "correct"] = pack(np.zeros(table.images.iloc[0], bool))
    table.to_csv(path, index=False)
    again = ruled(Results(tmp_path / "results", suite), "accuracy")
    assert (again.images_low, again.images_high) == (row.images_low, row.images_high)


def test_the_order_of_rows_does_not_decide(tmp_path):
    noise = {"test_accuracy": 0.5, "validation_accuracy": 0.5, "z_effective_rank": 0.5}
    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 1.0), noise)
    before = judge(results)
    write(tmp_path / "shuffled", results.runs.sample(frac=1, random_state=0))
    after = judge(Results(tmp_path / "shuffled", suite))
    assert after.verdict.tolist() == before.verdict.tolist()
    for column in ("estimate", "retuned_estimate"):
        assert after[column].to_numpy() == pytest.approx(before[column].to_numpy(), nan_ok=True, abs=1e-9)
