"""Damaged, foreign and malicious files: refused by name with the remedy, never run as code, no bare traceback."""

import contextlib
import copy
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dhel_kcl.data import prepared, split
from dhel_kcl.files import DamagedError, read_json, write_json
from dhel_kcl.steps import collect, pretrain, select
from dhel_kcl.study.config import ConfigError
from dhel_kcl.study.suite import Suite
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.networks import build_encoder, read_weights, write_weights
from dhel_kcl.training.spec import PretrainSpec
from tests.damage import CASES, damaged_content
from tests.pipeline import ROOT
from tests.pretraining import options

QUICK = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))

STATE = {"step": 3, "log": [], "sums": {}, "last": {}, "seconds": 1.0, "model": {"w": torch.arange(50.0)}}


@pytest.mark.parametrize("what", ["spec", "data", "split", "code", "torch"])
def test_the_checkpoint_of_another_interrupted_run_is_refused(
    pretrain_spec, digits_folder, split_file, tmp_path, monkeypatch, what
):
    def main(content, data, split_path):
        monkeypatch.setattr(sys, "argv", ["pretrain", *options(content, data, split_path, tmp_path)])
        pretrain.main()

    content = pretrain_spec | {"training": pretrain_spec["training"] | {"epochs": 1}}
    main(content, digits_folder, split_file)
    checkpoint, kept = tmp_path / "scratch/last.pt", (tmp_path / "out/encoder.safetensors").read_bytes()
    interrupted = checkpoint.read_bytes().replace(b" finished\n", b"\n", 1)
    checkpoint.write_bytes(interrupted)
    data, split_path = digits_folder, split_file
    if what == "spec":
        content = copy.deepcopy(content)
        content["training"]["momentum"] = 0.8
    elif what == "data":
        data = shutil.copytree(digits_folder, tmp_path / "data")
        manifest = read_json(data / "manifest.json")
        manifest["sha256"]["images.npy"] = "0" * 64
        write_json(data / "manifest.json", manifest)
    elif what == "split":
        split_path = tmp_path / "other.npz"
        reversed_order = {name: index[::-1] for name, index in split.read(split_file).items()}
        split.write(split_path, reversed_order, split.Origin.of(prepared.read(digits_folder).manifest))
    elif what == "code":
        monkeypatch.setattr(pretrain.science, "of_pretraining", lambda loss, backbone, images: "0123")
    else:
        monkeypatch.setattr(torch, "__version__", "0.1")
    with pytest.raises(ValueError, match=r"last\.pt is of another config, data set, code or torch version; delete"):
        main(content, data, split_path)
    assert checkpoint.read_bytes() == interrupted
    assert (tmp_path / "out/encoder.safetensors").read_bytes() == kept


@pytest.fixture(scope="module")
def samples(tmp_path_factory, split_file):
    """{file: content} of the files of a run."""
    folder = tmp_path_factory.mktemp("samples")
    Store(folder / "last.pt", "mine").write(STATE, finished=False)
    write_weights(folder / "encoder.safetensors", encoder())
    shutil.copy2(split_file, folder / "split.npz")
    spec = {"dataset": "digits", "images": "memory", "loss": {"name": "dhel"}, "batch_size": 16, "projector_dim": 16}
    spec |= {"backbone": {"name": "compact_resnet"}, "augment": {"crop_scale": [0.6, 1.0], "rotation": 15}}
    spec |= {"training": {"epochs": 3, "learning_rate": 0.5, "reference_batch_size": 256}}
    spec["training"] |= {"momentum": 0.9, "weight_decay": 1e-6, "warmup": 0.1}
    spec |= {"precision": "fp32", "compile": False, "device": "cpu", "processes": 1, "threads": 1, "seed": 0}
    write_json(folder / "spec.json", spec)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def encoder():
    return build_encoder({"name": "compact_resnet", "width": 8, "stages": 1}, channels=1)


READERS = {
    "last.pt": lambda path: Store(path, "mine").read(),
    "encoder.safetensors": lambda path: read_weights(path, encoder()),
    "split.npz": split.read,
    "spec.json": lambda path: PretrainSpec.read(str(path)),
}


def check_reader(samples, folder, name, data):
    """Ends in success, or in an error that the command line turns into one line with the file's name."""
    path = folder / name
    content = data.draw(damaged_content(samples[name]))
    path.write_bytes(content)
    try:
        READERS[name](path)
    except (ValueError, OSError) as error:
        assert str(path) in str(error) or "PretrainSpec: " in str(error)  # noqa: PT017
    else:
        assert name != "last.pt" or content == samples[name]  # the only one with a checksum inside


@pytest.mark.parametrize("name", READERS)
@QUICK
@given(data=st.data())
def test_a_damaged_file_is_named(samples, tmp_path_factory, name, data):
    check_reader(samples, tmp_path_factory.getbasetemp(), name, data)


@pytest.mark.torture
@pytest.mark.parametrize("name", READERS)
@MANY
@given(data=st.data())
def test_many_damaged_files_are_named(samples, tmp_path_factory, name, data):
    check_reader(samples, tmp_path_factory.getbasetemp(), name, data)


@pytest.fixture(scope="module")
def runs(project, tmp_path_factory):
    """Run folders of a finished smoke suite, to be damaged one file at a time."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("results/runs", "data/splits"):
        shutil.copytree(project / name, folder / name)
    return folder


def check_collect(folder, data):
    files = sorted(path for path in (folder / "results").rglob("*.*") if path.suffix in (".json", ".csv"))
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    path.write_bytes(data.draw(damaged_content(content)))
    try:
        with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["collect", "--root", str(ROOT), "--suite", "smoke", "--out", "tables"])
            collect.main()
    except DamagedError as error:
        assert str(path.parent.relative_to(folder)) in str(error), "another run is named"  # noqa: PT017
    finally:
        path.write_bytes(content)


@settings(QUICK, max_examples=40)
@given(data=st.data())
def test_a_damaged_run_folder_is_named(runs, data):
    check_collect(runs, data)


@pytest.mark.torture
@settings(MANY, max_examples=max(CASES // 10, 1))
@given(data=st.data())
def test_many_damaged_run_folders_are_named(runs, data):
    check_collect(runs, data)


@pytest.mark.parametrize("content", ["[]", "{}", '{"validation": 1}', '{"validation": {"accuracy": "x"}}', "[" * 10**5])
def test_a_candidate_without_its_numbers_is_named(tmp_path, monkeypatch, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/probe.json").write_text(content)
    (tmp_path / "run/spec.json").write_text('{"loss": {}}')
    monkeypatch.setattr(sys, "argv", ["select", "--candidates", str(tmp_path / "run"), "--out", str(tmp_path / "x")])
    with pytest.raises(DamagedError, match=r"run.* is damaged"):
        select.main()
    assert not (tmp_path / "x").exists()


@pytest.fixture(scope="module")
def config_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("config")
    shutil.copytree(ROOT / "config", root / "config")
    return root


SMOKE = (ROOT / "config/suites/smoke.yaml").read_text()
SPECIAL = [
    ".nan",
    ".inf",
    "-.inf",
    "1e400",
    "1.0e+400",
    "0x" + "f" * 5000,
    "9" * 5000,
    "2001-01-01",
    "1:30",
    "~",
    "yes",
]
SPECIAL += [
    "!!int x",
    "!!int ''",
    "!!float ''",
    "!!bool x",
    "!!timestamp x",
    "!!map [a, b]",
    "!!set {a, b}",
    "!!omap [a: 1]",
]
SPECIAL += [
    "!!binary x",
    "!!python/name:os.system",
    "!!python/object/apply:os.mkdir [pwned]",
    "&a [*a]",
    "*a",
    "? [a]\n: b",
]
SPECIAL += [
    "[" * 2000,
    "{a: " * 1000,
    "\x00",
    "\ufeff",
    "\ud7ff",
    "- " * 500,
    "<<: {a: 1}",
    "!<x>",
    "%YAML 3.0",
    "---\n---",
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def configs(draw):
    """smoke.yaml with bytes changed, a special text put in, or values anywhere in the tree replaced; or anything."""
    kind = draw(st.sampled_from(["bytes", "special", "tree", "text"]))
    if kind == "bytes":
        return draw(damaged_content(SMOKE.encode()))
    if kind == "text":
        return draw(st.text(max_size=60)).encode("utf-8", "surrogatepass")
    if kind == "special":
        at = draw(st.sampled_from([k for k, c in enumerate(SMOKE) if c in " \n[{,"])) + 1
        return (SMOKE[:at] + draw(st.sampled_from(SPECIAL)) + SMOKE[at:]).encode("utf-8", "surrogatepass")
    tree = yaml.safe_load(SMOKE)
    for _ in range(draw(st.integers(1, 3))):
        node = tree
        while True:
            key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            if isinstance(node[key], dict | list) and node[key] and draw(st.booleans()):
                node = node[key]
                continue
            node[key] = draw(values)
            break
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")


def check_config(root, content):
    (root / "config/suites/smoke.yaml").write_bytes(content)
    with contextlib.chdir(root):
        try:
            suite = Suite.load(root, "smoke")
        except ConfigError as error:
            assert "smoke.yaml: " in str(error)  # noqa: PT017
        else:
            assert len({run.folder for run in suite.runs}) == len(suite.runs)
            assert len(suite.digest()) == 64
        assert not Path("pwned").exists()


@QUICK
@given(content=configs())
def test_any_config_file_is_accepted_or_explained(config_root, content):
    check_config(config_root, content)


@pytest.mark.torture
@MANY
@given(content=configs())
def test_many_config_files_are_accepted_or_explained(config_root, content):
    check_config(config_root, content)


@pytest.mark.parametrize("special", SPECIAL)
def test_special_texts_in_a_config_are_accepted_or_explained(config_root, special):
    for place in ("title: smoke test", "threads: 1", "epochs: 1", "temperature: 0.3", "seed: 0"):
        key = place.split(":")[0]
        check_config(config_root, SMOKE.replace(place, f"{key}: {special}").encode("utf-8", "surrogatepass"))
