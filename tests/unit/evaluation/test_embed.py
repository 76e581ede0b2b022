import numpy as np
import torch
from threadpoolctl import threadpool_info

from dhel_kcl.evaluation.embed import FrozenNetwork, arithmetic
from dhel_kcl.training import cores


def test_embeddings_do_not_depend_on_how_images_are_batched(run_folder):
    network = FrozenNetwork(run_folder, 1, torch.device("cpu"))
    pixels = torch.rand(20, 1, 8, 8)
    whole, chunks = network.embed([pixels]), network.embed(pixels.split(7))
    assert whole["h"].shape == (20, network.encoder.features)
    assert whole["z"].shape == (20, 16)
    for space in ("h", "z"):
        torch.testing.assert_close(whole[space], chunks[space])


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
