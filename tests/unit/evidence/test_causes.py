"""Effects of causes by hand."""

import numpy as np
import pandas as pd
import pytest

from dhel_kcl.evidence import causes
from dhel_kcl.evidence.causes import ABSENT, Points, Settings
from dhel_kcl.evidence.statistics import OF_CAUSES
from tests.synthetic import suite_of, with_causes

COMMON = pd.MultiIndex.from_tuples([(0.1, 15.0), (0.5, 15.0)], names=["temperature", "length"])


def points_of(values, accuracy=None, entropy=None):
    """Runs with these values, shape (seeds, points); NaN where there is none."""
    seed, point = np.nonzero(~np.isnan(values))
    columns = {"z_effective_rank": values, "validation_accuracy": accuracy, "validation_cross_entropy": entropy}
    measured = {name: (values * 0 if table is None else table)[seed, point] for name, table in columns.items()}
    return Points(pd.DataFrame(index=range(values.shape[1])), pd.DataFrame({"seed": seed, "point": point} | measured))


def test_effects_at_equal_rates_are_means_over_the_rates_of_both():
    values = np.array([[1.0, 2.0, 3.0, 4.0, 11.0, 22.0, 33.0], [0.0, 0, 0, 0, 1, 2, np.nan]])
    settings = Settings(COMMON, (0.1, 0.3), np.array([[4, 5], [6, ABSENT]]), np.array([[0, 1], [2, 3]]), ())
    effects = causes.at_equal_rates(points_of(values), settings, "z_effective_rank")
    assert effects.to_numpy() == pytest.approx(np.array([[15.0, 30.0], [1.5, np.nan]]), nan_ok=True)
    assert settings.unequal == ("unequal learning rates at τ = 0.5",)
    assert causes.at_equal_rates(points_of(values), settings.at(0.3), "z_effective_rank")[0.1, 15.0].tolist() == [
        20.0,
        2.0,
    ]
    assert causes.mean_effect(effects).value == 22.5, "of the seed that has both; the other is alone in having one"
    assert {name: each.value for name, each in causes.by_setting(effects).items()} == {"τ = 0.1": 8.25, "τ = 0.5": 30}


def test_the_rate_of_a_seed_is_chosen_by_the_others():
    """Seed 0 alone is best at the first rate."""
    values = np.array([[[10.0, 20.0]], [[11.0, 21.0]], [[12.0, 22.0]]])
    accuracy = np.array([[[99.0, 80.0]], [[80.0, 85.0]], [[80.0, 85.0]]])
    asked = np.array([[True, True]])
    found = causes.cross_fitted(asked, values, accuracy, values * 0)
    assert found[:, 0].tolist() == [20.0, 11.0, 12.0]
    ties = causes.cross_fitted(asked, values, accuracy * 0, np.array([[[1.0, 2.0]], [[2.0, 1.0]], [[2.0, 1.0]]]))
    assert ties[:, 0].tolist() == [20.0, 11.0, 12.0], "by cross-entropy"
    assert causes.cross_fitted(asked, values, values * 0, values * 0)[:, 0].tolist() == [10.0, 11.0, 12.0]


def test_a_seed_without_others_or_without_a_rate_is_not_retuned():
    values = np.array([[[10.0, 20.0]], [[np.nan, 21.0]]])
    asked = np.array([[True, True]])
    assert np.isnan(causes.cross_fitted(asked, values, values * 0, values * 0)).all()
    one = np.array([[False, True]])
    assert causes.cross_fitted(one, values, values * 0, values * 0)[:, 0].tolist() == [20.0, 21.0]


def test_settings_with_the_same_runs_count_once():
    """As SimCLR and DCL, which are one function in float32 once the weight is large."""
    values = np.array([[5.0, 5.0, 1.0, 1.0], [7.0, 7.0, 2.0, 2.0]])
    settings = Settings(COMMON, (0.1,), np.array([[0], [1]]), np.array([[2], [3]]), ())
    effects = causes.at_equal_rates(points_of(values), settings, "z_effective_rank")
    assert effects.shape == (2, 1)
    assert effects.iloc[:, 0].tolist() == [4.0, 5.0]


def test_the_mean_over_settings_of_unequal_seeds_by_hand():
    """Of the first setting four seeds, of the second two; those that have both vary together."""
    effects = pd.DataFrame([[1.0, 5.0], [3.0, 9.0], [2.0, np.nan], [4.0, np.nan]], columns=COMMON)
    result = causes.mean_effect(effects)
    assert result.value == (2.5 + 7.0) / 2
    both = np.array([1 / 4 + 5 / 2, 3 / 4 + 9 / 2]) / 2  # what each seed adds
    one = np.array([2 / 4, 4 / 4]) / 2
    assert result.error == pytest.approx(np.sqrt(2 * both.var(ddof=1) + 2 * one.var(ddof=1)))
    assert (result.seeds, result.blocked) == (2, None)
    assert 1 < result.df < 2
    complete = causes.mean_effect(effects.iloc[:2])
    assert (complete.value, complete.df) == (4.5, 1)
    assert np.isnan(causes.mean_effect(effects.iloc[2:]).value)
    assert causes.mean_effect(effects.iloc[1:2]).value == 6.0, "one seed"


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_intervals_of_the_mean_over_settings_of_unequal_seeds_cover_the_truth(shared):
    """2,000 suites of five settings, four with ten seeds and one with five: 95 % miss 3 to 7 %. 20 s."""
    rng, inside = np.random.default_rng(0), 0
    common = pd.MultiIndex.from_product([range(5), [15.0]], names=["temperature", "length"])
    for _ in range(2000):
        values = rng.standard_normal((10, 5)) + shared * rng.standard_normal((10, 1))
        values[5:, 4] = np.nan
        low, high = causes.mean_effect(pd.DataFrame(values, columns=common)).interval(0.95)
        inside += low <= 0 <= high
    assert 0.93 <= inside / 2000 <= 0.97


def test_what_lacks_is_named():
    effects = pd.DataFrame([[1.0, np.nan], [np.nan, np.nan]], columns=COMMON)
    assert causes.lacking(effects) == ("not run on both sides at τ = 0.5",)
    assert causes.lacking(effects * np.nan) == ()
    assert causes.lacking(pd.DataFrame([[1.0, 2.0]], columns=COMMON)) == ()


def test_the_temperatures_compared_are_those_of_the_usual_length(tmp_path):
    """Another length may have a lower one."""

    def change(content):
        with_causes([0, 1, 2, 3, 4])(content)
        lower = {"loss": "dcl", "temperature": 0.05, "learning_rate": 0.1, "epochs": 30}
        content["causes"]["losses"]["dcl-long"] = lower

    planned = causes.planned(suite_of(tmp_path, change), "digits")
    assert planned.temperature.min() == 0.05
    found = OF_CAUSES["temperature"].settings(planned)
    assert len(found.common) == 4
    assert OF_CAUSES["temperature"].change(planned[planned.main]).of == 0.1


def test_as_many_epochs_as_updates_are_not_the_same_length(tmp_path):
    def change(content):
        with_causes([0, 1, 2, 3, 4])(content)
        for entry in content["causes"]["losses"].values():
            entry["updates"] = content["training"]["epochs"]

    assert not causes.planned(suite_of(tmp_path, change), "digits").main.any()
