import inspect

import pytest

from dhel_kcl import registry
from dhel_kcl.study import choices, config
from tests.unit.study.conftest import edited


def test_the_models_are_those_of_the_registry():
    assert choices.LOSS_MODELS.keys() | {"kcl"} == registry.LOSSES.keys()
    assert choices.KERNEL_MODELS.keys() == registry.KERNELS.keys()
    assert choices.BACKBONE_MODELS.keys() == registry.BACKBONES.keys()


def signature(kind, name):
    """{parameter: default} that a config may give. Keyword-only ones say how to compute, not what."""
    parameters = inspect.signature(registry.resolve(kind, name)).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is not each.KEYWORD_ONLY}


def defaults(model):
    keys = model.model_fields.keys() - choices.Loss.model_fields.keys() - {"kernel", "name"}
    return {key: model.model_fields[key].default for key in keys}


@pytest.mark.parametrize("name", choices.LOSS_MODELS)
def test_parameters_and_defaults_of_a_loss_are_those_of_its_constructor(name):
    assert defaults(choices.LOSS_MODELS[name]) == {key: (value,) for key, value in signature("loss", name).items()}


@pytest.mark.parametrize("name", choices.KERNEL_MODELS)
def test_parameters_and_defaults_of_a_kernel_are_those_of_its_constructor(name):
    ours = defaults(choices.KERNEL_MODELS[name])
    assert ours.pop("gamma") == (signature("loss", "kcl")["gamma"],)
    assert ours == {key: (value,) for key, value in signature("kernel", name).items()}


@pytest.mark.parametrize("name", choices.BACKBONE_MODELS)
def test_arguments_and_defaults_of_a_backbone_are_those_of_its_constructor(name):
    arguments = signature("backbone", name)
    del arguments["channels_in"]
    assert defaults(choices.BACKBONE_MODELS[name]) == arguments


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("{}", {"name": "compact_resnet"}),
        ("{name: resnet50, stem: imagenet}", {"name": "resnet50", "stem": "imagenet"}),
        ("{name: resnet18, width: 16}", "backbone: unknown key 'width'; allowed: name, stem"),
        (
            "{name: compact_resnet, stem: small}",
            "unknown key 'stem' (did you mean 'stages'?); allowed: name, width, stages",
        ),
        ("{name: resnet18, stem: cifar}", "backbone.stem: 'cifar' is unknown; allowed: small, imagenet"),
        ("{name: resnet34}", "backbone.name: 'resnet34' is unknown"),
    ],
)
def test_a_config_takes_the_arguments_of_the_named_network_alone(root, backbone, expected):
    edited(root, "backbone: {name: compact_resnet, width: 8, stages: 2}", f"backbone: {backbone}")
    if isinstance(expected, dict):
        assert config.load_suite(root, "smoke").backbone.as_given() == expected
    else:
        with pytest.raises(config.ConfigError) as error:
            config.load_suite(root, "smoke")
        assert expected in str(error.value)
