"""`benchmarks/gpu.py` and the two steps of a run, on a machine with torch and torchvision and little else."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.device_checks import CHECKS
from dhel_kcl.files import read_json
from dhel_kcl.study import job_counts
from dhel_kcl.study.suite import Suite
from dhel_kcl.training.spec import PretrainSpec
from tests.alone import environ, link, python
from tests.pipeline import ROOT

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "safetensors", "tqdm")
SPECS = ROOT / "benchmarks/specs"


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Function that runs Python there, in a folder; its output."""
    allowed, here = tmp_path_factory.mktemp("allowed"), tmp_path_factory.mktemp("here")
    link(PACKAGES, allowed)

    def bare(*arguments):
        kept = environ(ROOT / "src", allowed)
        ran = subprocess.run(python(*arguments), cwd=here, env=kept, capture_output=True, encoding="utf-8")
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return bare


@pytest.mark.slow
def test_the_machine_has_nothing_else(bare):
    names = ("pydantic", "yaml", "pandas", "snakemake", "requests", "sklearn", "threadpoolctl", "tabulate", "pytest")
    found = bare("-c", f"import importlib.util as i, torchvision; print([n for n in {names} if i.find_spec(n)])")
    assert found.strip() == "[]"


@pytest.mark.slow
def test_the_benchmark_runs_and_writes_what_it_found(bare, tmp_path):
    said = bare(ROOT / "benchmarks/gpu.py", "--device", "cpu", "--quick", "--out", tmp_path / "found")
    report = read_json(tmp_path / "found.json")
    assert [(check["check"], check["result"]) for check in report["checks"]] == [(name, "passed") for name in CHECKS]
    ways = ["this project", "the network alone", "a plain loop"]
    assert [(row["case"], row["way"]) for row in report["rows"]] == [
        (suite, way) for suite in ("cifar10", "imagenet100") for way in ways
    ]
    assert report["failures"] == []
    assert all(row["views_per_second"] > 1 and row["hours_a_run"] is None for row in report["rows"])
    of_all = [row["views_per_second"] * row["seconds"] / row["steps"] for row in report["rows"]]
    assert of_all == pytest.approx([16] * len(of_all)), "views of a step, by the mean of all steps"
    assert report["where"]["gpu"] is None
    assert report["where"]["versions"].keys() >= {"torch", "torchvision"}
    text = (tmp_path / "found.md").read_text(encoding="utf-8")
    assert "Small networks, for a try" in text
    assert said.endswith(f"{text}\n")


@pytest.mark.slow
def test_a_run_is_trained_and_evaluated(bare, pretrain_spec, evaluation_spec, digits_folder, split_file, tmp_path):
    data = ("--data", digits_folder, "--split", split_file, "--out", tmp_path / "run")
    spec, evaluation = json.dumps(pretrain_spec), json.dumps(evaluation_spec)
    bare("-m", "dhel_kcl", "pretrain", "--spec", spec, *data, "--scratch", tmp_path / "scratch")
    bare("-m", "dhel_kcl", "evaluate", "--spec", evaluation, *data, "--run", tmp_path / "run")
    assert read_json(tmp_path / "run/probe.json")["test"]["images"] == 60


@pytest.mark.parametrize(("suite", "temperature", "images"), [("cifar10", 0.3, 45_000), ("imagenet100", 0.5, 125_689)])
def test_the_committed_specs_are_the_suites(suite, temperature, images):
    loaded, (dataset,) = Suite.load(ROOT, suite), Suite.load(ROOT, suite).datasets
    wanted = {"name": "dhel", "form": "sum", "temperature": temperature}
    run = next(run for run in loaded.runs if (run.loss, run.batch_size, run.role) == (wanted, 256, "grid"))
    assert read_json(SPECS / f"{suite}.pretrain.json") == loaded.pretrain_spec(run)
    assert read_json(SPECS / f"{suite}.evaluate.json") == loaded.evaluation_spec(dataset)
    assert job_counts.subset_sizes(loaded, dataset)["pretrain"] == images
    assert f'"{suite}": {images:_}' in (ROOT / "benchmarks/gpu.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("length", ['"epochs": 20', '"updates": 3000'])
def test_another_length_is_an_edit_of_a_word(length, tmp_path):
    """As docs/scale.md has it."""
    documented = Path(ROOT / "docs/scale.md").read_text(encoding="utf-8")
    command = next(line for line in documented.splitlines() if line.startswith("sed ") and length in line)
    subprocess.run(
        command.split("#")[0].replace("> spec.json", f"> {tmp_path}/spec.json"), shell=True, cwd=ROOT, check=True
    )
    training = PretrainSpec.read(str(tmp_path / "spec.json")).as_dict()["training"]
    assert training.items() >= json.loads(f"{{{length}}}").items()
    assert ("epochs" in training) + ("updates" in training) == 1
