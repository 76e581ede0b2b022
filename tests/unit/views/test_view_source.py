import io

import numpy as np
import pytest
import torch
from PIL import Image

from dhel_kcl.data import prepared
from dhel_kcl.data.sources.digits import DESCRIPTION
from dhel_kcl.data.writing import write_encoded
from dhel_kcl.views.memory import InMemory
from dhel_kcl.views.streaming import Streaming
from dhel_kcl.views.view_source import Batch, open_source
from tests.unit.views.pictures import CPU, images


@pytest.fixture
def data(tmp_path):
    """A data set of four images in either form."""
    labels, part, pixels = np.arange(4) % 2, np.zeros(4, np.uint8), images(4, height=8)
    paths = [tmp_path / str(number) for number in range(4)]
    for path, image in zip(paths, pixels, strict=True):
        content = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(content, "PNG")
        path.write_bytes(content.getvalue())
    write_encoded(tmp_path / "encoded", paths, labels, part, DESCRIPTION)
    manifest = prepared.Manifest(DESCRIPTION, tuple(pixels.shape), 2, {})
    in_pixels = prepared.Prepared(pixels.numpy(), labels, part, manifest)
    return {"memory": in_pixels, "streamed": prepared.read(tmp_path / "encoded")}


@pytest.mark.parametrize(("kind", "source"), [("memory", InMemory), ("streamed", Streaming)])
def test_images_are_had_as_the_spec_says(data, kind, source):
    opened = open_source(data[kind], np.array([2, 0]), CPU, 0, kind)
    assert type(opened) is source
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("kind", "form"),
    [("memory", "images of one size as pixels"), ("streamed", "the encoded files of its images")],
)
def test_a_data_set_that_is_not_prepared_as_the_spec_says_is_an_error(data, kind, form):
    other = data["streamed" if kind == "memory" else "memory"]
    message = rf"the spec says images: {kind}, for which the data set should hold {form}, and .*prepare it anew"
    with pytest.raises(ValueError, match=message):
        open_source(other, np.arange(4), CPU, 0, kind)


def test_a_way_that_does_not_exist_is_an_error(data):
    with pytest.raises(ValueError, match="unknown source 'cloud'; allowed: memory, streamed"):
        open_source(data["memory"], np.arange(4), CPU, 0, "cloud")


def test_processes_take_their_slices_of_each_copy():
    batch = Batch(np.arange(10, 16), seed=0, copies=2, rank=1, world=3)
    assert batch.index[batch.own_images].tolist() == [12, 13]
    assert batch.own_views.tolist() == [2, 3, 8, 9]
    with pytest.raises(ValueError, match="a batch of 6 cannot be shared equally by 4 processes"):
        _ = Batch(np.arange(6), seed=0, world=4).own_images


def test_a_batchs_draws_follow_from_its_seed_alone():
    batches = [Batch(np.arange(4), seed) for seed in (3, 3, 4)]
    first, again, other = (torch.rand(5, generator=batch.generator()) for batch in batches)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
