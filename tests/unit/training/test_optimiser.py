import copy

import torch

from dhel_kcl.training.optimiser import MomentumSGD


def test_the_update_is_that_of_torch_with_weight_decay_on_matrices_only():
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    ours[1].bias.requires_grad_(False)
    theirs = copy.deepcopy(ours)
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    reference, optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.9), MomentumSGD(ours, 0.9, 0.1)
    for rate in (0.1, 0.5, 0.2):
        x = torch.randn(8, 3)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.zero_grad()
        theirs(x).square().sum().backward()
        reference.step()
        ours(x).square().sum().backward()
        optimizer.step(rate)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert (ours[1].bias == 0).all()
    assert all(parameter.grad is None for parameter in ours.parameters())


def test_a_restored_optimiser_goes_on_with_its_momentum():
    torch.manual_seed(0)
    models = [torch.nn.Linear(3, 4) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimisers = [MomentumSGD(model, 0.9, 0.1) for model in models]
    x = torch.randn(8, 3)

    def step(number):
        models[number](x).square().sum().backward()
        optimisers[number].step(0.1)

    step(0)
    models[1].load_state_dict(models[0].state_dict())
    optimisers[1].load_state_dict(copy.deepcopy(optimisers[0].state_dict()))
    for number in range(2):
        step(number)
    assert torch.equal(models[0].weight, models[1].weight)
    assert torch.equal(models[0].bias, models[1].bias)
