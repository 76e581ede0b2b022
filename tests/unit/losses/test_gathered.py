"""gather=True: two processes against one on the concatenated batch. Starting them takes 5 to 20 s, once."""

import re

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from dhel_kcl.losses.base import gathered
from dhel_kcl.losses.dcl_loss import DCLLoss
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.losses.infonce_loss import InfoNCELoss
from dhel_kcl.losses.kcl_loss import KCLLoss
from dhel_kcl.losses.simclr_loss import SimCLRLoss

pytestmark = pytest.mark.slow

WORLD, SIZE, DIM = 2, 5, 4
LOSSES = {
    "simclr": (SimCLRLoss, {"temperature": 0.2}),
    "infonce": (InfoNCELoss, {"temperature": 0.2}),
    "dcl": (DCLLoss, {"temperature": 0.2}),
    "dhel": (DHELLoss, {"temperature": 0.3, "form": "sum"}),
    "kcl": (KCLLoss, {"kernel": "gaussian", "t": 2.0}),
}


def build(name, gather):
    module, parameters = LOSSES[name]
    return module(**parameters, gather=gather)


def inputs():
    """Two views of the whole batch, and a linear encoder of them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, WORLD * SIZE, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(DIM, 6, generator=generator, dtype=torch.float64)
    encoder = nn.Linear(6, DIM, dtype=torch.float64)
    with torch.no_grad():
        encoder.weight.copy_(weight)
        encoder.bias.fill_(0.1)
    return x, encoder


def embedding_gradients(loss, z0, z1):
    z0, z1 = z0.detach().requires_grad_(), z1.detach().requires_grad_()
    value = loss(z0, z1)
    return value.detach(), *torch.autograd.grad(value, (z0, z1))


def parameter_gradients(loss, encoder, x):
    encoder.zero_grad()
    z0, z1 = encoder(x.flatten(0, 1)).chunk(2)
    loss(z0, z1).backward()
    return [parameter.grad.clone() for parameter in encoder.parameters()]


def message(function, *arguments):
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)
    return None


def process(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    x, encoder = inputs()
    own = x[:, rank * SIZE : (rank + 1) * SIZE]
    z0, z1 = encoder(own)
    wrapped = DistributedDataParallel(encoder)
    results = {
        name: {
            "embedding": embedding_gradients(build(name, gather=True), z0, z1),
            "parameter": parameter_gradients(build(name, gather=True), wrapped, own),
        }
        for name in LOSSES
    }
    loss = build("dhel", gather=True)
    results["one instance each"] = loss(z0[:1], z1[:1]).item()
    results["unequal"] = message(loss, z0[: SIZE - rank], z1[: SIZE - rank])
    spoilt = z0.clone()
    spoilt[0, 0] = torch.nan if rank == 1 else 1.0
    results["NaN elsewhere"] = message(loss, spoilt, z1)
    torch.save(results, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(process, args=(str(folder),), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_embedding_gradients(results, name):
    """Same loss everywhere; W times the global gradient of the own embeddings, of which DDP takes the mean."""
    x, encoder = inputs()
    value, *gradients = embedding_gradients(build(name, gather=False), *encoder(x))
    for rank in range(WORLD):
        rank_value, *rank_gradients = results[rank][name]["embedding"]
        torch.testing.assert_close(rank_value, value, rtol=1e-12, atol=0)
        for own, whole in zip(rank_gradients, gradients, strict=True):
            torch.testing.assert_close(own, WORLD * whole[rank * SIZE : (rank + 1) * SIZE], rtol=1e-10, atol=1e-14)
    assert results[0][name]["embedding"][0] == results[1][name]["embedding"][0]


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_a_data_parallel_model(results, name):
    x, encoder = inputs()
    expected = parameter_gradients(build(name, gather=False), encoder, x)
    for rank in range(WORLD):
        for gradient, wanted in zip(results[rank][name]["parameter"], expected, strict=True):
            torch.testing.assert_close(gradient, wanted, rtol=1e-10, atol=1e-14)


def test_one_instance_in_each_process_is_a_batch_of_two(results):
    x, encoder = inputs()
    expected = build("dhel", gather=False)(*encoder(x[:, [0, SIZE]])).item()
    for rank in range(WORLD):
        assert results[rank]["one instance each"] == pytest.approx(expected, rel=1e-12)


def test_unequal_batches_are_refused_in_every_process(results):
    for rank in range(WORLD):
        assert re.search(r"same shape \(M, d\) in every process; got \(5, 4\), \(4, 4\)", results[rank]["unequal"])


def test_a_bad_embedding_stops_every_process(results):
    for rank in range(WORLD):
        assert "first view contains NaN" in results[rank]["NaN elsewhere"]


@pytest.mark.parametrize("name", LOSSES)
def test_gather_needs_a_process_group(name):
    x, encoder = inputs()
    with pytest.raises(ValueError, match="init_process_group"):
        build(name, gather=True)(*encoder(x))


def test_one_process_gets_the_plain_loss(tmp_path):
    x, encoder = inputs()
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with pytest.raises(ValueError, match="both views need the same shape"):
            gathered(torch.ones(3, 4), torch.ones(2, 4))
        pairs = [[embedding_gradients(build(name, gather), *encoder(x)) for gather in (True, False)] for name in LOSSES]
    finally:
        distributed.destroy_process_group()
    for gathering, plain in pairs:
        assert all(torch.equal(a, b) for a, b in zip(gathering, plain, strict=True))
