"""The theory experiments at a small size, and verdicts that must turn when what was measured does."""

import json
import math
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch

from dhel_kcl.geometry import metrics, sphere
from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.simclr_loss import SimCLRLoss
from dhel_kcl.runtime import science
from dhel_kcl.theory import (
    EXPERIMENTS,
    TABLES,
    batch_size,
    circle,
    local_minima,
    minibatches,
    minima,
    tables,
    uniformity,
)
from dhel_kcl.theory.descent import descend, losses, without_diagonal
from dhel_kcl.theory.methods import KERNEL, LOSS_OF
from dhel_kcl.theory.verdict import CONTRADICTED, SUPPORTED
from tests.pipeline import ROOT

MODULES = {
    "minima": minima,
    "local_minima": local_minima,
    "batch_size": batch_size,
    "uniformity": uniformity,
    "circle": circle,
    "minibatches": minibatches,
}


FAMILY = "InfoNCE, SimCLR, DCL, DHEL at τ = 0.5"


def verdict_of(entries, start):
    (found,) = [entry.verdict for entry in entries if entry.statement.startswith(start)]
    return found


@pytest.fixture
def committed():
    """Measured table and verdicts of an experiment, as committed."""

    def read(name):
        folder = ROOT / "results/theory"
        return pd.read_csv(folder / f"{name}.csv"), json.loads((folder / f"{name}.json").read_text())

    return read


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_committed_verdicts_follow_from_the_committed_tables(committed, name):
    table, recorded = committed(name)
    for entry, written in zip(MODULES[name].judge(table), recorded, strict=True):
        assert (entry.claim, entry.statement, entry.threshold, entry.verdict) == (
            written["claim"], written["statement"], written["threshold"], written["verdict"],
        )  # fmt: skip
        assert entry.measured == pytest.approx(written["measured"], rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_its_figure_and_caption(committed, name):
    figure = import_module(f"dhel_kcl.theory.figures.{name}").draw(committed(name)[0])
    assert figure.axes
    assert all((ROOT / f"workflow/report/captions/theory_{page}.rst").is_file() for page in (name, *TABLES))
    assert science.of_theory_figure(name) != science.of_theory(name)


@pytest.mark.parametrize("method", LOSS_OF)
def test_descent_reaches_the_simplex(method):
    rows = minima.rows(LOSS_OF[method], range(2), minima.starts(3, 4, range(2)))
    best = min(rows, key=lambda row: row["gap"])
    assert abs(best["gap"]) < minima.REACHED
    assert best["misalignment"] < 1e-8
    assert best["distance_to_optimum"] < 1e-5
    assert best["pairs_apart"] == 0


def test_a_spurious_minimum_of_gaussian_kcl_is_told_from_a_saddle():
    gaussian = LOSS_OF["kcl-gaussian"]
    stuck = next(row for row in minima.rows(gaussian, range(9), minima.starts(5, 4, range(9))) if row["gap"] > 0.1)
    assert stuck["pairs_apart"] == 1
    assert stuck["least_curvature"] > minima.SADDLE
    assert stuck["local_minimum"]
    # All points at two poles: stationary by symmetry, and no minimum.
    pole = torch.eye(4, dtype=torch.float64)[[0, 0, 0, 0, 0]]
    assert minima.least_curvature(gaussian, torch.stack([pole, -pole])) < minima.SADDLE
    assert not minima.row(gaussian, 0, torch.stack([pole, -pole]), 1)["local_minimum"]


def test_verdicts_on_minima_turn(committed):
    table, _ = committed("minima")
    assert verdict_of(minima.judge(table), "KCL: the best descent ends at the simplex") == SUPPORTED
    table.loc[(table.method == "kcl-imq") & (table.optimum == "simplex"), "gap"] += 1e-6
    assert verdict_of(minima.judge(table), "KCL: the best descent ends at the simplex") == CONTRADICTED
    assert verdict_of(minima.judge(table), f"{FAMILY}: the best descent ends at the simplex") == SUPPORTED
    table.loc[table.method == "dhel", "distance_to_optimum"] = 0.1
    assert verdict_of(minima.judge(table), "all losses share these minimisers") == CONTRADICTED


def test_a_large_weight_at_a_low_temperature_makes_local_minima():
    """That random starts meet, of DHEL and not of SimCLR, as two independent computations found."""
    points = minima.starts(local_minima.COUNT, local_minima.DIM, range(6))
    found = {
        setting.method: minima.rows(setting.loss, range(6), points)
        for setting in local_minima.settings()
        if setting.parameters == {"temperature": 0.1, "weight": 4.0}
    }
    assert all(row["reached"] for row in found["simclr"])
    stuck = [row for row in found["dhel-mean"] if row["local_minimum"]]
    assert len(stuck) >= 3
    assert all(row["gap"] > minima.STUCK and not row["reached"] for row in stuck)


@pytest.fixture
def counted():
    """A table in which every start arrives, but some of the settings for which a statement says that not all do."""
    rows = []
    for setting in local_minima.settings():
        p = setting.parameters
        stuck = setting.method == "kcl-gaussian" or (setting.method == "dcl" and p["weight"] > 1)
        stuck |= setting.method == "dhel-mean" and p["temperature"] == 0.05 and p["weight"] >= 2
        ends = {"start": [0, 1, 2], "reached": [True, True, not stuck], "local_minimum": [False, False, stuck]}
        ends |= {
            "gap": [1e-14, 2e-14, 0.1 if stuck else 3e-14],
            "misalignment": 0.0,
            "distance_to_optimum": [1e-7, 1e-6, 0.1],
            "gradient": 1e-11,
        }
        random = pd.DataFrame(ends).assign(begun="random")
        polygons = random[:1].assign(begun="triangle and pentagon", reached=False, local_minimum=True, gap=0.3)
        rows.append(pd.concat([random, polygons]).assign(method=setting.method, **p))
    return pd.concat(rows, ignore_index=True)


def test_verdicts_on_local_minima_turn(counted):
    entries = local_minima.judge(counted)
    assert {entry.verdict for entry in entries} == {SUPPORTED}
    assert next(entry.measured for entry in entries if entry.statement.startswith("DHEL sum")) == pytest.approx(1 / 3)
    for start, rows in {
        "SimCLR at every τ and weight: share of 84 starts": "method == 'simclr' and temperature == 1 and weight == 4",
        "InfoNCE, SimCLR, DCL and DHEL mean at weight 1": "method == 'infonce' and temperature == 0.1",
        "KCL log at three scales, IMQ and Riesz": "method == 'kcl-riesz' and gamma == 1",
    }.items():
        spoiled = counted.copy()
        spoiled.loc[spoiled.query(f"{rows} and begun == 'random'").index, "reached"] = False
        assert verdict_of(local_minima.judge(spoiled), start) == CONTRADICTED
    for start, method in {
        "DCL at weights": "dcl",
        "DHEL sum": "dhel-mean",
        "DHEL mean with": "dhel-mean",
        "KCL G": "kcl-gaussian",
        "DHEL mean at weight 1: number of 7 τ": "dhel-mean",
        "DCL at weight 1: number": "dcl",
        "SimCLR at weight 4: number": "simclr",
    }.items():
        spoiled = counted.assign(local_minimum=counted.local_minimum & (counted.method != method))
        assert verdict_of(local_minima.judge(spoiled), start) == CONTRADICTED
    for temperature, found in ((0.05, SUPPORTED), (0.1, CONTRADICTED)):
        far = counted.copy()
        far.loc[far.query(f"method == 'simclr' and temperature == {temperature}").index, "distance_to_optimum"] = 0.01
        assert verdict_of(local_minima.judge(far), "at 110 of them, without InfoNCE and SimCLR at τ = 0.05") == found
    half_way = counted.assign(gradient=counted.gradient.where(counted.method != "kcl-gaussian", 0.1))
    assert verdict_of(local_minima.judge(half_way), "descents that do not arrive") == CONTRADICTED


@pytest.mark.parametrize("loss", [DCLLoss(0.3), DHELLoss(0.3, "mean"), SimCLRLoss(0.3, 4.0)])
def test_a_triangle_and_a_pentagon_are_a_strict_local_minimum(loss):
    """By the Hessian, which is 0 in 22 directions alone: the 16 lengths and the 6 rotations of four dimensions."""
    angles = [2 * math.pi * torch.arange(corners, dtype=torch.float64) / corners for corners in (3, 5)]
    polygons = [torch.stack([angle.cos(), angle.sin()], dim=1) for angle in angles]
    points = torch.block_diag(*polygons).expand(2, -1, -1)
    hessian = torch.autograd.functional.hessian(lambda flat: loss(*flat.view(2, 8, 4)), points.flatten())
    eigenvalues = np.linalg.eigvalsh(hessian.numpy())
    assert (np.abs(eigenvalues) < 1e-10).sum() == 22
    assert eigenvalues.min() > -1e-10
    assert minima.gradient(loss, points) < 1e-14
    assert loss(*points) > loss.minimum(8, 4) + 0.1
    near = local_minima.near_polygons(0)
    torch.testing.assert_close(near.norm(dim=-1), torch.ones(2, 8, dtype=torch.float64))
    assert 0.01 < (near - points).square().mean().sqrt() < 0.05


def test_a_descent_that_remembers_too_much_goes_on_along_the_gradient():
    """It stood at a gradient of 0.06, since no step along a direction of length 2e6 lowered the loss."""
    loss, start = SimCLRLoss(temperature=1.0), minima.starts(8, 4, [1709])
    (end,) = minima.rows(loss, [1709], start)
    assert end["reached"]


@pytest.mark.parametrize("large", [1e3, 1e12, 1e30])
def test_sums_without_the_diagonal_keep_the_digits_of_small_rows(large):
    matrix = torch.tensor([[large, 1e-3, 2e-3], [1.0, large, 1.0], [1.0, 1.0, large]], dtype=torch.float64)
    assert without_diagonal(matrix[None])[0, 0].item() == pytest.approx(3e-3, rel=1e-15)


def test_starts_that_arrive_are_tabled_with_their_interval(counted, tmp_path):
    counted.to_csv(tmp_path / "local_minima.csv", index=False)
    table = tables.local_minima(tmp_path).set_index("loss")
    assert list(table) == [*(f"τ = {tau:g}" for tau in local_minima.TEMPERATURES), "γ = 1", "γ = 4", "γ = 16"]
    assert list(table.loc["SimCLR, w = 0.5"]) == ["3/3 (29 to 100 %)"] * 7 + [""] * 3
    assert table.loc["DHEL mean, w = 4", "τ = 0.05"] == "2/3 (9 to 99 %), 1 in local minima"
    assert list(table.loc["KCL IMQ"])[:7] == [""] * 7
    assert {"InfoNCE, w = 1", "KCL Gaussian, t = 2", "KCL Riesz"} < set(table.index)


def test_the_figure_of_local_minima_has_a_line_a_weight(counted):
    figure = import_module("dhel_kcl.theory.figures.local_minima").draw(counted)
    assert [len(ax.containers) for ax in figure.axes] == [4, 4, 4, 3]
    points = f"{local_minima.COUNT} pairs in {local_minima.DIM} dimensions, 3 starts a setting"
    assert points in " ".join(figure.get_suptitle().split())
    (legend,) = figure.legends
    weights = ["w = 0.5", "w = 1", "w = 2 (of DHEL mean: DHEL sum)", "w = 4"]
    scales = [f"KCL: t = {t:g}" for t in (1, 2, 4)]
    assert [text.get_text() for text in legend.get_texts()] == [*weights, *scales]


def test_sub_batches_of_kcl_have_one_mean_and_of_the_others_not(monkeypatch):
    monkeypatch.setattr(batch_size, "PAIRS", 5)
    table = pd.DataFrame(batch_size.sub_batches())
    for method, means in table.groupby("method")["mean"]:
        assert (means.max() - means.min() < 1e-12) == (method in KERNEL), method


def test_growth_and_limit_of_the_expected_loss(monkeypatch):
    monkeypatch.setattr(batch_size, "SIZES", (64,))
    monkeypatch.setattr(batch_size, "POINTS", 2048)
    table = pd.DataFrame(batch_size.uniform()).set_index("method")
    assert ((table["mean"] - table.expected).abs() <= 4 * table.standard_error).all()
    assert table.loc["dhel", "limit"] == pytest.approx(2 * table.loc["dhel-mean", "limit"] + 2)  # 1/tau = 2
    assert table.loc["dcl", "limit"] == pytest.approx(table.loc["dhel-mean", "limit"] + math.log(2))


def test_verdicts_on_batch_size_turn(committed):
    table, _ = committed("batch_size")
    changed = table.copy()
    changed.loc[(table.sampling == "sub-batches") & (table.method == "kcl-log") & (table.batch_size == 2), "mean"] += (
        1e-9
    )
    assert verdict_of(batch_size.judge(changed), "KCL: the mean over all sub-batches") == CONTRADICTED
    changed = table.copy()
    changed.loc[(table.sampling == "uniform") & (table.method == "dcl"), "mean"] = table.limit
    assert verdict_of(batch_size.judge(changed), "the InfoNCE family at M = 2") == CONTRADICTED


@pytest.mark.parametrize("rank", [2, 8, 64, 128])
def test_anisotropic_points_have_the_participation_ratio_asked_for(rank):
    values = uniformity.variances(rank)
    assert values.sum() ** 2 / (values**2).sum() == pytest.approx(rank, rel=1e-6)
    assert values[0] == 1
    np.testing.assert_allclose(np.diff(np.log(values), n=2), 0, atol=1e-9)
    points = uniformity.anisotropic(rank, seed=0)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    assert metrics.effective_rank(points) < metrics.effective_rank(uniformity.anisotropic(128, seed=0)) + 1e-9


@pytest.mark.parametrize(
    ("rank", "uniformity_shift", "wasserstein_shift"), [(64, 1.6, 3.0), (32, 4.7, 7.2), (8, 22, 22), (4, 39, 35)]
)
def test_shifts_of_sub_spheres_without_noise(rank, uniformity_shift, wasserstein_shift):
    """In percent of the range, from the laws of the dot products themselves."""
    full, here = (sphere.log_mean_exp(dim, 0.25) - 4 for dim in (128, rank))
    assert 100 * (here - full) / -full == pytest.approx(uniformity_shift, abs=0.5)
    levels = (np.arange(20_000) + 0.5) / 20_000
    gap = sphere.dot_product_quantile(levels, 128) - sphere.dot_product_quantile(levels, rank)
    assert 100 * np.abs(gap).mean() == pytest.approx(wasserstein_shift, abs=0.5)
    # And what is measured on points is that.
    points = uniformity.sub_sphere(rank, seed=0)
    assert metrics.wasserstein_uniformity(points) == pytest.approx(np.abs(gap).mean(), abs=0.01)


def test_shares_run_from_uniform_to_collapse(committed):
    shares = uniformity.shares(committed("uniformity")[0])
    full = shares[(shares.family == "sub-sphere") & (shares["rank"] == 128)]
    for metric in uniformity.COLLAPSED:
        assert full[metric].mean() == pytest.approx(0, abs=1e-12)
        assert shares[metric].max() < 1


def test_verdicts_on_uniformity_turn(committed):
    table, _ = committed("uniformity")
    table["wasserstein_uniformity"] = (table.uniformity - table.uniformity.min()) / 8  # less sensitive than uniformity
    found = [entry.verdict for entry in uniformity.judge(table) if entry.claim == "C7"]
    assert found == [CONTRADICTED] * 2


def test_the_circle_at_few_starts(monkeypatch):
    monkeypatch.setattr(circle, "STARTS", 5)
    monkeypatch.setattr(circle, "METHODS", ("simclr", "dcl", "dhel-mean", "kcl-gaussian"))
    table = circle.measure()
    assert {entry.verdict for entry in circle.judge(table)} == {SUPPORTED}
    least = table.groupby(["method", "objective"]).value.min()
    assert least["dhel-mean", "whole loss"] == pytest.approx(-4)  # -1/tau + (-1)/tau at tau = 0.5
    assert least["simclr", "whole loss"] == pytest.approx(math.log1p(2 * math.exp(-4)))
    assert least["kcl-gaussian", "whole loss"] == pytest.approx(-2 + 32 * math.exp(-8))
    table.loc[table.objective == "whole loss", "v1"] += 0.1
    assert verdict_of(circle.judge(table), "two pairs on the circle") == CONTRADICTED


@pytest.mark.parametrize(("count", "size"), [(12, 2), (12, 3), (12, 6), (6, 3)])
def test_the_variance_bounds_are_attained(count, size):
    low, high = minibatches.bounds(count, size)
    for make, bound in ((minibatches.orthogonal_batches, low), (minibatches.coinciding_batches, high)):
        points = make(count, 12, size)
        assert metrics.negative_variance(points, points) == pytest.approx(bound, rel=1e-12)


def test_fixed_batches_stay_between_the_bounds():
    low, high = minibatches.bounds(minibatches.COUNT, 3)
    ends = minibatches.fixed_batches("dhel", 3)
    assert [start for _, start, _, _ in ends] == list(range(minibatches.STARTS))
    for _, _, points, gap in ends:
        assert abs(gap) < 1e-10
        assert low < metrics.negative_variance(points, points) < high
        for batch in np.split(points, minibatches.COUNT // 3):
            np.testing.assert_allclose(batch @ batch.T, 1.5 * np.eye(3) - 0.5, atol=1e-5)


SPOILED = [
    # Experiment, rows, column, value to set or add, start of the statement that must turn.
    (
        "minima",
        "optimum == 'cross-polytope' and method == 'kcl-log'",
        "gap",
        1e-9,
        "KCL: the best descent ends at the c",
    ),
    (
        "minima",
        "optimum == 'cross-polytope' and method == 'dcl'",
        "gap",
        -1e-9,
        f"{FAMILY}: the best descent ends at the c",
    ),
    ("batch_size", "method == 'kcl-imq' and batch_size == 32", "mean", 0.03, "KCL at uniform anchors"),
    ("batch_size", "method == 'kcl-imq' and batch_size == 512", "standard_error", 0.02, "KCL at uniform anchors"),
    ("batch_size", "method == 'dhel' and batch_size == 256", "mean", 0.005, "the same family at M >= 64"),
    ("batch_size", "method == 'dhel' and batch_size == 2", "standard_error", 0.01, "the InfoNCE family at M = 2"),
    (
        "batch_size",
        "sampling == 'sub-batches' and method == 'dcl'",
        "mean",
        None,
        "InfoNCE, SimCLR, DCL, DHEL: that mean",
    ),
    ("circle", "method == 'simclr' and objective == 'energy'", "v1", "u1", "SimCLR's log-denominator"),
    ("circle", "method == 'dcl' and objective == 'energy' and start == 3", "free", 1, "the log-denominators of SimCLR"),
    ("minibatches", "method == 'dhel' and batch_size == 4", "variance", 1.0, "descents on fixed batches end"),
    ("minibatches", "method == 'dcl' and start == 2", "gap", 1e-9, "descents on fixed batches make"),
]


@pytest.mark.parametrize(("name", "rows", "column", "value", "start"), SPOILED, ids=[entry[-1] for entry in SPOILED])
def test_verdicts_turn_with_what_was_measured(committed, name, rows, column, value, start):
    table, _ = committed(name)
    assert verdict_of(MODULES[name].judge(table), start) == SUPPORTED
    index = table.query(rows).index
    assert len(index)
    if value is None:
        table.loc[index, column] = table.loc[index, column].mean()
    elif column in ("mean", "gap"):
        table.loc[index, column] += value
    else:
        table.loc[index, column] = table.loc[index, value] if isinstance(value, str) else value
    assert verdict_of(MODULES[name].judge(table), start) == CONTRADICTED


@pytest.mark.parametrize("method", LOSS_OF)
def test_losses_of_a_stack_are_those_of_the_library(method):
    points = minima.starts(6, 4, seeds=range(3)).requires_grad_()
    loss = LOSS_OF[method]
    alone = torch.stack([loss(u, v) for u, v in points])
    stacked = losses(loss, points / points.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(stacked, alone, rtol=1e-13, atol=1e-13)
    slopes = [torch.autograd.grad(values.sum(), points)[0] for values in (stacked, alone)]
    torch.testing.assert_close(*slopes, rtol=1e-11, atol=1e-12)


def test_losses_of_a_stack_are_those_of_the_library_at_every_setting_whose_minima_are_counted():
    points = minima.starts(6, 4, seeds=range(2))
    for setting in local_minima.settings():
        alone = torch.stack([setting.loss(u, v) for u, v in points])
        torch.testing.assert_close(losses(setting.loss, points), alone, rtol=1e-13, atol=1e-13)


def test_descents_are_of_both_views_and_each_start_for_itself():
    target = minima.starts(3, 4, seeds=[5])
    starts = minima.starts(3, 4, seeds=[0, 1])
    ends = descend(lambda points: -(points * target).sum(dim=(1, 2, 3)), starts)
    torch.testing.assert_close(ends.points, target.expand(2, -1, -1, -1), atol=1e-7, rtol=0)
    torch.testing.assert_close(ends.values, torch.full((2,), -6.0, dtype=torch.float64))
    both = descend(lambda points: losses(LOSS_OF["simclr"], points), starts)
    alone = descend(lambda points: losses(LOSS_OF["simclr"], points), starts[1:])
    torch.testing.assert_close(both.points[1:], alone.points, atol=1e-6, rtol=0)
    assert both.evaluations[1] == pytest.approx(alone.evaluations[0], abs=3)


def test_the_table_of_verdicts_has_every_statement():
    table = tables.verdicts(ROOT / "results/theory")
    assert table.experiment.unique().tolist() == list(EXPERIMENTS)
    assert set(table.verdict) <= {SUPPORTED, CONTRADICTED}
    assert not table.statement.duplicated().any()


def test_the_table_of_gaps_counts_the_starts_that_reached_the_least_value(tmp_path):
    ends = ((-2e-15, True), (1e-9, False), (0.3, False))
    rows = [{"dim": 4, "count": 5, "method": "dcl", "gap": gap, "reached": reached} for gap, reached in ends]
    pd.DataFrame(rows).to_csv(tmp_path / "minima.csv", index=False)
    assert tables.gaps(tmp_path).to_dict("records") == [{"loss": "DCL", "d=4, M=5": "-2e-15 (1/3)"}]
