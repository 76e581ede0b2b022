import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import pytest
import torch

from dhel_kcl.files import DamagedError, read_json, write_json
from dhel_kcl.runtime.signals import REQUESTS
from dhel_kcl.steps import pretrain
from dhel_kcl.training import cores
from dhel_kcl.training.objective import Contrastive
from tests.pretraining import STEP, WRITTEN, options, results, start, wait_for_training


def test_a_run_folder_is_a_record(pretrain_spec, train, tmp_path):
    assert train(tmp_path)[0] == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == WRITTEN
    assert read_json(out / "spec.json") == pretrain_spec
    record = read_json(out / "provenance.json")
    assert record["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert record["threads"] == 1
    assert record["seed"] == 0
    assert record["views"] == 3 * 6 * 32
    assert record["training_seconds"] > 0
    assert (record["device"], record["precision"], record["processes"]) == ("cpu", "fp32", 1)
    assert record["sha256"].keys() == set(WRITTEN) - {"provenance.json"}
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert rows[0].keys() >= {"loss", "alignment_term", "energy_term", "learning_rate", "views_per_second", "gap"}


def test_a_training_of_some_updates_ends_within_an_epoch(pretrain_spec, train, tmp_path):
    """Of six updates an epoch it takes eight; the spec has no other length."""
    training = {key: value for key, value in pretrain_spec["training"].items() if key != "epochs"} | {"updates": 8}
    assert train(tmp_path, content=pretrain_spec | {"training": training})[0] == 0
    assert read_json(tmp_path / "out/spec.json")["training"] == training
    assert read_json(tmp_path / "out/provenance.json")["views"] == 8 * 32
    with (tmp_path / "out/log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["6", "8"]


def test_a_network_that_died_in_training_is_not_written(train, tmp_path, monkeypatch):
    """Its features are zero, and no direction: the evaluation could not measure them."""
    trained = pretrain.train

    def dying(run, *others):
        finished = trained(run, *others)
        for parameter in run.trainer.networks.encoder.parameters():
            parameter.data.zero_()
        return finished

    monkeypatch.setattr(pretrain, "train", dying)
    status, said = train(tmp_path)
    assert status == 1
    assert "the network died in training: it maps 32 of 32 views of training images to the zero vector" in said
    assert "Lower training.learning_rate" in said
    assert list((tmp_path / "out").iterdir()) == []


def test_threads_that_are_not_taken_are_named_and_recorded(pretrain_spec, train, tmp_path, monkeypatch):
    """The spec keeps what was asked for."""
    monkeypatch.setattr(cores, "available", lambda: 1)
    status, said = train(tmp_path, content=pretrain_spec | {"threads": 8})
    assert status == 0
    assert "threads: 8 are asked for, and 1 taken: this job may use no more cores" in said
    assert read_json(tmp_path / "out/provenance.json")["threads"] == 1
    assert read_json(tmp_path / "out/spec.json")["threads"] == 8


def test_selected_hyperparameters_complete_loss_and_training(pretrain_spec, train, tmp_path):
    chosen = {"loss": {"name": "simclr", "temperature": 0.7}, "learning_rate": 0.25}
    write_json(tmp_path / "selected.json", chosen)
    content = pretrain_spec | {"loss": {"name": "simclr"}}
    assert train(tmp_path, "--selected", str(tmp_path / "selected.json"), content=content)[0] == 0
    training = pretrain_spec["training"] | {"learning_rate": 0.25}
    assert read_json(tmp_path / "out/spec.json") == pretrain_spec | {"loss": chosen["loss"], "training": training}


def test_a_run_records_the_plan_of_the_job_that_began_it(train, tmp_path, monkeypatch):
    """A job that finds it finished, as after a selection that chose the same setting again, trains nothing and leaves
    the record as it was."""
    plans = iter(["first", "edited"])
    monkeypatch.setattr(pretrain, "planned", lambda: {"plan": next(plans), "claims": "c"})
    assert train(tmp_path)[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    record = read_json(tmp_path / "out/provenance.json")
    assert (record["plan"], record["claims"]) == ("first", "c")
    for path in (tmp_path / "out").iterdir():  # as Snakemake does
        path.unlink()
    status, said = train(tmp_path)
    assert status == 0
    assert "resuming after step 18 of 18" in said
    now = read_json(tmp_path / "out/provenance.json")
    assert now | {key: record[key] for key in ("peak_memory_bytes", "training_seconds")} == record
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before if name != "provenance.json"} == {
        name: content for name, content in before.items() if name != "provenance.json"
    }
    assert train(tmp_path, "--again")[0] == 0
    assert read_json(tmp_path / "out/provenance.json")["plan"] == "edited", "trained anew"


def test_a_run_goes_on_in_no_other_precision_than_it_was_begun_in(tmp_path):
    """Which "auto" may take on another GPU, while its record would name the last alone."""
    path = tmp_path / "scratch/origin.json"
    path.parent.mkdir()
    began = pretrain.origin(path, "a run", False, "bf16")
    assert pretrain.origin(path, "a run", True, "bf16") == began
    with pytest.raises(
        ValueError, match="scratch was begun in bf16, and this device would go on in fp32: take one like"
    ):
        pretrain.origin(path, "a run", True, "fp32")
    assert pretrain.origin(path, "a run", False, "fp32").keys() == began.keys(), "begun anew"


@pytest.mark.parametrize("content", ["[]", '{"loss": {}}', '{"run": "a run"}', "{"])
def test_damaged_records_are_named_with_the_remedy(train, tmp_path, content):
    (tmp_path / "selected.json").write_text(content, encoding="utf-8")
    status, said = train(tmp_path, "--selected", str(tmp_path / "selected.json"))
    assert status == 1
    assert re.search(r"error: .*selected\.json is damaged \(.*\); delete it and run again to rebuild it", said)
    (tmp_path / "origin.json").write_text(content, encoding="utf-8")
    with pytest.raises(DamagedError, match=r"origin\.json is damaged \(.*\); delete .*; the training then starts over"):
        pretrain.origin(tmp_path / "origin.json", "a run", True, "fp32")


@pytest.mark.slow
def test_a_job_stopped_by_each_signal_goes_on_and_ends_as_if_never_stopped(
    pretrain_spec, digits_folder, split_file, train, tmp_path
):
    content = pretrain_spec | {"training": pretrain_spec["training"] | {"epochs": 100}}
    assert train(tmp_path / "whole", content=content)[0] == 0
    stopped = tmp_path / "stopped"
    for number in REQUESTS:
        process = start(STEP, options(content, digits_folder, split_file, stopped))
        wait_for_training(process)
        time.sleep(0.1)
        process.send_signal(number)
        message = process.communicate()[1]
        assert process.returncode == pretrain.INTERRUPTED
        assert f"{number.name}: checkpoint {stopped}/scratch/last.pt written; run the same command to go on" in message
    code, said = train(stopped, content=content)
    assert code == 0
    assert "resuming after step" in said
    assert results(stopped / "out") == results(tmp_path / "whole/out")


def test_a_signal_during_the_writing_of_results_ends_nothing(train, tmp_path, monkeypatch):
    write = pretrain.write

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        write(*arguments)

    monkeypatch.setattr(pretrain, "write", interrupted)
    assert train(tmp_path)[0] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == WRITTEN


def test_a_loss_that_is_not_finite_stops_the_run_with_the_remedy(train, tmp_path, monkeypatch):
    def broken(self, features, labels):
        return float("nan") * self.projector(features).sum(), {}

    monkeypatch.setattr(Contrastive, "forward", broken)
    code, said = train(tmp_path)
    assert code == 1
    assert "error: the loss became nan in epoch 1, step 1, learning rate " in said
    assert "; no step was finite. Lower training.learning_rate or raise the temperature in the suite's config" in said


def test_a_batch_larger_than_the_data_is_an_error(pretrain_spec, train, tmp_path):
    code, said = train(tmp_path, content=pretrain_spec | {"batch_size": 101})
    assert code == 1
    assert said == "error: batch_size 101 is larger than the training set of 100 images\n"


def test_the_data_of_another_set_than_the_specs_are_not_trained_on(pretrain_spec, train, tmp_path):
    code, said = train(tmp_path, content=pretrain_spec | {"dataset": "fashion_mnist"})
    assert code == 1
    assert "error: the spec is for the data set fashion_mnist, and" in said
    assert "holds digits (1,797 images): give --data of fashion_mnist" in said


def test_images_that_are_not_had_as_the_spec_says_are_an_error(pretrain_spec, train, tmp_path):
    code, said = train(tmp_path, content=pretrain_spec | {"images": "streamed"})
    assert code == 1
    assert said.startswith(
        "error: the spec says images: streamed, for which the data set should hold the encoded files"
    )


@pytest.fixture
def open_folder():
    """A folder that everybody may enter; pytest closes its own ones to others whenever a session begins."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("folder", ["out", "scratch"])
def test_a_folder_without_write_permission_is_named_before_training(
    pretrain_spec, digits_folder, split_file, open_folder, folder
):
    for path in ("out", "scratch"):
        (open_folder / path).mkdir()
        (open_folder / path).chmod(0o555 if path == folder else 0o777)
    # Root may write everywhere, unless it gives that up; after the import, as the interpreter may lie in root's home.
    drop = "os.setgid(65534); os.setuid(65534); " if os.geteuid() == 0 else ""
    code = f"import os, dhel_kcl.steps.pretrain as step; {drop}step.cli.run(step.main)"
    arguments = options(pretrain_spec, digits_folder, split_file, open_folder)
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "cannot write to the folder" in result.stderr
    assert str(open_folder / folder) in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_run_that_was_trained_without_the_optional_packages_is_recorded(tmp_path, train, monkeypatch):
    found = metadata.version

    def version(name):
        if name in ("pandas", "matplotlib", "seaborn", "scikit-learn", "snakemake"):
            raise metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(metadata, "version", version)
    status, output = train(tmp_path)
    assert status == 0, output
    versions = read_json(next(tmp_path.rglob("provenance.json")))["versions"]
    assert versions["pandas"] is None
    assert versions["torch"]
