"""Image files as people have them: decoded as they are seen, or named, all of them, with the reason."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from dhel_kcl.data.images import checksums, decode, is_named_image
from dhel_kcl.files import sha256
from tests.unit.data.damage import mutated

GREY = np.linspace(0, 255, 20 * 16).reshape(20, 16)

KINDS = "RGB JPEG, L JPEG, CMYK JPEG, YCbCr JPEG, 1 PNG, P PNG, P GIF, LA PNG, RGBA PNG, L TIFF, RGB BMP, RGB WEBP"


def saved(image, form, **options):
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def picture(mode="RGB"):
    return Image.fromarray(GREY.astype(np.uint8)).convert("RGB").convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [tuple(kind.split()) for kind in KINDS.split(", ")],
)
def test_every_mode_of_eight_bits_is_decoded_whatever_the_file_is_called(mode, form):
    image = decode(saved(picture(mode), form))
    assert (image.mode, image.size) == ("RGB", (16, 20))
    if mode not in ("1", "P"):  # whose colours are few
        np.testing.assert_allclose(np.asarray(image).mean(axis=2), GREY, atol=12)


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (lambda: saved(Image.fromarray((GREY * 257).astype(np.uint16)), "PNG"), "I;16"),
        (lambda: saved(Image.fromarray((GREY * 257).astype(np.uint16)), "TIFF"), "I;16"),
        (lambda: saved(Image.fromarray((GREY * 257).astype(np.int32)), "TIFF"), "I"),
        (lambda: saved(Image.fromarray((GREY / 255).astype(np.float32)), "TIFF"), "F"),
    ],
)
def test_more_than_eight_bits_are_refused_by_name(content, mode):
    message = rf"its pixels have more than 8 bits \(mode {mode}\): save it with 8 bits a channel"
    with pytest.raises(ValueError, match=message):
        decode(content())


@pytest.mark.parametrize("content", [b"", b"no image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\0" * 99])
def test_what_is_no_image_is_told_without_an_address_of_memory(content):
    with pytest.raises(ValueError, match=r"^it is (no image|empty)$"):
        decode(content)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_image_is_decoded_or_ends_in_one_line():
    rng = np.random.default_rng(0)
    for number in range(300):
        form, mode = [("JPEG", "RGB"), ("PNG", "RGB"), ("TIFF", "RGB"), ("GIF", "P"), ("WEBP", "RGB")][number % 5]
        changes = [(rng.random() ** 3, rng.bytes(4)) for _ in range(4)]
        reason = ""
        try:
            assert decode(mutated(saved(picture(mode), form), changes, rng.choice([1.0, 0.7]))).mode == "RGB"
        except ValueError as error:
            reason = str(error)
        assert re.fullmatch("[^\n]*", reason)
        assert "0x" not in reason


def test_every_damaged_image_is_named_not_the_first_alone(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    for number, path in enumerate(paths):
        path.write_bytes(b"no image" if number % 10 == 3 else saved(picture(), "PNG"))
    paths[0].write_bytes(paths[1].read_bytes()[:90])
    with pytest.raises(ValueError, match="cannot be read") as raised:
        checksums(paths)
    lines = str(raised.value).splitlines()
    assert [line.split(" cannot be read: ")[0] for line in lines[:-1]] == [str(paths[n]) for n in (0, 3, 13, 23, 33)]
    assert lines[-1] == "5 of 40 images: replace them or take them away"
    sound = [path for number, path in enumerate(paths) if number and number % 10 != 3]
    assert checksums(sound) == [sha256(path) for path in sound]


def test_what_systems_leave_beside_images_is_none(tmp_path):
    for name in ("a.JPEG", "b.jpg", "c.png", "._a.JPEG", ".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt", "d"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert sorted(path.name for path in filter(is_named_image, tmp_path.iterdir())) == ["a.JPEG", "b.jpg", "c.png"]
