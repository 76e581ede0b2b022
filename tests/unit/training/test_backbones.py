import subprocess
import sys

import pytest
import torch
from torch import nn

from dhel_kcl import registry
from dhel_kcl.training.backbones.compact_resnet import CompactResNet
from dhel_kcl.training.networks import build_encoder


@pytest.mark.parametrize(
    ("name", "stem", "channels", "parameters"),
    [
        # torchvision states 11,689,512 and 25,557,032; less the classifier, and with another first convolution.
        ("resnet18", "imagenet", 3, 11_689_512 - 513_000),
        ("resnet18", "small", 3, 11_689_512 - 513_000 - 64 * 3 * (49 - 9)),
        ("resnet18", "small", 1, 11_689_512 - 513_000 - 64 * (3 * 49 - 9)),
        ("resnet50", "imagenet", 3, 25_557_032 - 2_049_000),
        ("resnet50", "small", 3, 25_557_032 - 2_049_000 - 64 * 3 * (49 - 9)),
    ],
)
def test_parameters_are_those_of_torchvision_less_the_classifier(name, stem, channels, parameters):
    encoder = build_encoder({"name": name, "stem": stem}, channels)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "stem", "size", "positions"),
    [
        ("resnet18", "small", 32, 4),
        ("resnet18", "imagenet", 96, 3),
        ("resnet50", "small", 32, 4),
        ("resnet50", "imagenet", 224, 7),
    ],
)
def test_features_and_the_positions_that_the_stem_leaves(name, stem, size, positions):
    encoder = build_encoder({"name": name, "stem": stem}, channels=3)
    last = []
    encoder.network.layer4.register_forward_hook(lambda module, inputs, output: last.append(output))
    features = encoder(torch.rand(2, 3, size, size))
    assert features.shape == (2, encoder.features) == (2, {"resnet18": 512, "resnet50": 2048}[name])
    assert last[0].shape[2:] == (positions, positions)
    torch.testing.assert_close(features, last[0].mean(dim=(2, 3)))


def test_with_the_same_weights_the_imagenet_stem_is_torchvisions_network():
    from torchvision.models import resnet18

    reference = resnet18()
    reference.fc = nn.Identity()
    encoder = build_encoder({"name": "resnet18", "stem": "imagenet"}, channels=3)
    encoder.network.load_state_dict(reference.state_dict())
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(encoder(images), reference(images), rtol=1e-4, atol=1e-4)


def test_the_new_stem_starts_as_torchvision_starts_its_own():
    torch.manual_seed(0)
    weight = build_encoder({"name": "resnet18", "stem": "small"}, channels=3).network.conv1.weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


@pytest.mark.parametrize(
    "backbone",
    [
        {"name": "compact_resnet", "width": 8, "stages": 3},
        {"name": "compact_resnet", "width": 8, "stages": 2, "stem_stride": 2},
        {"name": "resnet18", "stem": "small"},
        {"name": "resnet18", "stem": "imagenet"},
        {"name": "resnet50", "stem": "small"},
    ],
)
def test_channels_stay_innermost_and_every_parameter_gets_a_gradient(backbone):
    encoder = build_encoder(backbone, channels=3)
    outputs = []
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    encoder(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(output.is_contiguous(memory_format=torch.channels_last) for output in outputs)
    assert all(parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_batch_normalisation_converts_to_that_of_several_processes(name):
    encoder = build_encoder({"name": name}, channels=3)
    names = [name for name, module in encoder.named_modules() if isinstance(module, nn.BatchNorm2d)]
    state = encoder.state_dict()
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(encoder)
    assert [name for name, module in converted.named_modules() if isinstance(module, nn.SyncBatchNorm)] == names
    assert converted.state_dict().keys() == state.keys()


def test_an_unknown_stem_is_refused():
    with pytest.raises(ValueError, match="unknown stem 'cifar'; allowed: small, imagenet"):
        build_encoder({"name": "resnet18", "stem": "cifar"}, channels=3)


def test_only_the_network_that_needs_torchvision_imports_it():
    code = (
        "import sys; from dhel_kcl.training.networks import build_encoder; import dhel_kcl.training.backbones.resnet; "
        + ("build_encoder({'name': 'compact_resnet'}, 1); assert 'torchvision' not in sys.modules")
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("stem_stride", "side"), [(1, 8), (2, 4)])
def test_the_compact_networks_stem_may_halve_the_resolution(stem_stride, side):
    encoder = CompactResNet(3, width=8, stages=3, stem_stride=stem_stride)
    images = torch.rand(2, 3, 32, 32)
    assert encoder.blocks(encoder.stem(images)).shape == (2, 32, side, side)
    assert sum(weight.numel() for weight in encoder.parameters()) == sum(
        weight.numel() for weight in CompactResNet(3, width=8, stages=3).parameters()
    )
