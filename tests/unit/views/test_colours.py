import numpy as np
import pytest
import torch
from torchvision.transforms import functional as tv

from dhel_kcl.views.augment import Augment
from dhel_kcl.views.colours import shift_hue
from dhel_kcl.views.parameters import BLENDS, Parameters
from tests.unit.views.pictures import JITTER, PAPER, close, generator, images


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
    values = (
        torch.rand(1, 1, 40, 40, generator=generator()) + chroma * torch.rand(20, 3, 40, 40, generator=generator(1))
    ).clamp(0, 1)
    shift = torch.linspace(-0.5, 0.5, 20)
    theirs = torch.stack([tv.adjust_hue(colour, x.item()) for colour, x in zip(values, shift, strict=True)])
    shift_hue(values, shift)
    close(values, theirs)


def test_a_blur_wider_than_the_image_is_refused():
    with pytest.raises(ValueError, match="blur_kernel must be odd and below 16, twice the view's side, got 23"):
        Augment(blur=1.0)(images(height=8), generator())
