"""Runs that never were, with known truth: their folders, and the tidy tables that could be theirs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from dhel_kcl.data import split
from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.collect import over_seeds
from dhel_kcl.evidence.status import Present
from dhel_kcl.evidence.tidy import COLUMNS, CONFIGURATION, Results, pack
from dhel_kcl.files import sha256, write_json, write_rows
from dhel_kcl.study import job_counts, layout, selection
from dhel_kcl.study.suite import Suite

ROOT = Path(__file__).parents[1]
IMAGES = 400
BOOK = ledger.read()
BOOK = replace(BOOK, rules=replace(BOOK.rules, draws=100))
"""The ledger, with fewer draws, to be quick."""
STATEMENTS = {statement.id: statement for statement in BOOK.statements}
PRESENT = Present(plan="0123456789ab", claims="ba9876543210")
"""What all runs were trained by."""


def suite_of(folder, change=lambda content: None, base="digits"):
    """A suite with what `change` does to the config of another one, with five judged seeds if it has several, and
    without causes."""
    shutil.copytree(ROOT / "config", folder / "config", dirs_exist_ok=True)
    content = yaml.safe_load((ROOT / f"config/suites/{base}.yaml").read_text())
    content.pop("causes", None)
    if len(content["seeds"]["selected"]) > 3:
        content["seeds"]["selected"] = [1, 2, 3, 4, 5]
    change(content)
    text = yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False)  # without references
    (folder / "config/suites/changed.yaml").write_text(text)
    return Suite.load(folder, "changed")


def small(content):
    """Two losses at two batch sizes, trained for equal epochs, to be quick."""
    content["training"] = {"epochs": 15}
    content["losses"] = {name: content["losses"][name] for name in ("dhel", "simclr")}
    content["batch_sizes"] = [16, 64]
    del content["ablations"]


def with_causes(seeds, rates=(0.1, 0.3)):
    """Every step of the chain from SimCLR to DHEL's sum, at two temperatures."""

    def change(content):
        small(content)
        grid = {"temperature": [0.1, 0.5], "learning_rate": list(rates)}
        losses = {name: {"loss": name.split("-")[0]} | grid for name in ("simclr-c", "dcl-c", "dhel-c")}
        losses["dhel-c"] |= {"form": ["mean", "sum"]}
        content["causes"] = {"batch_size": 64, "seeds": seeds, "losses": losses}

    return change


def with_rates(content):
    """A learning rate to be tuned, and a final length."""
    small(content)
    content["losses"] = {name: entry | {"learning_rate": [0.1, 0.3]} for name, entry in content["losses"].items()}
    content["final"] = {"training": {"epochs": 40}, "seeds": [10, 11, 12, 13, 14]}


def planned(change):
    """A suite whose statements were planned."""

    def confirmatory(content):
        change(content)
        content["confirmatory"] = True

    return confirmatory


def effect(column, size, at=None):
    """A truth in which DHEL lies above SimCLR by `size`, at all batch sizes or at one."""

    def truth(run, loss):
        base = 20.0 if "rank" in column else 80.0
        return {column: base + (size if run.method == "dhel" and at in (None, run.batch_size) else 0.0)}

    return truth


def runs_of(suite, truth, noise, seed=0, without=lambda run: False):
    """runs.csv of a suite. truth(run, values): {column: expected value}, of a run with these hyperparameters; noise:
    {column: standard deviation}. A grid's first point is the selected one."""
    rng = np.random.default_rng(seed)
    chosen, rows = {}, []
    for run in suite.runs:
        key = (run.dataset, run.method, run.batch_size)
        setting = chosen[key] if run.takes_selected else run.setting
        training = suite.training(run).changed(setting.training)
        row = {"dataset": run.dataset, "section": run.section, "method": run.method, "batch_size": run.batch_size}
        row |= {"role": run.role, "selected": run.takes_selected or run.role == "floor", "seed": run.seed}
        row |= {"parameters": setting.parameters, "learning_rate": training.learning_rate, "test_images": IMAGES}
        row |= {"epochs": training.epochs or training.updates_at(run.batch_size) * run.batch_size / 1000}
        row |= {"plan": PRESENT.plan, "claims": PRESENT.claims, "git_revision": "0123456789abcdef"}
        row |= {"unit_test_accuracy": 80.0, "standardised_test_accuracy": 81.0, "z_negative_variance": 0.1}
        row |= {"probe_scaling": "unit", "probe_weight_decay": suite.settings(run.dataset).probe.weight_decay[0]}
        expected = {"validation_accuracy": 80.0, "validation_cross_entropy": 1.0, "test_cross_entropy": 1.0}
        expected |= {"test_accuracy": 80.0, "knn_accuracy": 75.0, "cached_test_accuracy": 79.0}
        for space in ("z", "h"):
            expected |= {f"{space}_alignment": 0.3, f"{space}_uniformity": -2.0}
            expected |= {f"{space}_effective_rank": 20.0, f"{space}_effective_rank_centred": 20.0}
            expected |= {f"{space}_wasserstein_uniformity": 0.1, f"{space}_covariance_rank": 60.0}
        expected |= truth(run, setting.values)
        row |= {name: value + noise.get(name, 0.0) * rng.standard_normal() for name, value in expected.items()}
        if not without(run):
            rows.append(row)
        if run.role == "grid" and key not in chosen:
            chosen[key] = setting
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


def code_of(run):
    """Digest of the code that run folders of `run_folders` say they were made with."""
    return f"code of {run.loss['name']}"


def run_folders(folder, suite):
    """Everything below `folder` that tidy tables are collected from, as if all runs of a suite had ended."""
    splits = {}
    for dataset in suite.datasets:
        counts = suite.settings(dataset).split
        drawn = np.random.default_rng(0).permutation(2000)[: counts.train + counts.validation + counts.test]
        train, validation, test = np.split(drawn, [counts.train, counts.train + counts.validation])
        subsets = {"train": train, "validation": validation, "test": test, "pretrain": train}
        splits[dataset] = {name: np.sort(images) for name, images in subsets.items()}
        path = folder / layout.SPLIT.format(suite=suite.name, dataset=dataset)
        split.write(path, splits[dataset], split.Origin(dataset, 2000, "sha256"))
    candidates = {}
    for number, run in enumerate(sorted(suite.runs, key=lambda run: run.takes_selected)):
        rng, key = np.random.default_rng(number), (run.dataset, run.method, run.batch_size)
        spec = suite.pretrain_spec(run)
        if run.takes_selected:
            chosen = selection.best(candidates[key])
            spec["loss"], spec["training"]["learning_rate"] = chosen.loss, chosen.learning_rate
        if run.trained:
            _write_training(folder, suite, run, spec)
        report = _write_evaluation(folder / run.folder, suite, run, splits[run.dataset], rng)
        for target in suite.transfers(run):
            spec = suite.evaluation_spec(target) | {"augmented": None}
            scores = _scores(spec, splits[target], rng)[0]
            write_json(folder / layout.transfer(run, target), scores | {"spec": spec})
        if run.role == "grid":
            candidates.setdefault(key, []).append(selection.Candidate.of(run.name, spec, report))
            write_json(folder / layout.selected(run), selection.selected(candidates[key]))
    cells = dict.fromkeys((run.dataset, run.batch_size) for run in suite.runs)
    plan = [{"dataset": dataset, "batch_size": size, "views_per_second": 1e3 + size} for dataset, size in cells]
    write_rows(folder / layout.PLAN.format(suite=suite.name), plan)


def _write_training(folder, suite, run, spec):
    path, epochs = folder / run.folder, range(1, 3)
    write_json(path / "spec.json", spec)
    write_rows(path / "log.csv", [{"epoch": k, "step": 5 * k, "loss": 2.0 / k, "gap": 1.0 / k} for k in epochs])
    for name in ("encoder", "projector"):
        (path / f"{name}.safetensors").write_bytes(f"{name} of {run.folder}".encode())
    files = [name for name in layout.TRAINED if name != "provenance.json"]
    record = {"git_revision": "0123456789abcdef", "training_seconds": 2.5, "views": job_counts.views(suite, run)}
    record |= {
        "plan": None,
        "claims": "c" * 64,
        "code": code_of(run),
        "sha256": {name: sha256(path / name) for name in files},
    }
    write_json(path / "provenance.json", record)


def _scores(spec, images, rng):
    """Content of probe.json but for the spec, and which test images are classified right; all probes do alike."""
    right = {name: rng.random(len(index)) < 0.8 for name, index in images.items() if name != "pretrain"}
    report = {
        name: {"accuracy": 100 * float(correct.mean()), "cross_entropy": rng.random(), "images": len(correct)}
        for name, correct in right.items()
    }
    probe = {"weight_decay": spec["weight_decay"][0]} | report
    candidates = [{"weight_decay": decay} | report["validation"] for decay in spec["weight_decay"]]
    report |= {"scaling": spec["scaling"][0], "weight_decay": probe["weight_decay"]}
    report["scalings"] = {scaling: probe | {"candidates": candidates} for scaling in spec["scaling"]}
    report["knn"] = {name: report[name]["accuracy"] for name in ("validation", "test")}
    return report, right["test"]


def _write_evaluation(folder, suite, run, images, rng):
    """The five files of an evaluation; returns the content of probe.json."""
    spec = suite.evaluation_spec(run.dataset)
    report, right = _scores(spec, images, rng)
    if spec["augmented"] and run.trained:
        scores = {name: report[name] for name in ("train", "validation", "test", "knn")}
        report = scores | {"cached": {name: report[name] for name in report if name != "knn"}}
    report |= {"spec": spec}
    labels = rng.integers(10, size=len(right))
    rows = zip(images["test"].tolist(), labels.tolist(), np.where(right, labels, labels + 1).tolist(), strict=True)
    geometry, spectrum, densities, bins = {}, [], [], spec["histogram_bins"]
    for space in ("z", "h") if run.method not in ("pixels", "supervised") else ("h",):
        geometry[space] = {"embeddings": len(right), "dim": 8, "alignment": rng.random(), "uniformity": -rng.random()}
        geometry[space] |= {"wasserstein_uniformity": rng.random(), "covariance_rank": 7}
        geometry[space] |= {"effective_rank": 1 + 6 * rng.random(), "effective_rank_centred": 1 + 6 * rng.random()}
        geometry[space] |= {"negative_variance": rng.random() if space == "z" else None}
        sigma, density = np.sort(rng.random(8))[::-1], rng.random(bins)
        ends, density = np.linspace(-1, 1, bins + 1), density / density.sum() * bins / 2
        spectrum += [{"space": space, "index": k + 1, "singular_value": s / sigma[0]} for k, s in enumerate(sigma)]
        densities += [{"space": space, "similarity": e, "density": d} for e, d in zip(ends, density, strict=False)]
    write_json(folder / "probe.json", report)
    write_rows(folder / "predictions.csv", [dict(zip(("image", "label", "prediction"), r, strict=True)) for r in rows])
    write_json(folder / "geometry.json", geometry)
    write_rows(folder / "spectrum.csv", spectrum)
    write_rows(folder / "similarities.csv", densities)
    return report
