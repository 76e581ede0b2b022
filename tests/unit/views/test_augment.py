import dataclasses

import numpy as np
import pytest
import torch
import yaml
from scipy.stats import chi2_contingency, ks_2samp, kstest
from torchvision.transforms import ColorJitter, RandomCrop

from dhel_kcl.study.config import load_suite
from dhel_kcl.views import augment
from dhel_kcl.views.augment import Augment
from tests.pipeline import ROOT
from tests.unit.views.pictures import DIGITS, JITTER, PAPER, close, generator, images


def test_what_a_seed_draws_stays_what_it_is():
    """On every machine and with every later version: else a finished run could not be computed again."""
    drawn = Augment(**PAPER, rotation=15).draw(2, 32, 32, generator())
    expected = {
        "box": [[5, 1, 22, 25], [7, 0, 21, 19]],
        "flip": [1, 1],
        "angle": [0.1652, 0.1535],
        "blend": [[0, 1, 2], [2, 1, 0]],
        "factor": [[1.2682, 0.7645, 1.0745], [0.6899, 0.7228, 0.7934]],
        "before": [0, 2],
        "shift": [0.0452, 0.0402],
        "grey": [0, 0],
        "sigma": [1.6583, 1.9642],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(drawn, name).astype(float), values, atol=1e-4, err_msg=name)
    assert drawn.corner is None
    assert Augment(pad=4).draw(3, 32, 32, generator()).corner.tolist() == [[0, 2], [-4, -3], [-2, 1]]


def test_ranges_may_be_lists_as_in_json():
    settings = {"crop_scale": [0.5, 1.0], "blur_sigma": [0.1, 2.0]}
    assert Augment(**settings) == Augment(crop_scale=(0.5, 1.0), blur_sigma=(0.1, 2.0))
    assert hash(Augment(**settings)) == hash(Augment(**settings))


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


@pytest.mark.parametrize("settings", [{"blur_sigma": (2.0, 0.2)}, {"crop_scale": (1.0, 0.08)}])
def test_a_range_from_high_to_low_is_refused(settings):
    with pytest.raises(ValueError, match=r"(blur_sigma|crop_scale): .* is above"):
        Augment(**settings)


def test_channels_other_than_one_or_three_are_refused():
    with pytest.raises(ValueError, match="1 or 3 channels"):
        Augment()(images(channels=2), generator())


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
