import pytest
import torch

from dhel_kcl.training import throughput
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.views.augment import Augment

CPU = torch.device("cpu")


def test_a_rate_counts_instances_of_the_batches_that_fit_the_time(monkeypatch):
    clock, sizes = [0.0], []
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock[0])

    def step(batch):
        sizes.append(batch)
        clock[0] += batch / 1000 + (0.001 if len(sizes) == 1 else 0)

    assert throughput.rate(step, 64, seconds=0.04) == pytest.approx(1000)
    assert sizes[:5] == [2, 2, 4, 8, 16]
    assert set(sizes[5:]) == {32} or not sizes[5:], "64 would take longer than 0.04 s"
    sizes.clear()
    assert throughput.rate(step, 64, seconds=0.001) == pytest.approx(1000)
    assert sizes == [2, 2], "the first step is none to judge by, however little time there is"


def test_a_rate_is_measured_with_the_packages_own_steps(pretrain_spec):
    spec = PretrainSpec.of(pretrain_spec)
    trained = throughput.views_per_second(spec, 1, 8, CPU, seconds=0.2)
    embedded = throughput.embedded_per_second(spec.backbone, Augment(), (64, 1, 8, 8), 1, CPU, seconds=0.2)
    assert 1 < trained < 1e7
    assert 1 < embedded < 1e7
