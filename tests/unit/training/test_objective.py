import pytest
import torch
from torch.nn.functional import cross_entropy

from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.training.networks import build_encoder, build_projector
from dhel_kcl.training.objective import Contrastive, Model, Supervised, build_networks
from dhel_kcl.training.spec import PretrainSpec

DHEL = {"name": "dhel", "form": "sum", "temperature": 0.3}


@pytest.fixture
def networks(pretrain_spec):
    """Function that builds the networks for a loss, from one seed."""

    def built(loss, **changes):
        torch.manual_seed(0)
        return build_networks(PretrainSpec.of(pretrain_spec | {"loss": loss} | changes), channels=1, classes=10)

    return built


def test_weights_are_drawn_in_the_order_encoder_projector_head(networks, pretrain_spec):
    torch.manual_seed(0)
    encoder = build_encoder(pretrain_spec["backbone"], 1)
    projector = build_projector(encoder.features, pretrain_spec["projector_dim"])
    head = torch.nn.Linear(encoder.features, 10)
    for loss in (DHEL, {"name": "supervised"}, {"name": "random"}):
        found = networks(loss)
        for own, expected in ((found.encoder, encoder), (found.projector, projector)):
            for name, tensor in expected.state_dict().items():
                assert torch.equal(own.state_dict()[name], tensor)
        if loss != DHEL:
            assert torch.equal(found.objective.head.weight, head.weight)


def test_the_contrastive_objective_is_the_loss_of_the_projected_views(networks):
    found = networks(DHEL)
    features = torch.randn(32, found.encoder.features)
    loss, parts = found.objective(features, torch.zeros(16, dtype=torch.long))
    z0, z1 = found.projector(features).chunk(2)
    assert torch.equal(loss, DHELLoss(temperature=0.3, form="sum")(z0, z1))
    torch.testing.assert_close(parts["alignment_term"] + parts["energy_term"], loss)
    u, v = (z / z.norm(dim=1, keepdim=True) for z in (z0, z1))
    torch.testing.assert_close(parts["alignment"], (u - v).square().sum(dim=1).mean())


def test_the_least_value_is_that_of_the_loss_where_it_is_known(networks):
    assert networks(DHEL).objective.minimum == DHELLoss(temperature=0.3, form="sum").minimum(16, 16)
    assert networks(DHEL, batch_size=20).objective.minimum is None
    assert networks({"name": "supervised"}).objective.minimum is None


def test_the_supervised_objective_leaves_the_projector_out(networks):
    found = networks({"name": "supervised"})
    assert isinstance(found.objective, Supervised)
    features, labels = torch.randn(8, found.encoder.features), torch.tensor([0, 1, 2, 3])
    loss, parts = found.objective(features, labels)
    assert torch.equal(loss, cross_entropy(found.objective.head(features), torch.cat([labels, labels])))
    assert parts == {}
    names = Model(found.encoder, found.objective).state_dict()
    assert not any("projector" in name for name in names)


def test_several_processes_gather_the_batch(networks):
    found = networks(DHEL, processes=2)
    assert isinstance(found.objective, Contrastive)
    assert found.objective.loss.gather
