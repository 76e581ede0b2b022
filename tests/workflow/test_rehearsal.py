"""The suite rehearsal: every step of the paper's recipes at full architecture, on tiny data in the official formats.

Takes about three minutes on two cores.
"""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dhel_kcl.files import read_json
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT, environment
from tests.unit.data.official import CLASSES, checksums, cifar10_files, cifar100_files, stl10_files, tar_gz

OFFICIAL = {"cifar10": cifar10_files(10), "cifar100": cifar100_files(200, 100), "stl10": stl10_files()}
IDS = ["n01440764", "n01443537", "n01484850"]
"""Classes of the tiny ImageNet: six images each to train with, two to test."""

# Python imports this at its start, in the process whose children the steps are. A user cannot replace checksums and
# sizes so.
SITE = """
import dataclasses, json, pathlib, sys
if any("serve()" in argument for argument in sys.orig_argv):
    from torchvision import datasets
    from dhel_kcl.data.catalogue import CATALOGUE
    replaced = json.loads(pathlib.Path(__file__).with_name("replaced.json").read_text())
    for name, attributes in replaced["checksums"].items():
        for key, value in attributes.items():
            setattr(getattr(datasets, name), key, value)
    for name, sizes in replaced["sizes"].items():
        CATALOGUE[name] = dataclasses.replace(CATALOGUE[name], **sizes)
"""


def photograph(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).resize((250, 200), Image.Resampling.BICUBIC).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """Working folder after the suite has run, and the environment that it ran in."""
    folder = tmp_path_factory.mktemp("rehearsal")
    sums, sizes = {}, {}
    for place in ("mirror", "site", "imagenet"):
        (folder / place).mkdir()
    for name, (files, parts) in OFFICIAL.items():
        archive = tar_gz(files)
        sizes[name] = {part: len(labels) for part, (_, labels) in parts.items()} | {"disk": 0}
        (folder / "mirror" / CLASSES[name].filename).write_bytes(archive)
        sums[CLASSES[name].__name__] = checksums(CLASSES[name], archive, files)
    (folder / "site/replaced.json").write_text(json.dumps({"checksums": sums, "sizes": sizes}))
    (folder / "site/sitecustomize.py").write_text(SITE)
    for part, count in (("train", 6), ("val", 2)):
        for k, class_id in enumerate(IDS):
            (folder / "imagenet" / part / class_id).mkdir(parents=True)
            for j in range(count):
                (folder / "imagenet" / part / class_id / f"{j}.JPEG").write_bytes(photograph(100 * k + j))
    (folder / "classes.txt").write_text("\n".join(IDS))
    environ = environment(ROOT)
    environ |= {
        "PYTHONPATH": f"{folder / 'site'}{os.pathsep}{environ['PYTHONPATH']}",
        "DHEL_KCL_MIRROR": (folder / "mirror").as_uri(),
        "DHEL_KCL_IMAGENET": str(folder / "imagenet"),
        "DHEL_KCL_IMAGENET_CLASSES": str(folder / "classes.txt"),
    }
    code, output = snakemake(folder, environ, "rehearsal")
    assert code == 0, output
    return folder, environ


def snakemake(folder, environ, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--directory", str(folder), *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def test_every_run_of_the_paper_recipes_ends(rehearsed):
    folder, environ = rehearsed
    suite = Suite.load(ROOT, "rehearsal")
    runs = pd.read_csv(folder / "results/rehearsal/runs.csv")
    assert len(runs) == len(suite.runs)
    assert set(runs.dataset) == {"cifar10", "cifar100", "stl10", "imagenet100"}
    for run in suite.runs:
        probe = read_json(folder / run.folder / "probe.json")
        assert probe["protocol"] == ("augmented" if run.trained else "cached")
        for target in suite.transfers(run):
            assert read_json(folder / run.folder / "transfer" / f"{target}.json")["test"]["images"] > 0
    code, output = snakemake(folder, environ, "-n", "rehearsal")
    assert code == 0
    assert "Nothing to be done" in output


def test_architectures_and_processes_are_those_of_the_config(rehearsed):
    folder, _ = rehearsed
    suite = Suite.load(ROOT, "rehearsal")
    views = {"cifar10": 80, "cifar100": 200, "stl10": 32, "imagenet100": 24}
    for run in suite.runs:
        if run.trained and run.method not in ("random", "supervised"):
            record = read_json(folder / run.folder / "provenance.json")
            assert record["processes"] == suite.settings(run.dataset).processes
            assert record["precision"] in ("fp32", "bf16")
            assert record["views"] == views[run.dataset]
            size = (folder / run.folder / "encoder.safetensors").stat().st_size
            assert size == pytest.approx(4 * (23.5e6 if run.dataset == "imagenet100" else 11.2e6), rel=0.01)


def test_results_say_which_classes_were_used(rehearsed):
    folder, _ = rehearsed
    manifest = read_json(folder / "data/imagenet100/manifest.json")
    assert manifest["class_ids"] == IDS
    assert manifest["class_list"] == "classes.txt"
