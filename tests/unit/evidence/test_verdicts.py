"""Verdicts on results with known truth: nothing but the results decides them."""

from dataclasses import replace

import numpy as np
import pytest

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.verdicts import judge
from tests.synthetic import (
    BOOK,
    STATEMENTS,
    curves,
    effect,
    in_memory,
    results_of,
    small,
    suite_of,
    with_causes,
    write,
)


@pytest.fixture
def suite(tmp_path):
    return suite_of(tmp_path, small)


def ruled(results, statement, book=BOOK, pair=("dhel", "simclr")):
    """The ledger's row of a statement and pair of losses."""
    table = judge(results, book)
    rows = table[(table.id == statement) & (table.of.fillna("") == (pair[0] if pair else ""))]
    return rows[rows.against.fillna("") == (pair[1] if pair else "")].iloc[0]


@pytest.mark.parametrize(
    ("size", "expected"), [(2.0, "supported"), (-2.0, "contradicted"), (0.0, "not distinguishable")]
)
@pytest.mark.parametrize(
    ("statement", "column"),
    [("accuracy", "test_accuracy"), ("untuned", "test_accuracy"), ("worst-setting", "test_accuracy"),
     ("rank", "z_effective_rank"), ("rank-features", "h_effective_rank")],
)  # fmt: skip
def test_a_planted_effect_is_found_with_its_sign(tmp_path, suite, statement, column, size, expected):
    results = results_of(tmp_path / "results", suite, effect(column, size), {column: 0.3})
    row = ruled(results, statement)
    assert row.verdict == expected
    assert row.low < size < row.high
    assert row.seeds == 5
    if size == 0:
        assert row.p_holm > 0.05
        assert row.equivalent
        assert "the 90% interval lies within ±1" in row.note


@pytest.mark.parametrize(("size", "drop", "lead"), [(2.0, -2.0, 2.0), (-2.0, 2.0, -2.0)])
def test_the_smallest_batch_decides_on_robustness_to_batch_size(tmp_path, suite, size, drop, lead):
    def truth(run, loss):
        by_size = {"validation_accuracy": 90.0 + (run.batch_size == 64)}
        return effect("test_accuracy", size, at=16)(run, loss) | by_size

    results = results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.2})
    expected = "supported" if size > 0 else "contradicted"
    for statement, value in (("drop", drop), ("small-batches", lead)):
        row = ruled(results, statement)
        assert row.verdict == expected
        assert row.low < value < row.high
    assert "best M: 64 and 64" in ruled(results, "drop").note


def test_few_seeds_give_no_verdict_however_large_the_effect(tmp_path):
    def three(content):
        small(content)
        content["seeds"]["selected"] = [1, 2]

    suite = suite_of(tmp_path, three)
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 50.0), {"test_accuracy": 0.1})
    for statement in ("accuracy", "untuned"):
        row = ruled(results, statement)
        assert row.verdict == "not distinguishable"
        assert "too few seeds: 3 of 5" in row.note
        assert np.isnan(row.p)


def test_equal_seeds_are_no_certainty(tmp_path, suite):
    row = ruled(results_of(tmp_path / "results", suite, effect("test_accuracy", 1.0), {}), "accuracy")
    assert row.estimate == pytest.approx(1.0)
    assert row.verdict == "not distinguishable"
    assert "no spread between seeds" in row.note


def test_what_was_not_run_is_not_judged(tmp_path, suite):
    results = results_of(tmp_path / "results", suite, without=lambda run: run.method == "dhel")
    table = judge(results, BOOK)
    assert table.estimate.isna().all()
    assert set(table.verdict) == {"not run"}
    assert "not in this suite" in ruled(results, "accuracy", pair=("kcl-log", "dcl")).note


def test_a_batch_size_that_was_not_run_is_left_out_and_named(tmp_path, suite):
    results = results_of(
        tmp_path / "results", suite, effect("test_accuracy", 3.0), without=lambda r: r.batch_size == 16
    )
    row = ruled(results, "accuracy")
    assert "at 1 of 2 batch sizes" in row.note
    assert row.components.startswith("M = 64: +")
    assert ruled(results, "small-batches").verdict == "not run"


def test_pending_statements_count_in_the_family(tmp_path, suite):
    """So that a verdict on half a suite cannot be lost by finishing it for this reason alone."""

    def later(run):
        return run.role == "grid" and run.loss["temperature"] != 0.1

    half = results_of(tmp_path / "half", suite, effect("test_accuracy", 1.0), without=later)
    assert ruled(half, "untuned").verdict == "not run"
    row = ruled(half, "accuracy")
    assert row.p == judge(half, BOOK).p.min()
    assert row.p_holm == pytest.approx(min(1.0, len(BOOK.statements) * row.p))


def test_statements_that_a_suite_cannot_test_do_not_count_in_the_family(tmp_path):
    def fixed(content):
        small(content)
        content["batch_sizes"] = [16]
        content["losses"] = {name: entry | {"temperature": 0.3} for name, entry in content["losses"].items()}

    table = judge(results_of(tmp_path / "results", suite_of(tmp_path, fixed), effect("test_accuracy", 1.0)), BOOK)
    tested = table[table.p.notna()]
    assert set(tested.id) == {"accuracy", "rank"}, "one batch size and one setting; ranks of h without noise"
    smallest = tested.p.min()
    assert tested.p_holm.min() == pytest.approx(3 * smallest), "with rank-features"


def test_rank_at_equal_alignment_tells_a_move_along_a_curve_from_a_better_curve(tmp_path, suite):
    noise = {"z_alignment": 0.005, "z_effective_rank": 0.3}
    moved = results_of(tmp_path / "moved", suite, curves(0.0, scale=1.4), noise)
    assert ruled(moved, "rank").verdict == "supported"
    assert ruled(moved, "rank-at-alignment").verdict == "not distinguishable"
    better = results_of(tmp_path / "better", suite, curves(4.0, scale=1.4), noise)
    row = ruled(better, "rank-at-alignment")
    assert row.verdict == "supported"
    assert row.low < 4 < row.high
    apart = ruled(results_of(tmp_path / "apart", suite, curves(4.0, scale=9.0), noise), "rank-at-alignment")
    assert apart.verdict == "not distinguishable"
    assert "do not reach the same alignment" in apart.note


@pytest.mark.parametrize("statement", ["untuned", "worst-setting", "rank-at-alignment"])
def test_a_batch_size_with_one_seed_leaves_the_grid_without_a_verdict(tmp_path, suite, statement):
    """The others have all five, and an effect that is plain with them."""
    noise = {"z_alignment": 0.005, "z_effective_rank": 0.3, "test_accuracy": 0.3}

    def truth(run, loss):
        return curves(4.0, scale=1.4)(run, loss) | {"test_accuracy": 80.0 + 3 * (run.method == "dhel")}

    def one_seed(run):
        return run.role == "selected" and run.batch_size == 64

    assert ruled(results_of(tmp_path / "all", suite, truth, noise), statement).verdict == "supported"
    row = ruled(results_of(tmp_path / "fewer", suite, truth, noise, without=one_seed), statement)
    assert (row.verdict, row.seeds) == ("not distinguishable", 1)
    assert "too few seeds: 1 of 5" in row.note


@pytest.mark.slow
def test_few_families_without_an_effect_have_any_verdict(tmp_path, suite):
    """Of 100 simulated suites, each with all statements, 5 are expected to have one or more. 10 s."""
    noise = {"test_accuracy": 0.5, "z_effective_rank": 0.5, "h_effective_rank": 0.5, "validation_accuracy": 0.5}
    wrong = 0
    for seed in range(100):
        table = judge(in_memory(tmp_path, suite, curves(0.0), noise | {"z_alignment": 0.005}, seed), BOOK)
        wrong += table.verdict.isin(["supported", "contradicted"]).any()
    assert wrong <= 12


def test_the_worst_setting_is_the_worst_on_validation(tmp_path, suite):
    """The worst of DHEL has the higher accuracy than SimCLR's, though its best has the lower."""

    def truth(run, loss):
        temperature = loss.get("temperature", 0.1)
        better = (temperature == 1.0) == (run.method == "dhel")
        return {"test_accuracy": 81.0 if better else 80.0, "validation_accuracy": 90 - 5 * temperature}

    row = ruled(results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.2}), "worst-setting")
    assert row.verdict == "supported"
    assert row.low < 1 < row.high
    assert "one seed a grid point, noise of the selected settings" in row.note


def test_an_average_that_hides_opposite_effects_says_so(tmp_path, suite):
    def truth(run, loss):
        return effect("z_effective_rank", {16: 5.0, 64: -1.0}[run.batch_size])(run, loss)

    row = ruled(results_of(tmp_path / "results", suite, truth, {"z_effective_rank": 0.2}), "rank")
    assert row.verdict == "supported"
    assert "the opposite at M = 64" in row.note
    assert [entry.split(":")[0] for entry in row.components.split("; ")] == ["M = 16", "M = 64"]
    same = results_of(tmp_path / "same", suite, effect("z_effective_rank", 2.0), {"z_effective_rank": 0.2})
    assert "opposite" not in ruled(same, "rank").note


def test_the_estimate_without_the_seed_of_the_selection_stands_beside(tmp_path, suite):
    """Seed 0, on which settings were selected, is lucky for DHEL, and alone."""

    def truth(run, loss):
        return effect("test_accuracy", 5.0 if run.role == "grid" else 0.0)(run, loss)

    row = ruled(results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.01}), "accuracy")
    assert row.estimate == pytest.approx(1, abs=0.1)
    assert row.fresh_estimate == pytest.approx(0, abs=0.1)
    assert row.fresh_low < 0 < row.fresh_high < row.high
    even = ruled(results_of(tmp_path / "even", suite, effect("test_accuracy", 1.0), {"test_accuracy": 0.3}), "accuracy")
    assert even.fresh_low < 1 < even.fresh_high


def test_a_verdict_that_treats_batch_sizes_as_independent_says_when_whole_seeds_would_not_give_it(tmp_path, suite):
    """What a seed does to DHEL is the same at both batch sizes, so there are five differences and not ten."""
    shared = dict(enumerate([0.0, 1.2, 2.2, 1.1, 0.2]))

    def truth(run, loss):
        return effect("test_accuracy", shared.get(run.seed, 0.0))(run, loss)

    table = judge(results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.01}), BOOK)
    row = table[(table.id == "accuracy") & (table.of == "dhel") & (table.against == "simclr")].iloc[0]
    assert (row.blocked_low, row.blocked_high) != (row.low, row.high)
    assert row.blocked_p_holm > row.p_holm
    assert np.isnan(table.blocked_p_holm[table.id == "untuned"]).all(), "its settings have one seed"
    book = replace(BOOK, statements=(STATEMENTS["accuracy"],))
    alone = ruled(results_of(tmp_path / "alone", suite, truth, {"test_accuracy": 0.01}), "accuracy", book)
    assert alone.verdict == "supported"
    assert "with whole seeds as the unit not distinguishable" in alone.note


def test_the_same_runs_on_both_sides_are_nothing_to_compare(tmp_path, suite):
    """Both losses are best at the smallest batch size: neither loses anything there, by definition."""

    def truth(run, loss):
        return {"validation_accuracy": 90.0 - (run.batch_size == 64)}

    row = ruled(results_of(tmp_path / "results", suite, truth, {"test_accuracy": 0.2}), "drop")
    assert row.verdict == "not distinguishable"
    assert np.isnan([row.estimate, row.low, row.p, row.images_low]).all()
    assert "nothing to compare" in row.note


def test_curves_tell_decoupling_from_weight(tmp_path):
    def truth(run, loss):
        if run.section != "causes":
            return {}
        decoupled = 0.1 if run.method == "dhel-weighted" else 0.0
        return {
            "z_effective_rank": 20 + 5 * np.log(loss["energy_weight"]) - 3 * np.log(loss["temperature"]) + decoupled
        }

    noise = {"z_effective_rank": 0.3, "test_accuracy": 0.3}
    results = results_of(tmp_path / "results", suite_of(tmp_path, with_causes([0, 1, 2])), truth, noise)
    weight, temperature = (ruled(results, name, pair=None) for name in ("weight", "temperature"))
    assert (weight.verdict, temperature.verdict) == ("supported", "supported")
    for row, truly in ((weight, 5 * np.log(2)), (temperature, 3 * np.log(10))):
        assert abs(row.estimate - truly) < row.high - row.low < 1
    decoupling = ruled(results, "decoupling", pair=None)
    assert decoupling.verdict == "not distinguishable"
    assert decoupling.equivalent
    assert [entry.split(": ")[0] for entry in weight.components.split("; ")] == ["τ = 0.1", "τ = 1"]
    assert "by setting" in weight.note
    none = results_of(tmp_path / "none", results.suite, truth, noise, without=lambda run: run.section == "causes")
    assert [ruled(none, name, pair=None).verdict for name in ("decoupling", "weight", "temperature")] == 3 * ["not run"]
    one = results_of(tmp_path / "one", suite_of(tmp_path / "b", with_causes([0])), truth, noise)
    assert "too few seeds: 1 of 3" in ruled(one, "weight", pair=None).note


@pytest.mark.parametrize(
    ("missing", "verdict"),
    [(lambda run: run.seed == 3 and run.method == "dhel-weighted", "supported"),
     (lambda run: run.seed == 3 and run.loss["energy_weight"] == 0.5, "supported"),
     (lambda run: run.loss["temperature"] == 1.0, "not run")],
    ids=["a loss of a seed", "a weight of a seed", "a temperature"],
)  # fmt: skip
def test_a_seed_counts_on_the_causes_once_it_has_every_setting(tmp_path, missing, verdict):
    """So that the mean is over the same settings for all, and lowest and highest are those that the suite asks for."""

    def truth(run, loss):
        high = {"dcl-weighted": 20.0, "dhel-weighted": 23.0}.get(run.method, 20.0)
        return {"z_effective_rank": high + 4 * np.log(loss.get("energy_weight", 1) / loss.get("temperature", 1))}

    results = results_of(
        tmp_path / "results",
        suite_of(tmp_path, with_causes([0, 1, 2, 3])),
        truth,
        {"z_effective_rank": 0.05},
        without=lambda run: run.section == "causes" and missing(run),
    )
    for name, truly in (("decoupling", 3.0), ("weight", 4 * np.log(2)), ("temperature", 4 * np.log(10))):
        row = ruled(results, name, pair=None)
        assert row.verdict == verdict
        if verdict == "not run":
            assert row.note == "no seed has all settings" or name == "temperature"
        else:
            assert row.estimate == pytest.approx(truly, abs=0.1)
            assert row.seeds in (3, 4)


def test_a_lead_that_other_test_images_could_undo_is_noted(tmp_path, suite):
    """Seeds agree on half a point in 400 images, which draws of other images do not."""
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 0.5), {"test_accuracy": 0.02})
    row = ruled(results, "accuracy")
    assert row.verdict == "supported"
    assert row.images_low < 0 < row.images_high
    assert "interval over test images includes 0" in row.note


def test_the_order_of_rows_does_not_decide(tmp_path, suite):
    noise = {"test_accuracy": 0.5, "validation_accuracy": 0.5, "z_effective_rank": 0.5}
    results = results_of(tmp_path / "results", suite, effect("test_accuracy", 1.0), noise)
    before = judge(results, BOOK)
    write(tmp_path / "shuffled", results.runs.sample(frac=1, random_state=0))
    after = judge(Results(tmp_path / "shuffled", suite), BOOK)
    assert after.verdict.tolist() == before.verdict.tolist()
    assert after.estimate.to_numpy() == pytest.approx(before.estimate.to_numpy(), nan_ok=True, abs=1e-9)


def test_the_grids_of_two_losses_must_have_as_many_points(tmp_path):
    def unequal(content):
        small(content)
        content["losses"]["dhel"]["temperature"] = [0.1, 0.3]

    row = ruled(results_of(tmp_path / "results", suite_of(tmp_path, unequal)), "untuned")
    assert row.verdict == "not distinguishable"
    assert "grids of 2 and 3 points do not compare" in row.note
