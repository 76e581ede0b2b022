"""One's own images: read as they are seen, split as the folders say, and every file that does not fit named."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

from dhel_kcl.data import prepared, split
from dhel_kcl.data.catalogue import of_folder, split_sizes
from dhel_kcl.data.fetching import fetch_own
from dhel_kcl.data.folders import listing
from dhel_kcl.data.prepared import PARTS
from dhel_kcl.steps import fetch as step
from tests.unit.data.photographs import PHOTOGRAPHS, lay_out_digits, lay_out_photographs, pieces

OPTIONS = ["--dataset", "mine", "--folder", "images", "--out", "out"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def prepare(size=24, streamed=None, folder=Path("images")):
    return fetch_own("mine", Path("out"), folder, size, streamed)


def stored(data, row):
    offsets = prepared.offsets_of(data.images, len(data.labels))
    return data.images[offsets[row] : offsets[row + 1]].tobytes()


def test_photographs_are_kept_as_squares_of_the_size_or_as_their_files():
    lay_out_photographs(Path("images"), {"": 8})
    paths = sorted(Path("images").rglob("*.jpg"))
    data = prepare()
    assert (data.images.shape, data.channels, data.classes) == ((16, 3, 24, 24), 3, 2)
    assert data.labels.tolist() == [0] * 8 + [1] * 8
    assert data.manifest.description.details["class_names"] == ["china", "flower"]
    for path, square in zip(paths, data.images, strict=True):
        with Image.open(path) as image:
            expected = ImageOps.fit(image, (24, 24), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(square.transpose(1, 2, 0), np.asarray(expected))
    streamed = prepare(size=128)
    assert streamed.encoded
    assert [stored(streamed, row) for row in range(16)] == [path.read_bytes() for path in paths]
    details = [each.manifest.description.details for each in (data, streamed)]
    assert details[0] == details[1]


def test_the_size_decides_unless_the_suite_does():
    lay_out_photographs(Path("images"), {"": 3})
    assert [prepare(size).encoded for size in (96, 97)] == [False, True]
    assert [prepare(size, streamed).encoded for size, streamed in ((24, True), (128, False))] == [True, False]


def test_digits_as_png_are_the_digits():
    lay_out_digits(Path("images"), 200)
    data = prepare(size=8)
    digits = load_digits()
    order = np.argsort(digits.target[:200], kind="stable")
    np.testing.assert_array_equal(data.labels, digits.target[:200][order])
    np.testing.assert_array_equal(data.images, np.repeat(digits.images[:200][order][:, None] * 15, 3, axis=1))
    assert data.manifest.description.details["class_names"] == [str(digit) for digit in range(10)]


def test_parts_are_those_of_the_folders_and_the_split_takes_them():
    lay_out_photographs(Path("images"), {"train": 10, "val": 4, "test": 3})
    lay_out_photographs(Path("more"), {"": 5})
    for k, path in enumerate(sorted(Path("more").rglob("*.jpg"))):
        Path("images/unlabeled").mkdir(exist_ok=True)
        shutil.copy(path, f"images/unlabeled/{k}.jpg")
    data, entry = prepare(), of_folder("mine", Path("images"), 24)
    counts = {"train": 20, "validation": 8, "test": 6, "unlabeled": 10}
    assert {name: int((data.part == PARTS[name]).sum()) for name in counts} == counts
    assert {name: getattr(entry, name) for name in counts} == counts
    assert (data.labels[data.part == PARTS["unlabeled"]] == -1).all()
    drawn = split.draw(data.labels, data.part, train=None, validation=6, test=6, seed=0)
    assert (data.part[drawn["validation"]] == PARTS["validation"]).all()
    assert (data.part[drawn["test"]] == PARTS["test"]).all()
    assert len(drawn["train"]) == 20
    assert split_sizes("mine", train=None, validation=6, test=6, dataset=entry) == {
        subset: len(index) for subset, index in drawn.items()
    }
    with pytest.raises(ValueError, match="mine: the split asks for 9 validation images of 8"):
        split_sizes("mine", train=None, validation=9, test=6, dataset=entry)
    with pytest.raises(ValueError, match="mine: the split asks for more training images than the 20 that there are"):
        split_sizes("mine", train=21, validation=8, test=6, dataset=entry)


def test_every_size_and_mode_is_taken_as_it_is_seen():
    lay_out_photographs(Path("images"), {"": 4})
    china = Path("images/china")
    piece = next(pieces("china", 1))
    forms = {"grey.jpg": "L", "cmyk.jpg": "CMYK", "cmyk.tif": "CMYK", "alpha.png": "RGBA", "palette.gif": "P"}
    for name, mode in forms.items():
        piece.convert(mode).save(china / name)
    shutil.copy(china / "alpha.png", china / "png.JPEG")
    shutil.copy(china / "alpha.png", china / "without suffix")
    for size in ((1, 300), (300, 1), (1, 1)):
        piece.resize(size).save(china / f"{size[0]}x{size[1]}.png")
    assert len(prepare().labels) == 4 + len(forms) + 2 + 3 + 4
    assert len(prepare(streamed=True).labels) == 4 + len(forms) + 2 + 3 + 4


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photograph_that_the_camera_turned_stands_upright(turn):
    lay_out_photographs(Path("images"), {"": 2}, form="png")
    exif = Image.Exif()
    exif[0x0112] = turn
    whole = Image.fromarray(PHOTOGRAPHS["china"]).resize((40, 40))
    Path("images/china/000.png").unlink()
    whole.save("images/china/000.png", exif=exif)
    methods = [None, 0, 3, 1, 5, 4, 6, 2]  # PIL's names of what each orientation asks for
    upright = np.asarray(whole if methods[turn - 1] is None else whole.transpose(methods[turn - 1]))
    np.testing.assert_array_equal(prepare(size=40).images[0].transpose(1, 2, 0), upright)
    streamed = prepare(size=40, streamed=True)
    assert streamed.manifest.upright
    assert prepared.read(Path("out")).manifest == streamed.manifest


def test_what_systems_leave_behind_is_left_out():
    lay_out_photographs(Path("images"), {"": 3})
    before = prepare().manifest
    for name in (".DS_Store", "china/._000.jpg", "china/Thumbs.db", "flower/desktop.ini", "._china"):
        Path("images", name).write_bytes(b"stray")
    Path("images/__MACOSX/china").mkdir(parents=True)
    Path("images/.git").mkdir()
    assert prepare().manifest == before


def remove(*names):
    def change():
        for name in names:
            shutil.rmtree(Path("images", name))

    return change


def add(name, content=b"no image"):
    def change():
        Path("images", name).parent.mkdir(parents=True, exist_ok=True)
        Path("images", name).write_bytes(content)

    return change


def empty(name):
    return lambda: Path("images", name).mkdir(parents=True)


def sixteen_bits():
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save("images/train/china/deep.png")


FAULTS = {
    "no folder": (lambda: Path("images").rename("elsewhere"), "images is no folder: correct the path to the images of"),
    "no classes": (remove("train", "val"), "images holds 0 class folders; sort the images into one a class"),
    "one class": (remove("train/china", "val/china"), "images/train holds 1 class folders; sort"),
    "an empty class": (empty("train/empty"), "images/train/empty holds no images: add some, or take it away"),
    "an empty validation class": (
        lambda: (remove("val/china")(), empty("val/china")()),
        "images/val/china holds no im",
    ),
    "a class of validation alone": (add("val/lily/1.jpg"), "images/val/lily is a class that train does not have"),
    "no train": (remove("train"), "images has a folder val and none train: add it, or rename that class"),
    "an image beside classes": (add("train/1.jpg"), "images/train/1.jpg lies beside class folders: put it into one"),
    "an image beside parts": (add("1.jpg"), "images/1.jpg lies beside train: put it into train, or take it away"),
    "a class beside parts": (add("lily/1.jpg"), "images/lily lies beside train: put it into train"),
    "an empty part": (empty("test"), "images/test holds no class folders: add them, or take it away"),
    "no unlabeled images": (empty("unlabeled"), "images/unlabeled holds no images: add some, or take it away"),
    "a text": (add("train/china/notes.txt"), "images/train/china/notes.txt cannot be read: it is no image"),
    "an empty file": (add("train/china/0.jpg", b""), "images/train/china/0.jpg cannot be read: it is empty"),
    "a damaged unlabeled image": (add("unlabeled/0.jpg"), "images/unlabeled/0.jpg cannot be read: it is no image"),
    "16 bits": (
        sixteen_bits,
        "images/train/china/deep.png cannot be read: its pixels have more than 8 bits (mode I;16)",
    ),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_named_and_nothing_is_written(fault, streamed):
    lay_out_photographs(Path("images"), {"train": 3, "val": 1})
    change, message = FAULTS[fault]
    change()
    with pytest.raises(ValueError, match=re.escape(message)):
        prepare(streamed=streamed)
    assert not Path("out").exists()


def test_every_bad_file_is_named():
    lay_out_photographs(Path("images"), {"": 4})
    bad = [Path("images", name) for name in ("china/000.jpg", "china/notes.txt", "flower/001.jpg")]
    for path in bad:
        path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="3 of 9 images: replace them or take them away") as error:
        prepare()
    assert [line.split(" ")[0] for line in str(error.value).splitlines()[:-1]] == [str(path) for path in bad]


def test_the_name_of_a_public_data_set_is_not_ones_own():
    lay_out_photographs(Path("images"), {"": 2})
    with pytest.raises(ValueError, match="cifar10 is the name of a public data set; give your own images another"):
        fetch_own("cifar10", Path("out"), Path("images"), 24)


def test_a_test_part_may_lack_a_class():
    lay_out_photographs(Path("images"), {"train": 3, "test": 2})
    shutil.rmtree("images/test/china")
    assert listing(Path("images")).count("test") == 2


def test_the_step_prepares_them(monkeypatch, capsys):
    lay_out_photographs(Path("images"), {"": 3})
    monkeypatch.setattr(sys, "argv", ["fetch", *OPTIONS, "--size", "20"])
    step.main()
    assert capsys.readouterr().out == "out: 6 images of shape (3, 20, 20), 2 classes\n"
    monkeypatch.setattr(sys, "argv", ["fetch", *OPTIONS, "--streamed"])
    step.main()
    assert capsys.readouterr().out == "out: 6 images of their own sizes, 2 classes\n"


@pytest.mark.parametrize("option", [["--size", "64"], ["--streamed"], ["--no-streamed"]])
def test_options_of_own_images_need_their_folder(option, monkeypatch, capsys):
    """They would say nothing of a data set that is known."""
    monkeypatch.setattr(sys, "argv", ["fetch", "--dataset", "digits", "--out", "out", *option])
    with pytest.raises(SystemExit):
        step.main()
    assert "--size and --streamed are for your own images: give their --folder" in capsys.readouterr().err
    assert not Path("out").exists()
