import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop

from dhel_kcl.views.augment import Augment
from tests.unit.views.pictures import generator


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
