import dataclasses

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.stats import chi2_contingency, ks_2samp, kstest
from torchvision.transforms import ColorJitter, InterpolationMode, RandomCrop, RandomResizedCrop
from torchvision.transforms import functional as tv

from dhel_kcl.study.config import load_suite
from dhel_kcl.views import augment
from dhel_kcl.views.augment import BLENDS, Augment, Parameters
from tests.pipeline import ROOT

JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
PAPER = {"crop_scale": (0.08, 1.0), "flip": 0.5, "jitter": 0.8, **JITTER, "grey": 0.2, "blur": 0.5}
"""CIFAR's recipe and ImageNet's blur."""
DIGITS = {"crop_scale": (0.6, 1.0), "rotation": 15, "brightness": 0.4, "contrast": 0.4}


def images(count=15, channels=3, height=32, width=None):
    """Noise, smooth gradients of nearly grey colours, and black and white, in turn."""
    random = np.random.default_rng(0)
    width = width or height
    noise = random.integers(0, 256, (count, channels, height, width))
    smooth = np.linspace(0, 250, width) + 2 * random.random((count, channels, height, 1))
    binary = 255 * random.integers(0, 2, (count, channels, height, width))
    kind = np.arange(count)[:, None, None, None] % 3
    return torch.from_numpy(np.select([kind == 0, kind == 1], [noise, smooth], binary).astype(np.uint8))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


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


def test_corners_follow_the_law_of_torchvision():
    """Every one of the 81 corners of 8,000 crops, as often as torchvision draws it."""
    ours = Augment(pad=4).draw(8000, 32, 40, generator()).corner + 4
    torch.manual_seed(0)
    blank = torch.empty(1, 40, 48)
    theirs = np.array([RandomCrop.get_params(blank, (32, 40))[:2] for _ in range(8000)])
    counts = [np.bincount(9 * corner[:, 0] + corner[:, 1], minlength=81) for corner in (ours, theirs)]
    assert min(map(len, counts)) == max(map(len, counts)) == 81
    assert chi2_contingency(counts).pvalue > 0.01


@pytest.mark.parametrize("settings", [{"crop_scale": (0.5, 1.0)}, {"rotation": 10}, {"size": 24}])
def test_padding_goes_with_no_other_crop(settings):
    with pytest.raises(ValueError, match="pad excludes crop_scale, size and rotation"):
        Augment(pad=4, **settings)


def test_padding_by_the_whole_image_is_refused():
    with pytest.raises(ValueError, match="pad must be below the image's sides of 4 and 9 pixels, got 4"):
        Augment(pad=4)(images(height=4, width=9), generator())


def torchvision_view(image, drawn, row, kernel=23):
    """Everything after the crop by torchvision's functions on a float tensor (C, H, W)."""
    if drawn.flip is not None and drawn.flip[row]:
        image = tv.hflip(image)
    names = [BLENDS[kind] for kind in drawn.blend[row]]
    operations = [
        (lambda x, name=name, factor=factor: getattr(tv, f"adjust_{name}")(x, factor.item()))
        for name, factor in zip(names, drawn.factor[row], strict=True)
    ]
    before = len(names) if drawn.before is None else drawn.before[row]
    if drawn.shift is not None:
        operations.insert(before, lambda x: tv.adjust_hue(x, drawn.shift[row].item()))
    for operation in operations if before <= len(names) else ():
        image = operation(image)
    if drawn.grey is not None and drawn.grey[row]:
        image = tv.rgb_to_grayscale(image, len(image))
    if drawn.sigma is not None and drawn.sigma[row]:
        image = tv.gaussian_blur(image, kernel, drawn.sigma[row].item())
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue", "grey", "blur"])
def test_each_operation_is_that_of_torchvision(name, channels):
    pixels = images(90, channels, 16, 24)
    transform = Augment(**{name: 0.5})
    drawn = transform.draw(90, 16, 24, generator())
    nothing = Parameters(blend=np.empty((90, 0), dtype=int), factor=np.empty((90, 0), dtype=np.float32))
    drawn = drawn._replace(**{key: getattr(nothing, key) for key in ("blend", "factor") if drawn.blend is None})
    theirs = torch.stack([torchvision_view(image / 255, drawn, row) for row, image in enumerate(pixels)])
    close(transform.apply(pixels, drawn), theirs)
    assert channels == 1 or not torch.equal(theirs, pixels / 255)


@pytest.mark.parametrize(
    "settings",
    [{"jitter": 0.8, **JITTER}, {"jitter": 0.5, "brightness": 0.8, "saturation": 0.8}, {"hue": 0.5, "contrast": 0.8},
     {**PAPER, "crop_scale": (1.0, 1.0), "blur_kernel": 5, "blur_sigma": (0.5, 3.0)}],
    ids=["all four", "two blends", "hue and a blend", "the recipe"],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sequence_is_that_of_torchvision(settings, channels):
    transform = Augment(**settings)
    pixels = images(300, channels, 24)
    drawn = transform.draw(300, 24, 24, generator())
    theirs = [torchvision_view(image / 255, drawn, row, transform.blur_kernel) for row, image in enumerate(pixels)]
    close(transform.apply(pixels, drawn), torch.stack(theirs))


@pytest.mark.parametrize("chroma", [0.0, 1e-7, 1e-4, 1.0])
def test_hue_of_nearly_grey_colours_is_that_of_torchvision(chroma):
    colours = (
        torch.rand(1, 1, 40, 40, generator=generator()) + chroma * torch.rand(20, 3, 40, 40, generator=generator(1))
    ).clamp(0, 1)
    shift = torch.linspace(-0.5, 0.5, 20)
    theirs = torch.stack([tv.adjust_hue(colour, x.item()) for colour, x in zip(colours, shift, strict=True)])
    augment.shift_hue(colours, shift)
    close(colours, theirs)


def test_a_blur_wider_than_the_image_is_refused():
    with pytest.raises(ValueError, match="blur_kernel must be odd and below 16, twice the view's side, got 23"):
        Augment(blur=1.0)(images(height=8), generator())


@pytest.mark.parametrize("settings", [{"blur_sigma": (2.0, 0.2)}, {"crop_scale": (1.0, 0.08)}])
def test_a_range_from_high_to_low_is_refused(settings):
    with pytest.raises(ValueError, match=r"(blur_sigma|crop_scale): .* is above"):
        Augment(**settings)


def test_channels_other_than_one_or_three_are_refused():
    with pytest.raises(ValueError, match="1 or 3 channels"):
        Augment()(images(channels=2), generator())


@pytest.mark.parametrize(
    ("scale", "height", "width"),
    [((0.08, 1.0), 32, 32), ((0.6, 1.0), 8, 8), ((0.002, 0.02), 8, 8), ((0.5, 1.0), 20, 60), ((0.3, 1.0), 96, 48)],
)
def test_boxes_follow_the_law_of_torchvision(scale, height, width):
    """Area, aspect ratio and corner of 3,000 boxes; of images that are too wide or tall, also the fallback."""
    ours = Augment(crop_scale=scale).draw(3000, height, width, generator()).box.T.astype(float)
    torch.manual_seed(0)
    blank = torch.empty(1, height, width)
    boxes = [RandomResizedCrop.get_params(blank, list(scale), [3 / 4, 4 / 3]) for _ in range(3000)]
    theirs = np.array(boxes).T
    assert (ours[0] + ours[2]).max() <= height
    assert (ours[1] + ours[3]).max() <= width
    assert ours.min() == 0
    for law in (
        lambda top, left, tall, wide: tall * wide,
        lambda top, left, tall, wide: wide / tall,
        lambda top, left, tall, wide: tall,
        lambda top, left, tall, wide: top,
        lambda top, left, tall, wide: left,
        lambda top, left, tall, wide: (top + 0.5) / (height - tall + 1),
    ):
        assert ks_2samp(law(*ours), law(*theirs)).pvalue > 0.01


def test_no_box_fits_in_a_strip():
    for height, width, box in ((20, 90, (0, 31, 20, 27)), (90, 20, (31, 0, 27, 20))):
        assert Augment(crop_scale=(0.9, 1.0)).draw(2, height, width, generator()).box.tolist() == [[*box]] * 2
        assert RandomResizedCrop.get_params(torch.empty(1, height, width), [0.9, 1.0], [3 / 4, 4 / 3]) == box


def test_jitter_follows_the_law_of_torchvision():
    """Factors, shift and order of 4,000 jitters; the order is compared over all 24."""
    drawn = Augment(**JITTER).draw(4000, 32, 32, generator())
    jitter = ColorJitter(**JITTER)
    torch.manual_seed(0)
    theirs = [
        ColorJitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) for _ in range(4000)
    ]
    orders = [
        [*blend[:before], 3, *blend[before:]]
        for blend, before in zip(drawn.blend.tolist(), drawn.before.tolist(), strict=True)
    ]
    codes = [
        np.array([np.dot([64, 16, 4, 1], order) for order in kind])
        for kind in (orders, [t[0].tolist() for t in theirs])
    ]
    values = np.unique(codes[1])
    assert len(values) == 24
    counts = [[(code == value).sum() for value in values] for code in codes]
    assert np.sum(counts) == 8000
    assert chi2_contingency(counts).pvalue > 0.01
    for kind in range(3):
        factors = drawn.factor[drawn.blend == kind]
        assert ks_2samp(factors, [t[kind + 1] for t in theirs]).pvalue > 0.01
    assert ks_2samp(drawn.shift, [t[4] for t in theirs]).pvalue > 0.01


def test_probabilities_angles_and_blurs_are_as_stated():
    drawn = Augment(**PAPER, rotation=30).draw(4000, 32, 32, generator())
    blurred = drawn.sigma > 0
    for happens, probability in ((drawn.flip, 0.5), (drawn.before <= 3, 0.8), (drawn.grey, 0.2), (blurred, 0.5)):
        assert abs(happens.mean() - probability) < 4 * (probability * (1 - probability) / 4000) ** 0.5
    assert kstest(drawn.sigma[blurred], "uniform", args=(0.2, 1.8)).pvalue > 0.01
    assert kstest(np.rad2deg(drawn.angle), "uniform", args=(-30, 60)).pvalue > 0.01


def test_parameters_are_independent():
    """No correlation between a view's parameters, nor with those of another view."""
    drawn = Augment(**PAPER, rotation=30).draw(8000, 32, 32, generator())
    first = np.array([values.reshape(8000, -1)[:, 0] for values in drawn if values is not None])
    both = np.concatenate(np.split(first, 2, axis=1))
    assert len(both) == 18
    assert np.abs(np.corrcoef(both) - np.eye(18)).max() < 0.07


@pytest.mark.parametrize(("settings", "channels", "size"), [(PAPER, 3, 32), (DIGITS, 1, 8)], ids=["colour", "digits"])
def test_views_are_seeded_and_differ(settings, channels, size):
    pixels, transform = images(60, channels, size).repeat(2, 1, 1, 1), Augment(**settings)
    views = transform(pixels, generator())
    assert views.shape == pixels.shape
    assert views.dtype == torch.float32
    assert views.is_contiguous()
    assert views.min() >= 0
    assert views.max() <= 1
    assert torch.equal(views, transform(pixels, generator()))
    assert not torch.isclose(views, transform(pixels, generator(1))).all(dim=(1, 2, 3)).any()
    assert not torch.isclose(views[:60], views[60:]).all(dim=(1, 2, 3)).any()


def test_a_view_depends_on_its_own_image_and_parameters_only(monkeypatch):
    transform, pixels = Augment(**PAPER), images(30)
    drawn = transform.draw(30, 32, 32, generator())
    together = transform.apply(pixels, drawn)
    for chunk in (1, 7 * 3 * 32 * 32):
        monkeypatch.setattr(augment, "CHUNK", chunk)
        close(transform.apply(pixels, drawn), together)
    backwards = np.arange(29, -1, -1)
    close(transform.apply(pixels[backwards], drawn.rows(backwards)), together[backwards])


@pytest.mark.parametrize(
    ("settings", "size"), [(PAPER, 32), (DIGITS, 8), ({"pad": 4}, 32)], ids=["colour", "digits", "padded"]
)
def test_pixels_stay_on_their_device(settings, size):
    """Torch's `meta` device computes nothing, but refuses operands of another device."""
    pixels = images(10, height=size).to("meta")
    transform = Augment(**(settings | {"flip": 0.5}))
    views = transform.apply(pixels, transform.draw(10, size, size, generator()))
    assert views.device.type == "meta"
    assert views.shape == pixels.shape


def test_autocast_does_not_coarsen_views():
    transform, pixels = Augment(**PAPER), images()
    views = transform(pixels, generator())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(transform(pixels, generator()), views)


def test_a_suite_can_state_the_paper_recipes(tmp_path):
    """And what a suite leaves out is off."""
    suite = yaml.safe_load((ROOT / "config/suites/smoke.yaml").read_text())
    path = tmp_path / "config/suites/smoke.yaml"
    path.parent.mkdir(parents=True)
    for recipe in ({}, PAPER | {"size": 224, "blur_kernel": 23, "blur_sigma": (0.2, 2.0)}, {"pad": 4, "flip": 0.5}):
        suite["datasets"]["digits"]["augment"] = {
            key: list(value) if isinstance(value, tuple) else value for key, value in recipe.items()
        }
        path.write_text(yaml.safe_dump(suite))
        settings = load_suite(tmp_path, "smoke").datasets["digits"].augment.model_dump()
        assert set(settings) == {field.name for field in dataclasses.fields(Augment)}
        expected = Augment(**recipe)
        assert Augment(**settings) == expected
