import copy
import inspect
import shutil

import pytest
import yaml

from dhel_kcl import registry
from dhel_kcl.study import config
from dhel_kcl.study.config import ConfigError
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT


@pytest.fixture
def root(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path


def edited(root, old, new, file="config/suites/smoke.yaml"):
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("name", config.suite_names(ROOT))
def test_every_suite_is_valid_and_builds_its_losses(name):
    suite = Suite.load(ROOT, name)
    assert len({run.folder for run in suite.runs}) == len(suite.runs)
    for method in suite.methods.values():
        for point in method.grid:
            registry.resolve("loss", point["name"])(**{k: v for k, v in point.items() if k != "name"})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "projector_dim:",
            "projector_dimm:",
            "unknown key 'projector_dimm' (did you mean 'projector_dim'?); allowed: title",
        ),
        ("temperature: [0.3, 1.0]", "temprature: [0.3]", "losses.simclr: unknown key 'temprature' (did you mean 'temp"),
        ("temperature: [0.3, 1.0]", "temperature: []", "losses.simclr.temperature: is empty; give at least 1"),
        ("temperature: [0.3, 1.0]", "temperature: hot", "losses.simclr.temperature.0: 'hot' is not of type number"),
        ("temperature: [0.3, 1.0]", "temperature: 0", "losses.simclr.temperature.0: 0 is less than or equal to"),
        ("temperature: [0.3, 1.0]", "temperature: [0.3, 0.3]", "has non-unique elements"),
        (
            "loss: simclr",
            "loss: simcrl",
            "losses.simclr.loss: 'simcrl' is unknown (did you mean 'simclr'?); allowed: infonce",
        ),
        (
            "kernel: gaussian, t: 2.0",
            "kernel: gaussian, q: 2.0",
            "losses.kcl-gaussian: unknown key 'q'; allowed: loss, title",
        ),
        ("kernel: gaussian,", "", "losses.kcl-gaussian: the key 'kernel' is missing"),
        (
            "form: sum",
            "form: som",
            "losses.dhel.form.0: 'som' is unknown (did you mean 'sum'?); allowed: anchor, mean, sum",
        ),
        ("  digits:\n", "  digitz:\n", "datasets: 'digitz' is unknown (did you mean 'digits'?); allowed: digits"),
        ("batch_sizes: [16]", "batch_sizes: []", "batch_sizes: is empty"),
        ("batch_sizes: [16]", "batch_sizes: [1]", "batch_sizes.0: 1 is less than the minimum of 2"),
        ("batch_sizes: [16]", "batch_sizes: [32]", "ablations.batch_size: 16 is not one of batch_sizes [32]"),
        ("selected: [1]", "selected: [0]", "seeds.selected: contains the grid's seed 0"),
        ("precision: fp32", "precision: fp16", "precision: 'fp16' is unknown"),
        ("threads: 1", "threads: 1\nthreads: 2", "key 'threads' occurs twice"),
        ("title: smoke test", "title: [smoke", "not valid YAML"),
        ("momentum: 0.9", "momentum: .nan", ".nan is no finite number"),
        ("threads: 1", "threads: 1.0", "threads: 1.0 is not of type integer"),
        ("selected: [1]", "selected: [99999999999999999999]", "an integer needs more than 64 bits"),
        ("title: smoke test", "title: &a smoke\nprecision: *a", "references (*name) are not allowed"),
        ("  simclr: {", "  1: {", "key 1 is not text, quote it"),
        ("width: 8", "width: 4", "backbone.width: 4 is not a multiple of 8"),
        ("crop_scale: [0.6, 1.0]", "crop_scale: [1.0, 0.6]", "crop_scale: 1.0 is above 0.6"),
        ("losses:", "losses: {}\nlosse:", "losses: is empty"),
        ("contrast: 0.4}", "contrast: 0.4, blur_sigma: [2, 1]}", "digits.augment.blur_sigma: 2 is above 1"),
        ("contrast: 0.4}", "contrast: 0.4}\n    processes: 3", "a batch of 16 cannot be shared by 3 processes"),
        ("contrast: 0.4}", "contrast: 0.4}\n    training: {epoch: 3}", "datasets.digits.training: unknown key 'epoch'"),
        (
            "  batch_size: 16\n",
            "  batch_size: 16\n  datasets: [cifar10]\n",
            "datasets: 'cifar10' is unknown; allowed: digits",
        ),
        ("    kcl-gaussian:", "    dhel:", "ablations.losses.dhel: the name is already used"),
        ("crop_scale: [0.6, 1.0]", "crop_scale: [0.6, 1.0], pad: 2", "digits.augment.pad: 2 needs crop_scale [1, 1]"),
        ("validation: 40", "validation: 3000", "digits.split: digits: the split asks for more training, validation"),
        ("batch_sizes: [16]", "batch_sizes: [16, 512]", "batch_sizes: 512 is above the 100 training images; lower it"),
        ("floors: {batch_size: 16", "floors: {batch_size: 512", "floors.batch_size: 512 is above the 100 training"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_allowed_values(root, old, new, message):
    path = edited(root, old, new)
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_suite_that_is_not_there_is_told_which_are(root):
    with pytest.raises(ConfigError, match=r"smokey\.yaml: there is no such suite; allowed: digits, .*smoke"):
        config.load_suite(root, "smokey")


def test_global_settings(root):
    assert config.load_global(root).default_suite == "digits"
    edited(root, "default_suite", "default_siute", "config/config.yaml")
    with pytest.raises(ConfigError, match=r"config\.yaml: unknown key 'default_siute'"):
        config.load_global(root)


def test_config_cannot_execute_code(root):
    edited(root, "title: smoke test", "title: !!python/object/apply:os.system ['touch pwned']")
    with pytest.raises(ConfigError, match="not valid YAML"):
        config.load_suite(root, "smoke")


def test_defaults_fill_what_is_absent(root):
    path = root / "config/suites/smoke.yaml"
    content = yaml.safe_load(path.read_text())
    for key in ("precision", "threads", "backbone", "projector_dim", "training", "floors", "probe", "ablations"):
        del content[key]
    del content["datasets"]["digits"]["augment"]
    path.write_text(yaml.safe_dump(content))
    loaded = config.load_suite(root, "smoke")
    assert loaded.training.epochs == 200
    assert loaded.training.momentum == 0.9
    assert loaded.datasets["digits"].augment.crop_scale == (1.0, 1.0)
    assert loaded.datasets["digits"].split.train == 100
    assert loaded.datasets["digits"].training == loaded.training
    assert loaded.ablations is None


def test_a_data_set_overrides_the_suite(root):
    path = root / "config/suites/smoke.yaml"
    content = yaml.safe_load(path.read_text())
    override = {
        "training": {"learning_rate": 1.4},
        "batch_sizes": [32],
        "losses": {"simclr": {"loss": "simclr", "temperature": 0.7}},
        "probe": {"neighbours": 5},
    }
    content["datasets"]["fashion_mnist"] = copy.deepcopy(content["datasets"]["digits"]) | override
    content["ablations"]["datasets"] = ["digits"]
    path.write_text(yaml.safe_dump(content))
    suite = Suite.load(root, "smoke")
    digits, fashion = suite.settings("digits"), suite.settings("fashion_mnist")
    assert fashion.training == digits.training.model_copy(update={"learning_rate": 1.4})
    assert fashion.probe == digits.probe.model_copy(update={"neighbours": 5})
    assert fashion.backbone == digits.backbone
    assert (digits.processes, fashion.batch_sizes) == (1, (32,))
    runs = {(run.method, run.batch_size, str(run.loss)) for run in suite.runs if run.dataset == "fashion_mnist"}
    assert {run[0] for run in runs} == {"simclr", "pixels", "random", "supervised"}
    assert ("simclr", 32, "{'name': 'simclr', 'temperature': 0.7}") in runs
    assert any(run.method == "kcl-gaussian" for run in suite.runs if run.dataset == "digits")
    assert suite.pretrain_spec(suite.runs[-1])["training"]["learning_rate"] == 1.4


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"k": {"loss": "kcl", "kernel": "log", "t": 1.0}}, "losses.k: the key 'temperature' is missing"),
        (
            {"a": {"loss": "dhel", "form": ["mean", "sum"], "temperature": 0.3}},
            "losses.a.form: give each form an entry of its own",
        ),
        (
            {"a": {"loss": "dcl", "temperature": 0.3}, "b": {"loss": "dcl", "temperature": 1.0}},
            "losses.b: has the loss and form of a; join the two",
        ),
    ],
)
def test_trade_off_losses_must_differ_in_what_is_compared(root, losses, message):
    path = root / "config/suites/smoke.yaml"
    content = yaml.safe_load(path.read_text())
    content["trade_off"] = {"batch_size": 16, "seeds": [0], "losses": losses}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert f"{path}: trade_off.{message}" in str(error.value)


def test_a_trade_off_runs_every_point_on_every_seed_and_selects_none(root):
    path = root / "config/suites/smoke.yaml"
    content = yaml.safe_load(path.read_text())
    curve = {"loss": "dcl", "temperature": [0.1, 1.0], "energy_weight": [1.0, 2.0]}
    content["trade_off"] = {"batch_size": 16, "seeds": [0, 5], "losses": {"dcl-weighted": curve}}
    path.write_text(yaml.safe_dump(content))
    runs = [run for run in Suite.load(root, "smoke").runs if run.section == "trade_off"]
    assert len(runs) == 8
    assert {run.role for run in runs} == {"point"}
    assert {run.seed for run in runs} == {0, 5}


def test_the_models_are_those_of_the_registry():
    assert [*config.LOSSES, "kcl"] == list(registry.LOSSES)
    assert list(config.KERNELS) == list(registry.KERNELS)
    assert list(config.BACKBONES) == list(registry.BACKBONES)


def defaults(model):
    """{key: default} of the parameters of a loss or a backbone."""
    keys = model.model_fields.keys() - {"loss", "title", "kernel", "name"}
    return {key: model.model_fields[key].default for key in keys}


@pytest.mark.parametrize("name", config.LOSSES)
def test_the_parameters_of_a_loss_are_those_of_its_constructor(name):
    # Keyword-only parameters say how to compute, not what: they are no part of a config.
    signature = inspect.signature(registry.resolve("loss", name)).parameters.values()
    names = {parameter.name for parameter in signature if parameter.kind is not parameter.KEYWORD_ONLY}
    ours = defaults(config.LOSSES[name])
    assert ours.keys() == names
    assert ours.get("form", ("sum",)) == ("sum",)


@pytest.mark.parametrize("name", config.KERNELS)
def test_the_parameters_and_defaults_of_a_kernel_are_those_of_its_constructor(name):
    signature = inspect.signature(registry.resolve("kernel", name)).parameters
    ours = defaults(config.KERNELS[name])
    assert ours.pop("gamma") == (16.0,)
    assert ours == {key: (parameter.default,) for key, parameter in signature.items()}
