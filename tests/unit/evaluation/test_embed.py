import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from dhel_kcl.data import prepared, split
from dhel_kcl.evaluation import embed as module
from dhel_kcl.evaluation.embed import FrozenNetwork, arithmetic, embed
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.training import cores
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.memory import InMemory
from dhel_kcl.views.view_source import Batch


def test_embeddings_do_not_depend_on_how_images_are_batched(run_folder):
    network = FrozenNetwork(run_folder, 1, torch.device("cpu"))
    pixels = torch.rand(20, 1, 8, 8)
    whole, chunks = network.embed([pixels]), network.embed(pixels.split(7))
    assert whole["h"].shape == (20, network.encoder.features)
    assert whole["z"].shape == (20, 16)
    for space in ("h", "z"):
        torch.testing.assert_close(whole[space], chunks[space])


def test_an_encoder_gets_large_images_as_they_are(run_folder):
    network, pixels = FrozenNetwork(run_folder, 1, torch.device("cpu")), torch.rand(3, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.embed([pixels])["h"], network.encoder(pixels))


@pytest.mark.parametrize("run", [False, True])
def test_embeddings_are_of_each_subsets_own_images(run, run_folder, evaluation_spec, digits_folder, split_file):
    """As they are; and of the test images' views, which the spec's augmentation and seed draw."""
    spec = EvaluationSpec.of(evaluation_spec | {"view_seed": 5})
    data, drawn, shown = prepared.read(digits_folder), split.read(split_file), run_folder if run else None
    found = embed(spec, shown, data, drawn)
    network = FrozenNetwork(shown, 1, torch.device("cpu"))
    assert found.spaces.keys() == found.labels.keys() == {"train", "validation", "test"}
    for name, spaces in found.spaces.items():
        expected = network.embed([torch.from_numpy(data.images[drawn[name]]) / 255])
        assert spaces.keys() == expected.keys() == ({"z", "h"} if run else {"h"})
        for space, points in expected.items():
            torch.testing.assert_close(spaces[space], points)
        assert found.labels[name].tolist() == data.labels[drawn[name]].tolist()
        torch.testing.assert_close(found.features[name].norm(dim=1), torch.ones(len(drawn[name])))
    test = InMemory(data.images[drawn["test"]], torch.device("cpu"))
    views_of = network.embed_views(test, torch.arange(60), spec.augment, 5)
    for views, expected in zip(found.test_views, views_of, strict=True):
        for space, points in expected.items():
            torch.testing.assert_close(views[space], points)


def test_the_two_views_are_of_the_same_images_and_of_no_other_views(run_folder, monkeypatch):
    """Also where the images come in several batches, of which no two are augmented alike."""
    monkeypatch.setattr(module, "BATCH", 4)
    images = np.random.default_rng(0).integers(256, size=(10, 1, 8, 8), dtype=np.uint8)
    network = FrozenNetwork(run_folder, 1, torch.device("cpu"))
    source, rows = InMemory(images, torch.device("cpu")), torch.tensor([9, 0, 5, 3, 7, 2])
    plain = network.embed([torch.from_numpy(images[rows]) / 255])
    for views in network.embed_views(source, rows, Augment(), 3):
        for space, points in plain.items():
            torch.testing.assert_close(views[space], points)
    augment, halves = Augment(crop_scale=(0.3, 1.0)), ([], [])
    for number, part in enumerate(rows.split(4)):
        (views,) = source.views([Batch(part.numpy(), 3 + number)], augment)
        for half, images_of_view in zip(halves, views.chunk(2), strict=True):
            half.append(images_of_view)
    for views, half in zip(network.embed_views(source, rows, augment, 3), halves, strict=True):
        torch.testing.assert_close(views["h"], network.embed([torch.cat(half)])["h"])


@pytest.mark.parametrize(("precision", "inside"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_features_for_a_head_are_computed_as_in_training_and_all_others_in_float32(run_folder, precision, inside):
    network, seen = FrozenNetwork(run_folder, 1, torch.device("cpu"), precision), []
    network.encoder.stem[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    pixels = torch.rand(2, 1, 8, 8)
    assert network.features(pixels).dtype == network.embed([pixels])["h"].dtype == torch.float32
    assert seen == [inside, torch.float32]


def test_raw_pixels_of_large_images_are_averaged():
    network = FrozenNetwork(None, 3, torch.device("cpu"))
    pixels = torch.rand(2, 3, 96, 96)
    blocks = pixels.view(2, 3, 32, 3, 32, 3).mean(dim=(3, 5))
    torch.testing.assert_close(network.embed([pixels])["h"], blocks.flatten(1))
    assert torch.equal(network.embed([pixels[..., :28, :28]])["h"], pixels[..., :28, :28].flatten(1))


def test_all_libraries_compute_with_the_threads_of_the_spec(monkeypatch):
    np.linalg.norm(np.ones(3))
    monkeypatch.setattr(cores, "available", lambda: 2)
    before = torch.get_num_threads()
    try:
        for asked, threads in ((8, 2), (2, 2), (1, 1)):
            with arithmetic(asked):
                assert {library["num_threads"] for library in threadpool_info()} == {threads}
                assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_convolutions_of_an_evaluation_are_in_full_float32(monkeypatch):
    for name in ("allow_tf32", "benchmark"):
        monkeypatch.setattr(torch.backends.cudnn, name, True)
    before = torch.get_num_threads()
    with arithmetic(1):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cudnn.benchmark
    torch.set_num_threads(before)
