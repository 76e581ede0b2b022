import pytest
import torch

from dhel_kcl.training.networks import build_encoder, build_projector, read_weights, write_weights

BACKBONE = {"name": "compact_resnet", "width": 16, "stages": 3}


def test_the_compact_resnet_has_one_block_a_stage_and_halves_the_resolution():
    encoder = build_encoder(BACKBONE, channels=1)
    assert encoder.features == 64
    assert encoder(torch.randn(2, 1, 8, 8)).shape == (2, 64)
    assert encoder.blocks(encoder.stem(torch.randn(2, 1, 8, 8))).shape == (2, 64, 2, 2)
    convolutions = [m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 1 + 3 * 2 + 2  # stem, two a block, two shortcuts


def test_a_block_is_that_of_torchvision():
    from torchvision.models.resnet import BasicBlock as Reference

    from dhel_kcl.training.backbones.compact_resnet import BasicBlock

    torch.manual_seed(0)
    ours = BasicBlock(8, 16, stride=2)
    shortcut = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 1, 2, bias=False), torch.nn.BatchNorm2d(16))
    theirs = Reference(8, 16, stride=2, downsample=shortcut)
    theirs.load_state_dict({key.replace("shortcut", "downsample"): value for key, value in ours.state_dict().items()})
    x = torch.randn(4, 8, 8, 8)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_projector_ends_in_a_batch_normalisation_without_shift():
    projector = build_projector(64, 16)
    assert not projector[-1].bias.requires_grad
    assert (projector[-1].bias == 0).all()
    assert all(layer.bias is None for layer in projector if isinstance(layer, torch.nn.Linear))
    z = projector(torch.randn(32, 64))
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(16), atol=1e-5, rtol=0)


def test_weights_survive_a_round_trip(tmp_path):
    encoder, other = build_encoder(BACKBONE, 1), build_encoder(BACKBONE, 1)
    encoder(torch.randn(8, 1, 8, 8))  # moves the running statistics
    write_weights(tmp_path / "encoder.safetensors", encoder)
    read_weights(tmp_path / "encoder.safetensors", other)
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


@pytest.mark.parametrize(
    ("damage", "message"), [("truncated", "is damaged"), ("other network", "does not hold this network's weights")]
)
def test_bad_weights_are_named(tmp_path, damage, message):
    path = tmp_path / "encoder.safetensors"
    write_weights(path, build_encoder(BACKBONE | {"width": 8}, 1))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=rf"encoder\.safetensors {message}.*delete it to train again"):
        read_weights(path, build_encoder(BACKBONE, 1))
