import hashlib
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dhel_kcl.data import prepared, split
from dhel_kcl.losses.dhel_loss import DHELLoss
from dhel_kcl.training import checkpoint
from dhel_kcl.training.backbones.compact_resnet import CompactResNet
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.objective import Contrastive
from dhel_kcl.training.progress import Diverged
from dhel_kcl.training.trainer import Pretraining
from dhel_kcl.views.augment import Augment

DHEL = {"name": "dhel", "form": "sum", "temperature": 0.3}


def plain_loop(spec, digits_folder, split_file):
    """The run of a spec with DHEL and a compact ResNet, written down from top to bottom, with torch's own optimiser."""
    data, rows = prepared.read(digits_folder), split.read(split_file)["pretrain"]
    images, augment, size = torch.from_numpy(data.images[rows]), Augment(**spec["augment"]), spec["batch_size"]
    settings, dim = spec["training"], spec["projector_dim"]
    torch.manual_seed(spec["seed"])
    encoder = CompactResNet(1, spec["backbone"]["width"], spec["backbone"]["stages"])
    encoder = encoder.to(memory_format=torch.channels_last)
    linear = [nn.Linear(encoder.features, width, bias=False) for width in (encoder.features, dim)]
    projector = nn.Sequential(linear[0], nn.BatchNorm1d(encoder.features), nn.ReLU(), linear[1], nn.BatchNorm1d(dim))
    projector[-1].bias.requires_grad_(False)
    loss_of = DHELLoss(temperature=0.3, form="sum")
    trained = [p for p in (*encoder.parameters(), *projector.parameters()) if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings["weight_decay"]},
        {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.SGD(groups, lr=1.0, momentum=settings["momentum"], fused=True)

    def generator(what, number):
        digest = hashlib.sha256(f"{spec['seed']}/{what}/{number}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    per_epoch = len(rows) // size
    steps, warmup = settings["epochs"] * per_epoch, max(1, round(settings["warmup"] * settings["epochs"] * per_epoch))
    losses = [0.0] * settings["epochs"]
    for step in range(steps):
        epoch, number = divmod(step, per_epoch)
        order = torch.randperm(len(rows), generator=generator("epoch", epoch))
        index = order[number * size : (number + 1) * size]
        views = augment(images[torch.cat([index, index])], generator("step", step))
        loss = loss_of(*projector(encoder(views)).chunk(2))
        peak = settings["learning_rate"] * size / settings["reference_batch_size"]
        after = (step - warmup) / max(1, steps - warmup)
        rate = peak * (step + 1) / warmup if step < warmup else peak * 0.5 * (1 + math.cos(math.pi * after))
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses[epoch] += loss.item()
    return encoder, projector, [total / per_epoch for total in losses]


def test_training_is_the_plain_loop_to_the_last_bit(pretrain_spec, digits_folder, split_file, train):
    content = pretrain_spec | {"loss": DHEL, "seed": 3}
    encoder, projector, losses = plain_loop(content, digits_folder, split_file)
    networks, progress = (run := train(content)).trainer.networks, run.progress
    for own, plain in ((networks.encoder, encoder), (networks.projector, projector)):
        assert own.state_dict().keys() == plain.state_dict().keys()
        for name, tensor in plain.state_dict().items():
            assert torch.equal(own.state_dict()[name], tensor), name
    assert [row["loss"] for row in progress.rows] == losses


@pytest.mark.parametrize(
    "loss", [{"name": "simclr", "temperature": 0.3}, DHEL, {"name": "kcl", "kernel": "log", "t": 2.0, "gamma": 16.0}]
)
def test_training_lowers_the_loss_towards_its_least_value(pretrain_spec, train, loss):
    training = pretrain_spec["training"] | {"epochs": 10}
    progress = train(pretrain_spec | {"loss": loss, "training": training}).progress
    first, last = progress.rows[0], progress.rows[-1]
    assert last["loss"] < first["loss"]
    assert 0 < last["gap"] < first["gap"]
    if loss["name"] != "simclr":
        assert last["loss"] == pytest.approx(last["alignment_term"] + last["energy_term"], abs=1e-4)
    assert last["step"] == 10 * (100 // 16)
    assert progress.views == 2 * 16 * last["step"]


def test_floors(pretrain_spec, train):
    random = train(pretrain_spec | {"loss": {"name": "random"}})
    assert random.progress.rows == []
    assert random.progress.views == 0
    rows = train(pretrain_spec | {"loss": {"name": "supervised"}}).progress.rows
    assert rows[-1]["loss"] < rows[0]["loss"] < math.log(10) + 0.5
    # Both start from the same weights, and so does every loss with this seed.
    contrastive = train(pretrain_spec | {"training": pretrain_spec["training"] | {"learning_rate": 1e-30}})
    trained = contrastive.trainer.networks.encoder.state_dict()
    for key, value in random.trainer.networks.encoder.state_dict().items():
        if "running" not in key and "num_batches" not in key:
            torch.testing.assert_close(value, trained[key], atol=1e-20, rtol=0)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(pretrain_spec, train):
    runs = [train(pretrain_spec | {"seed": seed}) for seed in (0, 0, 1)]
    weights = [run.trainer.networks.encoder.state_dict() for run in runs]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not torch.equal(weights[0]["stem.0.weight"], weights[2]["stem.0.weight"])


def test_each_step_is_reported_and_a_request_to_stop_is_asked_for(pretrain_spec, build, tmp_path):
    """In the order of the callbacks; what is asked for after the last step changes nothing."""
    store, reported = Store(tmp_path / "last.pt", "same"), []
    callbacks = [lambda p: reported.append(p.done), lambda p: reported.append(p.values["loss"])]
    run = build(pretrain_spec)
    assert not run.resume(store)
    assert not run.run(store, callbacks, stop=lambda: len(reported) == 10)
    assert reported[::2] == [1, 2, 3, 4, 5]
    assert all(math.isfinite(loss) for loss in reported[1::2])
    run = build(pretrain_spec)
    assert run.resume(store)
    assert run.progress.done == 5
    assert run.run(store, callbacks, stop=lambda: len(reported) == 36)
    assert reported[::2] == list(range(1, 19))
    assert run.resume(store)
    assert not build(pretrain_spec).resume(store, again=True)


def test_a_checkpoint_is_written_when_it_is_due(pretrain_spec, build, tmp_path, monkeypatch):
    def written(seconds):
        store, run, steps = Store(tmp_path / "last.pt", "same", seconds), build(pretrain_spec), []
        store.write = lambda state, finished: steps.append((state["progress"]["done"], finished))
        assert run.run(store)
        return steps

    assert written(seconds=60) == [(18, True)]
    clock = iter([0.0, *[61.0] * 3, *[62.0] * 100])  # one that has run past the minute, once
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    once = written(seconds=60)
    assert (len(once), once[-1]) == (2, (18, True)), "the next is due a minute later"
    monkeypatch.undo()
    assert written(seconds=0) == [(step, step == 18) for step in range(1, 19)]


def test_a_loss_that_is_not_finite_stops_the_run(pretrain_spec, build, tmp_path, monkeypatch):
    def broken(self, features, labels):
        return float("nan") * self.projector(features).sum(), {}

    monkeypatch.setattr(Contrastive, "forward", broken)
    message = r"became nan in epoch 1, step 1, learning rate .*; no step was finite"
    with pytest.raises(Diverged, match=message):
        build(pretrain_spec).run(Store(tmp_path / "last.pt", "same"))
    assert not (tmp_path / "last.pt").exists()


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda z: z.index_fill(0, torch.tensor(3), 0.0), "row 3 of z0 is the zero vector"),
        (lambda z: z.index_fill(0, torch.tensor(17), torch.nan), "contains NaN or infinite values, in row 1 of z1"),
    ],
)
def test_a_run_that_stops_says_what_is_wrong_with_the_embeddings(pretrain_spec, build, tmp_path, spoil, cause):
    run = build(pretrain_spec)
    run.trainer.networks.projector.register_forward_hook(lambda module, inputs, output: spoil(output))
    with pytest.raises(Diverged, match=f"became nan in epoch 1, step 1, .*no step was finite; .*{cause}"):
        run.run(Store(tmp_path / "last.pt", "same"))


def test_building_a_run_leaves_no_choice_to_who_builds_it(pretrain_spec, build):
    """The random state that it finds does not count."""
    runs: list[Pretraining] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        runs.append(build(pretrain_spec))
    first, second = (run.trainer.state_dict()["model"] for run in runs)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(("precision", "inside"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_step_computes_in_the_precision_of_its_place(pretrain_spec, build, place, precision, inside):
    run, seen = build(pretrain_spec), []
    run.trainer.place = replace(place, precision=precision)
    run.trainer.networks.encoder.stem[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    run.trainer.step(torch.rand(32, 1, 8, 8), torch.zeros(16, dtype=torch.int64), 0.1)
    assert seen == [inside]


@pytest.mark.parametrize("asked", [False, True])
def test_the_encoder_alone_is_compiled_where_the_spec_asks_for_it(pretrain_spec, build, monkeypatch, asked):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    run = build(pretrain_spec | {"compile": asked})
    assert compiled == [run.trainer.networks.encoder] * asked


def test_each_view_comes_with_the_label_of_its_image(pretrain_spec, build, digits_folder, split_file, place):
    run, data, rows = build(pretrain_spec), prepared.read(digits_folder), split.read(split_file)["pretrain"]
    for step, (_, labels) in enumerate(run.images.batches(run.schedule, 0, place)):
        assert labels.tolist() == data.labels[rows[run.schedule.batch(step).index]].tolist()


def test_a_statistic_that_is_not_finite_is_found_before_it_is_saved(pretrain_spec, build, tmp_path):
    run = build(pretrain_spec)
    assert run.trainer.is_finite()
    run.trainer.networks.encoder.get_buffer("stem.1.running_var")[0] = torch.inf
    assert not run.trainer.is_finite()
