import pytest

from dhel_kcl.data import prepared
from dhel_kcl.data.prepared import Manifest
from dhel_kcl.data.sources import digits
from dhel_kcl.files import read_json, write_json


@pytest.mark.parametrize("name", ["manifest.json", "images.npy", "labels.npy", "part.npy"])
def test_a_missing_file_is_named_with_its_remedy(tmp_path, name):
    digits.fetch(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; delete .* run"):
        prepared.read(tmp_path)


def test_a_changed_pixel_is_found(tmp_path):
    digits.fetch(tmp_path)
    content = bytearray((tmp_path / "images.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "images.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"images\.npy does not have the content its manifest states"):
        prepared.read(tmp_path, verify=True)


def test_a_manifest_is_read_as_it_was_written(digits_folder):
    content = read_json(digits_folder / "manifest.json")
    manifest = prepared.read(digits_folder).manifest
    assert manifest == Manifest.of(content)
    assert list(manifest.as_dict().items()) == list(content.items())
    assert manifest.description.licence == "CC BY 4.0"


def delete(key):
    return lambda content: {name: value for name, value in content.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *((delete(key), f"KeyError: '{key}'") for key in ("name", "licence", "images", "classes", "sha256")),
        (lambda content: content | {"images": [1797]}, r"ValueError: images: \[1797\] is no shape of images"),
        (lambda content: content | {"images": []}, r"ValueError: images: \[\] is no shape of images"),
        (lambda content: content | {"classes": "ten"}, "ValueError: .*ten"),
        (lambda content: content | {"sha256": {"images.npy": ""}}, r"KeyError: 'labels\.npy'"),
        (lambda content: list(content), "TypeError: "),
    ],
)
def test_a_damaged_manifest_is_named_with_its_remedy(tmp_path, change, message):
    digits.fetch(tmp_path)
    write_json(tmp_path / "manifest.json", change(read_json(tmp_path / "manifest.json")))
    with pytest.raises(ValueError, match=rf"manifest\.json is damaged \({message}.*\); delete .* run"):
        prepared.read(tmp_path)


def test_another_shape_than_the_manifest_states_is_found(tmp_path):
    digits.fetch(tmp_path)
    content = read_json(tmp_path / "manifest.json")
    write_json(tmp_path / "manifest.json", content | {"images": [1797, 1, 4, 16]})
    with pytest.raises(ValueError, match="holds arrays whose shapes disagree with its manifest; delete"):
        prepared.read(tmp_path)
