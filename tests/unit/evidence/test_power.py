"""The smallest effects that can be seen, by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from dhel_kcl.evidence.estimates import Estimate, contrast, planned_df
from dhel_kcl.evidence.power import Spreads, sights, smallest_effect, tabulate
from dhel_kcl.evidence.verdicts import judge
from tests.synthetic import BOOK, PRESENT, effect, in_memory, planned, results_of, suite_of, with_causes, with_rates


def test_one_test_without_correction_has_the_power_of_the_paired_t_test():
    """n = 5, by the noncentral t distribution of SciPy's statistics: 1.68 standard deviations."""
    effect = smallest_effect(Estimate(0.0, 1 / np.sqrt(5), 4, 5), tests=1, alpha=0.05)
    critical = stats.t.ppf(0.975, 4)
    assert stats.nct.sf(critical, 4, effect * np.sqrt(5)) == pytest.approx(0.8, abs=1e-6)
    assert effect == pytest.approx(1.68, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "tests"), [(1, 1), (2, 36), (3, 10)])
def test_the_smallest_effect_is_found_in_four_of_five_simulated_suites(sizes, tests):
    """2,000 of them, with five seeds and a spread of 0.7 between runs. 2 s."""
    variances = np.full(sizes, 2 * 0.7**2 / sizes**2 / 5)
    planned = Estimate(0.0, np.sqrt(variances.sum()), planned_df(variances, [4] * sizes), 5)
    truth, rng = smallest_effect(planned, tests, alpha=0.05), np.random.default_rng(0)
    found = 0
    for _ in range(2000):
        differences = truth + np.sqrt(2) * 0.7 * rng.standard_normal((5, sizes))
        found += contrast(differences / sizes).p_value(0.0) < 0.05 / tests
    assert found / 2000 == pytest.approx(0.8, abs=0.05)


def test_spreads_are_those_of_runs_that_differ_in_their_seed_alone(tmp_path):
    def truth(run, values):
        return {"test_accuracy": 80.0 + run.batch_size + 10 * values.get("temperature", 0)}

    noise = {"test_accuracy": 0.5}
    pilot = in_memory(tmp_path, suite_of(tmp_path, with_rates), truth, noise, 0)
    spreads = Spreads.measured(pilot, "test_accuracy")
    assert set(spreads.by_size) == {16, 64}
    assert spreads.of(16) == pytest.approx(0.5, rel=0.4)
    assert spreads.of(1024) == spreads.pooled == pytest.approx(0.5, rel=0.3)
    vars(pilot)["runs"] = pilot.runs[pilot.runs.role == "grid"]
    with pytest.raises(ValueError, match=r"runs\.csv has no two runs that differ in their seed alone"):
        Spreads.measured(pilot, "test_accuracy")


def test_every_statement_that_a_suite_can_test_has_its_smallest_effect(tmp_path):
    def both(content):
        with_causes([0, 1, 2, 3, 4])(content)
        content["losses"] = {name: entry | {"learning_rate": [0.1, 0.3]} for name, entry in content["losses"].items()}

    suite, spread = suite_of(tmp_path, planned(both)), Spreads({16: 0.5, 64: 0.5}, 0.5)
    found = list(sights(suite, BOOK, dict.fromkeys({each.column for each in BOOK.statements}, spread)))
    assert [each.statement for each in found] == list(BOOK.statements)
    assert {each.tests for each in found} == {7, 4}
    effects = {each.statement.id: each.smallest for each in found}
    assert effects["untuned"] < effects["worst-setting"]
    assert effects["accuracy"] < effects["small-batches"]
    table = tabulate(found)
    seen = [each.smallest <= each.statement.margin for each in found]
    assert (table["sees the margin"] == "yes").tolist() == seen
    assert set(seen) == {True, False}


@pytest.mark.slow
def test_a_planned_suite_finds_its_smallest_effect(tmp_path):
    """Accuracy, at Holm's worst step, in 60 suites: 48 are expected. 30 s."""
    suite, spread = suite_of(tmp_path, planned(with_rates)), Spreads({16: 0.5, 64: 0.5}, 0.5)
    statement = next(each for each in BOOK.statements if each.id == "accuracy")
    found = next(sights(suite, BOOK, dict.fromkeys({each.column for each in BOOK.statements}, spread)))
    assert (found.statement, found.tests) == (statement, 3)
    alone = replace(BOOK, statements=(statement,))
    seen = 0
    for seed in range(60):
        results = in_memory(tmp_path, suite, effect("test_accuracy", found.smallest), {"test_accuracy": 0.5}, seed)
        seen += judge(results, alone, PRESENT).p.min() < 0.05 / 3
    assert 40 <= seen <= 56


def test_a_pilot_on_disk_is_read(tmp_path):
    results = results_of(tmp_path / "results", suite_of(tmp_path, with_rates), noise={"test_accuracy": 1.0})
    assert Spreads.measured(results, "test_accuracy").pooled == pytest.approx(1.0, rel=0.4)
