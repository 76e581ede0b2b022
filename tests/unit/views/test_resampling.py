import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from dhel_kcl.views.augment import Augment
from dhel_kcl.views.parameters import Parameters
from tests.unit.views.pictures import close, generator, images


def pil_crop(image, box, *sizes):
    """The box of an image (C, H, W), resized by PIL to each (height, width) in turn, in levels."""
    top, left, height, width = (int(side) for side in box)
    pixels = Image.fromarray(image.permute(1, 2, 0).numpy().squeeze()).crop((left, top, left + width, top + height))
    for size in sizes:
        pixels = pixels.resize(size[::-1], Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(pixels, dtype=np.float32)).view(*sizes[-1], -1).permute(2, 0, 1)


@pytest.mark.parametrize(
    ("channels", "height", "width", "size"),
    [(3, 32, 32, None), (3, 96, 96, None), (1, 28, 28, None), (3, 20, 30, 64), (3, 40, 56, 24)],
)
def test_a_crop_is_that_of_pil(channels, height, width, size):
    pixels = images(240, channels, height, width)
    transform = Augment(crop_scale=(0.02, 1.0), size=size)
    drawn = transform.draw(len(pixels), height, width, generator())
    views = transform.apply(pixels, drawn)
    rows, columns = size or height, size or width
    # When shrinking, Pillow 13 may start vertically: here it does one direction at a time.
    shrinks = rows < height
    sizes = [[(int(box[2]), columns)] * shrinks + [(rows, columns)] for box in drawn.box]
    theirs = torch.stack(
        [pil_crop(image, box, *steps) for image, box, steps in zip(pixels, drawn.box, sizes, strict=True)]
    )
    deviation = (views * 255 - theirs).abs()
    assert deviation.max() <= 2.001
    assert (deviation > 1.001).float().mean() < 1e-4
    assert (deviation > 0.001).float().mean() < 0.02


def test_the_whole_image_is_left_alone():
    for pixels in (images(), images(channels=1, height=8)):
        height, width = pixels.shape[2:]
        box = np.array([[0, 0, height, width]] * len(pixels), dtype=np.float32)
        assert torch.equal(Augment()(pixels, generator()), pixels / 255)
        assert torch.equal(Augment().apply(pixels, Parameters(box=box)), pixels / 255)
        straight = Parameters(box=box, angle=np.zeros(len(pixels), dtype=np.float32))
        torch.testing.assert_close(Augment().apply(pixels, straight), pixels / 255, atol=1e-5, rtol=0)


def test_a_flip_is_exact():
    pixels, flip = images(), np.arange(15) % 2 == 0
    box = Augment(crop_scale=(0.1, 1.0)).draw(15, 32, 32, generator()).box
    for before in (Parameters(), Parameters(box=box)):
        plain, flipped = Augment().apply(pixels, before), Augment().apply(pixels, before._replace(flip=flip))
        assert torch.equal(flipped[flip], plain[flip].flip(3))
        assert torch.equal(flipped[~flip], plain[~flip])
    turned = Parameters(box=box, angle=np.full(15, 0.2, dtype=np.float32))
    plain, flipped = Augment().apply(pixels, turned), Augment().apply(pixels, turned._replace(flip=flip))
    close(flipped[flip], plain[flip].flip(3))


def test_a_rotation_is_that_of_torchvision():
    pixels = images(channels=1, height=8, width=12)
    views = Augment().apply(pixels, Parameters(angle=np.full(15, np.pi / 9, dtype=np.float32)))
    close(views, tv.affine(pixels / 255, -20.0, [0, 0], 1.0, [0.0, 0.0], InterpolationMode.BILINEAR))


def test_a_crop_with_a_rotation_is_the_enlarged_part_of_the_image():
    """A quarter of an image with a linear ramp is the same ramp at half the slope, in either direction."""
    ramp = (torch.arange(64, dtype=torch.uint8) * 4).expand(1, 1, 64, 64)
    corner = Parameters(box=np.float32([[0, 0, 32, 32]]), angle=np.zeros(1, dtype=np.float32))
    expected = 4 * (torch.arange(64) + 0.5) / 2 - 2
    for image in (ramp, ramp.mT):
        view = Augment().apply(image, corner)[0, 0] * 255
        profile = view[10] if image is ramp else view[:, 10]
        torch.testing.assert_close(profile[2:-2], expected[2:-2], atol=1e-3, rtol=0)


@pytest.mark.parametrize("flips", [0.0, 0.5])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_crop_from_the_padded_image_is_that_of_torchvision(channels, flips):
    pixels = images(90, channels, 20, 30)
    transform = Augment(pad=4, flip=flips)
    drawn = transform.draw(90, 20, 30, generator())
    wide = tv.pad(pixels, [4], padding_mode="reflect")
    flip = np.zeros(90, dtype=bool) if drawn.flip is None else drawn.flip
    assert flip.any() == bool(flips)
    for view, image, (top, left), flipped in zip(
        transform.apply(pixels, drawn), wide, drawn.corner.tolist(), flip, strict=True
    ):
        cropped = tv.crop(image, top + 4, left + 4, 20, 30) / 255
        assert torch.equal(view, tv.hflip(cropped) if flipped else cropped)
