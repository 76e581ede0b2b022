import itertools
from dataclasses import replace

import numpy as np
import pytest

from dhel_kcl.training.schedule import Schedule, learning_rate, seed_of
from dhel_kcl.training.spec import PretrainSpec

SCHEDULE = Schedule(images=100, batch_size=16, steps=18, peak=1.0, warmup=0.1, seed=0)


def test_learning_rate_warms_up_linearly_and_ends_at_zero():
    rates = [learning_rate(step, 100, 2.0, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * k for k in range(1, 11)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0, abs=1e-3)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_the_peak_is_proportional_to_the_batch_size(pretrain_spec):
    schedule = Schedule.of(PretrainSpec.of(pretrain_spec), images=100)
    assert schedule == replace(SCHEDULE, peak=0.5 * 16 / 256)
    assert schedule.learning_rate(2) == schedule.peak
    assert (schedule.steps_per_epoch, schedule.steps) == (6, 18)


def test_a_training_of_some_updates_has_their_schedule(pretrain_spec):
    """The rate falls to 0 over them, and the images come as in a training of epochs."""
    training = {key: value for key, value in pretrain_spec["training"].items() if key != "epochs"}
    schedule = Schedule.of(PretrainSpec.of(pretrain_spec | {"training": training | {"updates": 10}}), images=100)
    assert (schedule.steps_per_epoch, schedule.steps) == (6, 10)
    assert [schedule.learning_rate(step) for step in range(10)] == [
        learning_rate(step, 10, schedule.peak, 0.1) for step in range(10)
    ]
    batches = list(schedule.batches(0))
    assert [batch.seed for batch in batches] == [batch.seed for batch in SCHEDULE.batches(0)][:10]
    assert (batches[7].index == SCHEDULE.batch(7).index).all()


def test_seeds_and_orders_stay_what_they_are():
    """On every machine and with every later version: else a finished run could not be computed again."""
    assert seed_of(0, "epoch", 0) == 26849992956498942
    assert seed_of(3, "step", 17) == 37128748988226203
    batch = SCHEDULE.batch(7)
    assert batch.index.tolist() == [91, 10, 61, 13, 66, 76, 3, 18, 80, 35, 32, 89, 46, 31, 63, 37]
    assert batch.seed == seed_of(0, "step", 7)


def test_an_epoch_sees_no_image_twice_and_each_has_an_order_of_its_own():
    batches = list(SCHEDULE.batches(0))
    assert len(batches) == 18
    epochs = [np.concatenate([batch.index for batch in batches[first : first + 6]]) for first in (0, 6, 12)]
    for epoch in epochs:
        assert len(np.unique(epoch)) == 96
        assert epoch.max() < 100
    assert not (epochs[0] == epochs[1]).all()
    assert len({batch.seed for batch in batches}) == 18
    other = replace(SCHEDULE, seed=1).batch(0)
    assert not (other.index == batches[0].index).all()
    assert other.seed != batches[0].seed


def test_what_is_left_of_a_run_is_what_it_would_have_been():
    whole, rest = list(SCHEDULE.batches(0))[7:], list(SCHEDULE.batches(7))
    assert [batch.seed for batch in whole] == [batch.seed for batch in rest]
    assert all((a.index == b.index).all() for a, b in zip(whole, rest, strict=True))


def test_processes_share_the_batch():
    whole = SCHEDULE.batch(5)
    shares = [SCHEDULE.batch(5, rank, 2) for rank in range(2)]
    assert np.concatenate([share.index[share.own_images] for share in shares]).tolist() == whole.index.tolist()
    assert {share.seed for share in shares} == {whole.seed}


def test_a_batch_larger_than_the_data_is_an_error(pretrain_spec):
    spec = PretrainSpec.of(pretrain_spec | {"batch_size": 101})
    with pytest.raises(ValueError, match="batch_size 101 is larger than the training set of 100 images"):
        Schedule.of(spec, images=100)


def test_the_encoder_that_is_not_trained_has_no_steps(pretrain_spec):
    schedule = Schedule.of(PretrainSpec.of(pretrain_spec | {"loss": {"name": "random"}}), images=100)
    assert schedule.steps == 0
    assert list(schedule.batches(0)) == []
