"""Tidy tables of runs that never were, with known truth, for the tests of claims, tables and figures."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.collect import over_seeds
from dhel_kcl.evidence.tidy import COLUMNS, CONFIGURATION, Results, pack
from dhel_kcl.study.suite import Suite, parameters

ROOT = Path(__file__).parents[1]
IMAGES = 400
BOOK = ledger.read()
BOOK = replace(BOOK, rules=replace(BOOK.rules, draws=100))
"""The ledger, with fewer draws, to be quick."""
STATEMENTS = {statement.id: statement for statement in (*BOOK.statements, *BOOK.trade_off)}


def suite_of(folder, change=lambda content: None, base="digits"):
    """A suite with what `change` does to the config of another one, cut to five seeds and without trade-off."""
    shutil.copytree(ROOT / "config", folder / "config", dirs_exist_ok=True)
    content = yaml.safe_load((ROOT / f"config/suites/{base}.yaml").read_text())
    content.pop("trade_off", None)
    if len(content["seeds"]["selected"]) > 4:
        content["seeds"]["selected"] = [1, 2, 3, 4]
    change(content)
    text = yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False)  # without references
    (folder / "config/suites/changed.yaml").write_text(text)
    return Suite.load(folder, "changed")


def small(content):
    """Two losses at two batch sizes, to be quick."""
    content["losses"] = {name: content["losses"][name] for name in ("dhel", "simclr")}
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


def effect(column, size, at=None):
    """A truth in which DHEL lies above SimCLR by `size`, at all batch sizes or at one."""

    def truth(run, loss):
        base = 20.0 if "rank" in column else 80.0
        return {column: base + (size if run.method == "dhel" and at in (None, run.batch_size) else 0.0)}

    return truth


def curves(shift, scale=1.0):
    """Rank rises with log alignment along one curve for SimCLR and, higher by `shift`, for DHEL."""

    def truth(run, loss):
        alignment = 0.3 * loss.get("temperature", 1.0) ** -0.4 * (scale if run.method == "dhel" else 1.0)
        return {
            "z_alignment": alignment,
            "z_effective_rank": 30 + 8 * np.log(alignment) + shift * (run.method == "dhel"),
        }

    return truth


def runs_of(suite, truth, noise, seed=0, without=lambda run: False):
    """runs.csv of a suite. truth(run, loss): {column: expected value}; noise: {column: standard deviation}."""
    rng = np.random.default_rng(seed)
    chosen, rows = {}, []
    for run in suite.runs:
        key = (run.dataset, run.method, run.batch_size)
        loss = chosen[key] if run.role == "selected" else run.loss
        row = {"dataset": run.dataset, "section": run.section, "method": run.method, "batch_size": run.batch_size}
        row |= {"role": run.role, "selected": run.role in ("selected", "floor"), "seed": run.seed}
        row |= {"parameters": parameters(loss), "test_images": IMAGES, "git_revision": "0123456789abcdef"}
        expected = {"validation_accuracy": 80.0, "validation_cross_entropy": 1.0, "test_cross_entropy": 1.0}
        expected |= {"test_accuracy": 80.0, "knn_accuracy": 75.0, "cached_test_accuracy": 79.0}
        for space in ("z", "h"):
            expected |= {f"{space}_alignment": 0.3, f"{space}_uniformity": -2.0}
            expected |= {f"{space}_effective_rank": 20.0, f"{space}_effective_rank_centred": 20.0}
            expected |= {f"{space}_wasserstein_uniformity": 0.1, f"{space}_covariance_rank": 60.0}
        expected |= truth(run, loss)
        row |= {name: value + noise.get(name, 0.0) * rng.standard_normal() for name, value in expected.items()}
        if not without(run):
            rows.append(row)
        if run.role == "grid" and key not in chosen:  # the first grid point is the selected one
            chosen[key] = loss
            row["selected"] = True
    return pd.DataFrame(rows)


def results_of(folder, suite, truth=lambda run, loss: {}, noise=None, seed=0, without=lambda run: False):
    """`Results` of a suite in `folder`, with all tidy tables but claims.csv."""
    noise = {"test_accuracy": 0.5, "z_effective_rank": 0.5} if noise is None else noise
    runs = runs_of(suite, truth, noise, seed, without)
    write(folder, runs)
    return Results(folder, suite)


def in_memory(folder, suite, truth, noise, seed):
    """Results whose runs are no file, and which have no predictions."""
    results = Results(folder, suite)
    vars(results)["runs"], vars(results)["correct"] = runs_of(suite, truth, noise, seed), {}
    return results


def write(folder, runs):
    """All tidy tables but claims.csv that could belong to these runs."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, selected = np.random.default_rng(0), runs[runs.selected]
    difficulty, predictions, epochs, spectra, densities = rng.random(IMAGES), [], [], [], []
    for row in selected.to_dict("records"):
        key = {name: row[name] for name in CONFIGURATION}
        score = difficulty + 0.05 * rng.standard_normal(IMAGES)
        correct = score <= np.quantile(score, np.clip(row["test_accuracy"] / 100, 0, 1))
        predictions.append(key | {"seed": row["seed"], "images": IMAGES, "correct": pack(correct)})
        spectra.append(
            pd.DataFrame({"space": "z", "index": [1, 2, 3], "singular_value": [1.0, 0.5, 0.2]}).assign(**key)
        )
        density = {"space": "z", "similarity": [-1.0, 0.0, 0.98], "density": [0.1, 2.0, 0.1]}
        densities.append(pd.DataFrame(density).assign(**key))
        if row["section"] != "floors":
            curve = {"epoch": [1, 2], "step": [10, 20], "loss": [2.0, 1.0], "gap": [1.0, 0.5]}
            epochs.append(pd.DataFrame(curve).assign(**key, seed=row["seed"]))
    trained = runs[~runs.method.isin(["pixels", "random"])].groupby(CONFIGURATION, sort=False)
    costs = trained.agg(runs=("seed", "size")).reset_index()
    tables = {
        "runs": runs,
        "predictions": pd.DataFrame(predictions, columns=COLUMNS["predictions"]),
        "epochs": (pd.concat(epochs) if epochs else pd.DataFrame()).reindex(columns=COLUMNS["epochs"]),
        "spectra": over_seeds(spectra, ["space", "index"], "singular_value"),
        "similarities": over_seeds(densities, ["space", "similarity"], "density"),
        "costs": costs.assign(
            seconds_a_run=10.0, total_seconds=10.0 * costs.runs, views_per_second=1e3, planned_views_per_second=1.1e3
        ),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
