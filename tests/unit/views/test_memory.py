import subprocess
import sys

import numpy as np
import pytest
import torch

from dhel_kcl.views.augment import Augment
from tests.unit.views.pictures import DIGITS, PAPER, generator, images, in_memory, views_of


@pytest.mark.parametrize("copies", [1, 2])
def test_views_are_those_of_the_repeated_images(copies):
    pixels, rows, index = images(40), np.arange(39, 9, -1), np.array([3, 3, 29, 0])
    views = views_of(in_memory(pixels, rows), index, Augment(**PAPER), 5, copies)
    chosen = pixels[rows[index].copy()].repeat(copies, 1, 1, 1)
    assert torch.equal(views, Augment(**PAPER)(chosen, generator(5)))
    assert views.dtype == torch.float32
    assert torch.equal(views_of(in_memory(pixels, rows), torch.from_numpy(index), Augment(**PAPER), 5, copies), views)


def test_first_views_come_before_second_ones():
    pixels, index = images(40), np.array([7, 2, 11])
    views = views_of(in_memory(pixels), index, Augment(flip=0.5), 0)
    for view, place in zip(views, [*index, *index], strict=True):
        image = pixels[place] / 255
        assert torch.equal(view, image) or torch.equal(view, image.flip(2))


@pytest.mark.parametrize(("settings", "channels", "size"), [(PAPER, 3, 32), (DIGITS, 1, 8)], ids=["colour", "digits"])
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_together_see_what_one_process_sees(settings, channels, size, world):
    source, augment = in_memory(images(100, channels, size)), Augment(**settings)
    index = np.random.default_rng(0).permutation(100)[:64]
    whole = views_of(source, index, augment, 9)
    parts = [views_of(source, index, augment, 9, rank=rank, world=world).chunk(2) for rank in range(world)]
    assert torch.equal(torch.cat([torch.cat(copy) for copy in zip(*parts, strict=True)]), whole)
    with pytest.raises(ValueError, match="a batch of 63 cannot be shared equally by 2 processes"):
        views_of(source, index[1:], augment, 9, world=2)


def test_views_depend_on_nothing_but_the_seed():
    source, augment, index = in_memory(images(40)), Augment(**PAPER), np.arange(40)
    first = views_of(source, index, augment, 3)
    assert not torch.isclose(views_of(source, index, augment, 4), first).all(dim=(1, 2, 3)).any()
    torch.manual_seed(1)
    assert torch.equal(views_of(source, index, augment, 3), first)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(views_of(source, index, augment, 3), first)


def test_plain_images_are_all_of_them_in_order():
    pixels, rows = images(40, height=16), np.array([5, 1, 30, 31, 2])
    source = in_memory(pixels, rows)
    assert len(source) == 5
    for size in (None, 16):
        batches = list(source.plain(2, size))
        assert [len(batch) for batch in batches] == [2, 2, 1]
        assert torch.equal(torch.cat(batches), pixels[rows] / 255)
    (larger,) = source.plain(5, 24)
    assert torch.equal(larger, Augment(size=24)(pixels[rows], generator()))


@pytest.mark.slow
def test_images_in_memory_need_no_image_library():
    """They cost seconds to import, in every job."""
    code = "import sys, dhel_kcl.views.memory; sys.exit(any(name in sys.modules for name in ('PIL', 'torchvision')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
