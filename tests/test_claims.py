"""Verdicts on results with known truth: nothing but the results decides them."""

import numpy as np
import pytest

from dhel_kcl import claims
from dhel_kcl.claims import Evidence, judge, ledger
from dhel_kcl.results import Results
from tests.synthetic import results_of, runs_of, suite_of, write

BOOK = ledger() | {"draws": 100}
PAIR = ("dhel", "simclr")


def small(content):
    """Two losses at two batch sizes, to be quick."""
    content["losses"] = {name: content["losses"][name] for name in PAIR}
    content["batch_sizes"] = [16, 64]
    del content["ablations"]


def with_trade_off(seeds):
    def change(content):
        small(content)
        weights, temperatures = [0.5, 1.0, 2.0], [0.1, 1.0]
        losses = {
            name: {"loss": name.split("-")[0], "energy_weight": weights, "temperature": temperatures}
            for name in ("dcl-weighted", "dhel-weighted")
        }
        losses["dhel-weighted"]["form"] = "mean"
        content["trade_off"] = {"batch_size": 64, "seeds": seeds, "losses": losses}

    return change


@pytest.fixture
def suite(tmp_path):
    return suite_of(tmp_path, small)


def ruled(results, statement, book=BOOK, pair=PAIR):
    """The ledger's row of a statement and pair of losses."""
    table = judge(results, book)
    rows = table[(table.id == statement) & (table.of.fillna("") == (pair[0] if pair else ""))]
    return rows[rows.against.fillna("") == (pair[1] if pair else "")].iloc[0]


def effect(column, size, at=None):
    """A truth in which DHEL lies above SimCLR by `size`, at all batch sizes or at one."""

    def truth(run, loss):
        base = 20.0 if "rank" in column else 80.0
        return {column: base + (size if run.method == "dhel" and at in (None, run.batch_size) else 0.0)}

    return truth


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
        assert "the difference lies within ±1" in row.note


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
    trained = table[table.estimate.notna()]
    assert trained.empty
    assert set(table[table.dataset.notna()].verdict) == {"not run"}
    assert "not in this suite" in ruled(results, "accuracy", pair=("kcl-log", "dcl")).note
    assert set(table[table.dataset.isna()].claim) == {"C1", "C2", "C7"}


def test_a_batch_size_that_was_not_run_is_left_out_and_named(tmp_path, suite):
    results = results_of(
        tmp_path / "results", suite, effect("test_accuracy", 3.0), without=lambda r: r.batch_size == 16
    )
    row = ruled(results, "accuracy")
    assert "at 1 of 2 batch sizes" in row.note
    assert row.by_batch_size.startswith("M = 64: +")
    assert ruled(results, "small-batches").verdict == "not run"


def test_pending_statements_count_in_the_family(tmp_path, suite):
    """So that a verdict on half a suite cannot be lost by finishing it for this reason alone."""

    def later(run):
        return run.role == "grid" and run.loss["temperature"] != 0.1

    half = results_of(tmp_path / "half", suite, effect("test_accuracy", 1.0), without=later)
    assert ruled(half, "untuned").verdict == "not run"
    row = ruled(half, "accuracy")
    assert row.p == judge(half, BOOK).p.min()
    assert row.p_holm == pytest.approx(min(1.0, len(BOOK["statements"]) * row.p))


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


def curves(shift, scale=1.0):
    """Rank rises with log alignment along one curve for SimCLR and, higher by `shift`, for DHEL."""

    def truth(run, loss):
        alignment = 0.3 * loss.get("temperature", 1.0) ** -0.4 * (scale if run.method == "dhel" else 1.0)
        return {
            "z_alignment": alignment,
            "z_effective_rank": 30 + 8 * np.log(alignment) + shift * (run.method == "dhel"),
        }

    return truth


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


def test_the_distance_of_two_curves_against_an_integral():
    line = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    parabola = np.array([[x, x * x] for x in np.linspace(1.5, 0.5, 201)])
    integral = 0.5 * (1.5**2 - 0.5**2) - (1.5**3 - 0.5**3) / 3
    assert claims._between(line, parabola) == pytest.approx(integral, abs=2e-3)
    assert np.isnan(claims._between(line, np.add(parabola, [3.0, 0.0])))


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


@pytest.mark.parametrize("statement", ["untuned", "worst-setting", "rank-at-alignment"])
def test_intervals_of_the_grid_cover_the_truth(tmp_path, statement):
    """100 simulated suites with one batch size: 95 % intervals miss the truth in at most 12 of them. 2 to 6 s."""

    def one(content):
        small(content)
        content["batch_sizes"] = [16]

    suite = suite_of(tmp_path, one)
    entry = next(entry for entry in BOOK["statements"] if entry["id"] == statement)
    noise, inside = {"test_accuracy": 0.5, "z_effective_rank": 0.5, "z_alignment": 0.005}, 0
    for seed in range(100):
        truth = curves(2.0) if "rank" in statement else effect("test_accuracy", 2.0)
        results = Results(tmp_path, suite)
        vars(results)["runs"] = runs_of(suite, truth, noise, seed)  # instead of a file
        result, _ = claims.estimate(Evidence(results, "digits", BOOK), entry, PAIR)
        low, high = result.interval(0.95)
        inside += low <= 2 <= high
    assert 88 <= inside <= 99


def test_trade_off_curves_tell_decoupling_from_weight(tmp_path):
    def truth(run, loss):
        if run.part != "trade_off":
            return {}
        decoupled = 0.1 if run.method == "dhel-weighted" else 0.0
        return {
            "z_effective_rank": 20 + 5 * np.log(loss["energy_weight"]) - 3 * np.log(loss["temperature"]) + decoupled
        }

    noise = {"z_effective_rank": 0.3, "test_accuracy": 0.3}
    results = results_of(tmp_path / "results", suite_of(tmp_path, with_trade_off([0, 1, 2])), truth, noise)
    weight, temperature = (ruled(results, name, pair=None) for name in ("weight", "temperature"))
    assert (weight.verdict, temperature.verdict) == ("supported", "supported")
    for row, effect in ((weight, 5 * np.log(2)), (temperature, 3 * np.log(10))):
        assert abs(row.estimate - effect) < row.high - row.low < 1
    decoupling = ruled(results, "decoupling", pair=None)
    assert decoupling.verdict == "not distinguishable"
    assert decoupling.equivalent
    none = results_of(tmp_path / "none", results.suite, truth, noise, without=lambda run: run.part == "trade_off")
    assert [ruled(none, name, pair=None).verdict for name in ("decoupling", "weight", "temperature")] == 3 * ["not run"]
    one = results_of(tmp_path / "one", suite_of(tmp_path / "b", with_trade_off([0])), truth, noise)
    assert "too few seeds: 1 of 3" in ruled(one, "weight", pair=None).note


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


def test_the_ledger_holds_statements_and_no_verdicts():
    book = ledger()
    statements = book["statements"] + book["trade_off"]["statements"]
    assert len({entry["id"] for entry in statements}) == len(statements)
    for entry in statements:
        assert hasattr(Evidence, entry["statistic"])
        assert entry["source"] in book["sources"]
        assert entry["direction"] in ("greater", "less")
        assert entry["margin"] > 0
        assert "verdict" not in entry
    assert {entry["claim"] for entry in statements + book["theory"]} == {f"C{k}" for k in range(1, 8)}
