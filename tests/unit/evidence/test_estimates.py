import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dhel_kcl.evidence.estimates import (
    Estimate,
    contrast,
    expected_best_of,
    holm,
    image_interval,
    planned_df,
    satterthwaite,
)


def test_one_batch_size_gives_the_paired_t_test():
    first, second = np.random.default_rng(0).normal([[0.5], [0.0]], size=(2, 5))
    result, reference = contrast((first - second)[:, None]), stats.ttest_rel(first, second)
    assert result.p_value(0) == pytest.approx(reference.pvalue, rel=1e-12)
    assert result.interval(0.95) == pytest.approx(tuple(reference.confidence_interval(0.95)), rel=1e-12)
    assert (result.seeds, result.df) == (5, 4)


def test_unequal_spreads_have_the_degrees_of_freedom_of_welch():
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal(5), 3 * rng.standard_normal(8)
    welch = stats.ttest_ind(first, second, equal_var=False)
    variances = [first.var(ddof=1) / 5, second.var(ddof=1) / 8]
    assert satterthwaite(variances, [4, 7]) == pytest.approx(welch.df, rel=1e-12)


@pytest.mark.parametrize("spreads", [(1.0, 1.0), (1.0, 0.5, 2.0)])
def test_planned_degrees_of_freedom_are_those_to_be_expected(spreads):
    """The harmonic mean of 2,000 draws, within 20 %."""
    rng, true = np.random.default_rng(0), np.array(spreads) ** 2
    drawn = true * rng.chisquare(4, size=(2000, len(spreads))) / 4
    found = [satterthwaite(variances, [4] * len(spreads)) for variances in drawn]
    planned = planned_df(true, [4] * len(spreads))
    assert planned == pytest.approx(1 / np.mean(1 / np.array(found)), rel=0.2)
    assert planned < satterthwaite(true, [4] * len(spreads))


@pytest.mark.parametrize("spreads", [(1.0, 1.0, 1.0), (0.2, 0.2, 1.0)])
def test_intervals_over_batch_sizes_cover_the_truth(spreads):
    """1,000 simulated suites with five seeds: 95 % intervals miss the truth in 2.5 to 7.5 % of them."""
    rng, inside = np.random.default_rng(0), 0
    truth = np.array([0.3, 0.0, -0.1])
    for _ in range(1000):
        low, high = contrast(truth + spreads * rng.standard_normal((5, 3))).interval(0.95)
        inside += low <= truth.sum() <= high
    assert 0.925 <= inside / 1000 <= 0.975


def test_intervals_by_whole_seeds_cover_the_truth_whatever_seeds_share():
    rng, plain, blocked = np.random.default_rng(0), 0, 0
    for _ in range(1000):
        result = contrast(rng.standard_normal((5, 3)) + 2 * rng.standard_normal((5, 1)))
        (low, high), (lower, higher) = result.interval(0.95), result.blocked.interval(0.95)
        plain, blocked = plain + (low <= 0 <= high), blocked + (lower <= 0 <= higher)
    assert 0.925 <= blocked / 1000 <= 0.975
    assert plain < 850, "else there were no need of them"


def test_missing_seeds_count_at_their_batch_size_only():
    values = np.array([[1.0, 2.0], [2.0, np.nan], [3.0, 4.0], [4.0, 9.0]])
    result = contrast(values)
    assert result.value == pytest.approx(2.5 + 5.0)
    assert result.seeds == 3
    assert result.error == pytest.approx(math.sqrt(np.var([1, 2, 3, 4], ddof=1) / 4 + np.var([2, 4, 9], ddof=1) / 3))
    assert result.blocked.value == pytest.approx(np.mean([3, 7, 13]))


def test_seeds_without_a_common_one_are_no_whole_seeds():
    apart = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, 1.0], [np.nan, 3.0]])
    assert contrast(apart).seeds == 2
    assert math.isnan(contrast(apart).blocked.value)
    assert contrast(apart[:2, :1]).blocked is None, "one batch size: seeds are whole"


def test_without_spread_or_a_second_seed_there_is_no_interval():
    for values in ([[1.0]], [[1.0], [1.0]]):
        result = contrast(np.array(values))
        assert result.value == 1
        assert math.isnan(result.p_value(0))
        assert np.isnan(result.interval(0.95)).all()
    assert math.isnan(contrast(np.empty((0, 1))).value)
    assert math.isnan(Estimate(1.0).p_value(0))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.01, math.nan, 0.2])
    assert adjusted[0] == pytest.approx(0.03), "what has not run yet counts in the family"
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.4)


def test_holm_keeps_the_family_wise_error():
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(2000):
        wrong += min(holm(rng.uniform(size=20))) < 0.05
    assert 0.035 <= wrong / 2000 <= 0.065


@pytest.mark.parametrize("count", [1, 2, 4])
def test_best_of_some_settings_by_enumeration(count):
    values = [3.0, 7.0, 1.0, 5.0]  # in the order of choice
    picked = [values[min(chosen)] for chosen in itertools.combinations(range(4), count)]
    assert expected_best_of(count, values) == pytest.approx(np.mean(picked))


def test_the_image_interval_is_that_of_a_bootstrap():
    rng = np.random.default_rng(0)
    values = rng.choice([-100.0, 0.0, 100.0], p=[0.1, 0.75, 0.15], size=600)
    low, high = image_interval(values, 0.95, draws=4000)
    means = rng.choice(values, size=(4000, 600)).mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.5)
    assert (low, high) == image_interval(values, 0.95, draws=4000)
