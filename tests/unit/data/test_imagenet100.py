import hashlib
import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dhel_kcl.data import prepared, writing
from dhel_kcl.data.sources import imagenet100
from dhel_kcl.data.sources.imagenet100_cmc import CLASSES

IDS = ["n00000003", "n00000001", "n00000002"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(imagenet100.SOURCE, str(tmp_path / "imagenet"))
    monkeypatch.delenv(imagenet100.CLASS_LIST, raising=False)
    monkeypatch.setattr(imagenet100, "COUNT", 3)
    monkeypatch.setattr(imagenet100, "CMC_CLASSES", IDS)
    return tmp_path


def folder_of(parts=("train", "val"), ids=IDS, images=2):
    """Images in the colour of their class and part, in a folder layout of ImageNet."""
    for part in parts:
        for class_id in ids:
            place = Path("imagenet", part, class_id)
            place.mkdir(parents=True)
            for k in range(images):
                level = 20 * int(class_id[1:]) + 5 * part.startswith("val")
                Image.new("RGB", (30, 28), (level, level, 50 * k)).save(place / f"{class_id}_{k}.JPEG")


def prepare():
    imagenet100.fetch(Path("out"))
    return prepared.read(Path("out"), verify=True)


def details():
    """What only this data set has in its manifest."""
    return prepare().manifest.description.details


def contents(data):
    """The stored files' bytes."""
    offsets = prepared.offsets_of(data.images, len(data.labels))
    return [data.images[start:end].tobytes() for start, end in pairwise(offsets)]


def check(data):
    assert data.encoded
    assert (data.manifest.images, data.channels) == ((12,), 3)
    assert data.manifest.description.details["class_ids"] == sorted(IDS)
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert data.part.tolist() == [0] * 6 + [1] * 6
    paths = [path for part in ("train", "val") for path in sorted(Path("imagenet", part).rglob("*.JPEG"))]
    assert contents(data) == [path.read_bytes() for path in paths]


def test_a_folder_of_its_own_classes_is_read():
    folder_of()
    Path("imagenet/train", IDS[0], "notes.txt").touch()
    data = prepare()
    check(data)
    assert {path.name for path in Path("out").iterdir()} == {"manifest.json", *prepared.FILES}


def test_the_layout_in_several_folders_gives_the_same():
    folder_of(("train.X1",), IDS[:2])
    folder_of(("train.X2",), IDS[2:])
    folder_of(("val.X",))
    split = prepare().manifest
    Path("imagenet").rename("other")
    folder_of()
    assert prepare().manifest == split


def test_the_list_is_chosen_and_recorded(here, monkeypatch):
    folder_of(ids=[*IDS, "n00000004"])
    assert details()["class_list"] == "CMC"
    (here / "mine.txt").write_text("n00000004\nn00000002\n")
    monkeypatch.setenv(imagenet100.CLASS_LIST, str(here / "mine.txt"))
    mine = details()
    assert mine["class_list"] == "mine.txt"
    assert mine["class_ids"] == ["n00000002", "n00000004"]
    monkeypatch.delenv(imagenet100.CLASS_LIST)
    monkeypatch.setattr(imagenet100, "COUNT", 4)
    assert details()["class_list"] == "the folder's own 100 classes"


def test_the_digest_covers_every_file():
    folder_of()
    before = details()["files_sha256"]
    lines = [
        f"{path.parent.name}/{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for part in ("train", "val")
        for path in sorted(Path("imagenet", part).rglob("*.JPEG"))
    ]
    assert before == hashlib.sha256("".join(lines).encode()).hexdigest()
    image = Path("imagenet/val", IDS[0], f"{IDS[0]}_0.JPEG")
    image.write_bytes(image.read_bytes() + b"\0")
    assert details()["files_sha256"] != before


def unset(monkeypatch):
    monkeypatch.delenv(imagenet100.SOURCE)


def one_class_short(monkeypatch):
    folder_of(ids=IDS[:2])


def flat_validation(monkeypatch):
    folder_of(("train",))
    Path("imagenet/val").mkdir()


def class_without_validation(monkeypatch):
    folder_of(("train",))
    folder_of(("val",), IDS[:2])


def empty_class(monkeypatch):
    folder_of()
    for path in Path("imagenet/val", IDS[1]).iterdir():
        path.unlink()


def damaged_image(monkeypatch):
    folder_of()
    path = Path("imagenet/train", IDS[1], f"{IDS[1]}_1.JPEG")
    path.write_bytes(path.read_bytes()[:400])


def listed(text):
    def make(monkeypatch):
        folder_of()
        Path("list.txt").write_text(text)
        monkeypatch.setenv(imagenet100.CLASS_LIST, "list.txt")

    return make


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_a_class_list_of_another_encoding_is_read_or_named_with_the_remedy(monkeypatch, encoding):
    listed("# é\n")(monkeypatch)
    Path("list.txt").write_bytes(("n00000001\r\nn00000002\r\n" + "é" * (encoding == "latin-1")).encode(encoding))
    if encoding == "utf-8-sig":
        assert details()["class_ids"] == ["n00000001", "n00000002"]
        return
    with pytest.raises(ValueError, match=r"^list\.txt: (UTF-16, or no text|not UTF-8); save it as UTF-8"):
        prepare()


def test_a_hundred_classes_by_list_of_all_that_imagenet_holds(monkeypatch):
    """As in the true folder: PNG and CMYK under .JPEG names, images that say they are turned, sides of a pixel."""
    monkeypatch.setattr(imagenet100, "COUNT", 100)
    monkeypatch.setattr(imagenet100, "CMC_CLASSES", CLASSES)
    more = [f"n0000{number:04}" for number in range(10)]
    exif = Image.Exif()
    exif[0x0112] = 6
    for part in ("train", "val"):
        for number, class_id in enumerate([*CLASSES, *more]):
            place = Path("imagenet", part, class_id)
            place.mkdir(parents=True)
            image = Image.new("RGB", [(30, 28), (1, 40), (40, 1), (1, 1)][number % 4], (2 * number, 0, 0))
            mode, form = [("RGB", "JPEG"), ("CMYK", "JPEG"), ("L", "JPEG"), ("RGBA", "PNG"), ("RGB", "PNG")][number % 5]
            image.convert(mode).save(place / f"{class_id}_1.JPEG", form, exif=exif)
            (place / f"._{class_id}_1.JPEG").write_bytes(b"Mac OS X")
    data = prepare()
    assert data.manifest.description.details["class_list"] == "CMC"
    assert data.manifest.description.details["class_ids"] == sorted(CLASSES)
    assert data.labels.tolist() == [*range(100)] * 2
    assert not data.manifest.upright
    Path("list.txt").write_text("\n".join([*CLASSES[:90], *more]))
    monkeypatch.setenv(imagenet100.CLASS_LIST, "list.txt")
    assert details()["class_ids"] == sorted([*CLASSES[:90], *more])


def test_every_damaged_image_is_named():
    folder_of()
    bad = [Path("imagenet", part, IDS[number], f"{IDS[number]}_0.JPEG") for part, number in (("train", 0), ("val", 2))]
    for path in bad:
        path.write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match="2 of 12 images: replace them or take them away") as error:
        prepare()
    assert all(f"{path} cannot be read: it is no image" in str(error.value) for path in bad)
    assert not Path("out").exists()


def test_stray_files_of_systems_are_no_images(monkeypatch):
    folder_of()
    before = prepare().manifest
    for name in ("._a.JPEG", ".hidden.png", "Thumbs.db", "list.txt"):
        Path("imagenet/train", IDS[0], name).write_bytes(b"stray")
    for name in ("._n00000001", ".DS_Store", "n00000001.tar"):
        Path("imagenet/train", name).write_bytes(b"stray")
    assert prepare().manifest == before


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (unset, f"{imagenet100.SOURCE} is not set: ImageNet cannot be downloaded freely"),
        (lambda monkeypatch: None, r"imagenet has no folder train or train\.X"),
        (one_class_short, "imagenet has 2 classes, not 3: complete it, or set"),
        (flat_validation, "val has no class folders such as n01440764"),
        (class_without_validation, "val lacks 1 of the 3 classes of the list 'CMC': n00000002"),
        (empty_class, "n00000001 holds no images"),
        (damaged_image, r"n00000001_1\.JPEG cannot be read"),
        (listed("n00000001 n99999999"), r"train lacks 1 of the 2 classes of the list 'list\.txt': n99999999"),
        (listed("cats"), r"list\.txt is not a list of classes: 'cats' is no id"),
        (listed(""), r"list\.txt is not a list of classes: it is empty"),
        (listed("n00000001 n00000001"), r"list\.txt is not a list of classes: .* twice"),
    ],
)
def test_bad_input_is_named(monkeypatch, fault, message):
    fault(monkeypatch)
    with pytest.raises(ValueError, match=message):
        prepare()
    assert not Path("out").exists()


def test_a_file_that_changes_meanwhile_is_named(monkeypatch):
    folder_of()
    monkeypatch.setattr(writing, "checksums", lambda files: ["0" * 64] * len(files))
    with pytest.raises(ValueError, match=r"n00000001_0\.JPEG changed while it was read"):
        prepare()
    assert not any(Path("out").iterdir())


def test_too_little_space_is_told_before_anything_is_written(monkeypatch):
    folder_of()
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"GB of disk space are needed and 0\.00 GB are free"):
        prepare()
    assert not Path("out").exists()


def larger(offsets):
    offsets[3] = offsets[4] + 1


def smaller(offsets):
    offsets[3] = offsets[2]


def other_start(offsets):
    offsets[0] += 8


def beyond_the_end(offsets):
    offsets[-1] += 1


@pytest.mark.parametrize("damage", [larger, smaller, other_start, beyond_the_end])
def test_offsets_that_fit_no_files_are_found(damage):
    folder_of()
    images = prepare().images.copy()
    damage(prepared.offsets_of(images, 12))
    np.save("out/images.npy", images)
    with pytest.raises(ValueError, match=r"out/images\.npy does not hold the 12 files its manifest states; delete out"):
        prepared.read(Path("out"))


def test_an_array_of_pixels_or_the_start_of_a_file_is_no_encoded_data_set():
    folder_of()
    images = prepare().images.copy()
    for other in (images[:50], images[:-1], images[None], images.astype(np.int16)):
        np.save("out/images.npy", other)
        with pytest.raises(ValueError, match=r"out/images\.npy does not hold the 12 files its manifest states; delete"):
            prepared.read(Path("out"))


def test_the_cmc_list_is_a_hundred_classes():
    assert len(CLASSES) == len(set(CLASSES)) == 100
    assert all(imagenet100.ID.fullmatch(entry) for entry in CLASSES)
    assert CLASSES[0] == "n02869837"
