import pytest
import torch
from scipy.stats import ks_2samp, kstest
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2.functional import InterpolationMode, adjust_brightness, adjust_contrast, affine

from dhel_kcl.augment import Augment

IDENTITY = {"crop_scale": (1.0, 1.0), "rotation": 0, "brightness": 0, "contrast": 0}


def images(count=16, size=8):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8, generator=generator)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_views_are_seeded_and_independent():
    augment = Augment((0.6, 1.0), 15, 0.4, 0.4)
    first = augment(images().repeat(2, 1, 1, 1), generator())
    assert torch.equal(first, augment(images().repeat(2, 1, 1, 1), generator()))
    assert first.shape == (32, 1, 8, 8)
    assert first.min() >= 0
    assert first.max() <= 1
    assert not torch.isclose(first[:16], first[16:]).all(dim=(1, 2, 3)).any()


def test_rotation_is_that_of_torchvision():
    class Fixed(Augment):
        def _geometry(self, count, generator):
            angle = torch.tensor(torch.pi / 9)
            rows = [angle.cos(), -angle.sin(), torch.tensor(0.0), angle.sin(), angle.cos(), torch.tensor(0.0)]
            return torch.stack(rows).view(1, 2, 3).expand(count, 2, 3)

    ours = Fixed((1.0, 1.0), 0, 0, 0)(images(), generator())
    theirs = affine(images() / 255, -20.0, [0, 0], 1.0, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_a_crop_is_the_enlarged_part_of_the_image():
    """A quarter of an image with a linear ramp is the same ramp at half the slope."""
    ramp = (torch.arange(64, dtype=torch.uint8) * 4).expand(1, 1, 64, 64)

    class Corner(Augment):
        def _geometry(self, count, generator):
            return torch.tensor([[[0.5, 0, -0.5], [0, 0.5, -0.5]]])

    view = Corner((1.0, 1.0), 0, 0, 0)(ramp, generator())[0, 0] * 255
    expected = 4 * (torch.arange(64) + 0.5) / 2 - 2
    torch.testing.assert_close(view[10, 2:-2], expected[2:-2], atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_jitter_is_that_of_torchvision_with_uniform_factors(name):
    augment = Augment(**(IDENTITY | {name: 0.4}))
    # Middling greys are not clamped, so that the factor can be read off the view.
    grey = images(400).clamp(100, 155)
    views = augment(grey, generator())
    before, after = (
        x - (x.mean(dim=(1, 2, 3), keepdim=True) if name == "contrast" else 0) for x in (grey / 255, views)
    )
    factors = (after * before).sum(dim=(1, 2, 3)) / before.square().sum(dim=(1, 2, 3))
    assert kstest(factors.numpy(), "uniform", args=(0.6, 0.8)).pvalue > 0.01
    adjust = adjust_brightness if name == "brightness" else adjust_contrast
    theirs = torch.stack([adjust(image / 255, factor.item()) for image, factor in zip(grey, factors, strict=True)])
    torch.testing.assert_close(views, theirs, atol=1e-5, rtol=0)


def test_crops_follow_the_law_of_torchvision():
    """Areas, aspect ratios and positions of 2,000 crops of a large image, where rounding to pixels is small."""
    size, scale = 1000, (0.3, 1.0)
    geometry = Augment(scale, 0, 0, 0)._geometry(2000, generator()).double()
    width, height, x, y = geometry[:, 0, 0], geometry[:, 1, 1], geometry[:, 0, 2], geometry[:, 1, 2]
    assert (x.abs() + width).max() <= 1 + 1e-6
    assert (y.abs() + height).max() <= 1 + 1e-6
    torch.manual_seed(0)
    blank = torch.empty(1, size, size)
    boxes = [RandomResizedCrop.get_params(blank, list(scale), [3 / 4, 4 / 3]) for _ in range(2000)]
    top, left, their_height, their_width = (torch.tensor(side).double() / size for side in zip(*boxes, strict=True))
    for ours, theirs in (
        (width * height, their_width * their_height),
        ((width / height).log(), (their_width / their_height).log()),
        ((x + 1 - width) / 2, left),
        ((y + 1 - height) / 2, top),
    ):
        assert ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 0.01


def test_angles_are_uniform():
    geometry = Augment((1.0, 1.0), 30, 0, 0)._geometry(2000, generator()).double()
    angles = torch.atan2(geometry[:, 1, 0], geometry[:, 1, 1]).rad2deg()
    assert angles.abs().max() <= 30
    # The aspect ratio shears the map a little; the law of the angle itself is uniform.
    assert abs(angles.mean()) < 1.5
    assert abs(angles.std() - 30 / 3**0.5) < 1


def test_an_off_augmentation_returns_the_image():
    torch.testing.assert_close(Augment(**IDENTITY)(images(), generator()), images() / 255, atol=1e-6, rtol=0)
