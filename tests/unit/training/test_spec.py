import json
from dataclasses import dataclass

import pytest

from dhel_kcl.files import DamagedError, write_json
from dhel_kcl.training.spec import PretrainSpec, Spec, TrainingSettings
from dhel_kcl.views.augment import Augment


@dataclass(frozen=True)
class Example(Spec):
    name: str
    augment: Augment
    training: TrainingSettings | None


def test_a_spec_is_what_its_json_says(pretrain_spec, tmp_path):
    spec = PretrainSpec.of(pretrain_spec)
    assert spec.training == TrainingSettings(**pretrain_spec["training"])
    assert spec.augment == Augment(**pretrain_spec["augment"])
    write_json(tmp_path / "spec.json", spec.as_dict())
    assert json.loads((tmp_path / "spec.json").read_text()) == pretrain_spec
    for source in (str(tmp_path / "spec.json"), json.dumps(pretrain_spec), f"  {json.dumps(pretrain_spec)}"):
        assert PretrainSpec.read(source) == spec


def test_settings_may_be_left_out_where_they_may_be_none_or_have_a_default():
    spec = Example.of({"name": "a", "augment": {"flip": 0.5}, "training": None})
    assert spec == Example("a", Augment(flip=0.5), None)
    assert Example.of(spec.as_dict()) == spec
    assert Example.of({"name": "a", "augment": Augment(flip=0.5), "training": None}) == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 1}, r"PretrainSpec: unknown key 'lr'; allowed: augment, backbone, batch_size"),
        ({"training": {"lr": 1}}, r"PretrainSpec: unknown key 'lr' in training; allowed: epochs, learning_rate"),
        ({"training": {"epochs": 1}}, r"PretrainSpec: missing key 'learning_rate' in training"),
        ({"augment": {"flop": 0.5}}, r"PretrainSpec: unknown key 'flop' in augment; allowed: blur"),
        ({"augment": {"crop_scale": [1.0, 0.5]}}, r"PretrainSpec: crop_scale: 1\.0 is above 0\.5"),
        ({"augment": {"crop_scale": 1}}, r"PretrainSpec: "),
        ({"augment": 3}, r"PretrainSpec: 3 is not an object in augment"),
    ],
)
def test_a_key_that_is_wrong_is_named_with_its_place(pretrain_spec, change, message):
    with pytest.raises(ValueError, match=message):
        PretrainSpec.of(pretrain_spec | change)


def test_a_missing_key_is_named(pretrain_spec):
    del pretrain_spec["images"]
    with pytest.raises(ValueError, match="PretrainSpec: missing key 'images'"):
        PretrainSpec.of(pretrain_spec)


def test_a_file_that_holds_something_else_is_named(tmp_path):
    (tmp_path / "spec.json").write_text("[]")
    with pytest.raises(DamagedError, match=r"spec\.json is damaged \(not a JSON object\)"):
        PretrainSpec.read(str(tmp_path / "spec.json"))


@pytest.mark.parametrize(
    ("loss", "subset", "steps"), [("simclr", "pretrain", 18), ("supervised", "train", 18), ("random", "pretrain", 0)]
)
def test_floors_see_other_images_and_steps(pretrain_spec, loss, subset, steps):
    spec = PretrainSpec.of(pretrain_spec | {"loss": {"name": loss}})
    assert (spec.subset, spec.steps(100)) == (subset, steps)


def of_updates(pretrain_spec, count):
    training = {key: value for key, value in pretrain_spec["training"].items() if key != "epochs"}
    return pretrain_spec | {"training": training | {"updates": count}}


def test_a_training_may_be_a_number_of_updates(pretrain_spec):
    """Whatever the number of images; and the JSON holds what was asked for, and not the other key."""
    asked = of_updates(pretrain_spec, 7)
    spec = PretrainSpec.of(asked)
    assert (spec.steps(100), spec.steps(1000)) == (7, 7)
    assert spec.as_dict() == json.loads(json.dumps(asked)) | {"augment": spec.as_dict()["augment"]}
    assert [*PretrainSpec.of(pretrain_spec).as_dict()["training"]] == [*pretrain_spec["training"]]
    assert PretrainSpec.of(asked | {"loss": {"name": "random"}}).steps(100) == 0


@pytest.mark.parametrize("both", [{"epochs": 3}, {}])
def test_a_training_has_epochs_or_updates(pretrain_spec, both):
    training = of_updates(pretrain_spec, 7)["training"] | both
    if not both:
        del training["updates"]
    with pytest.raises(ValueError, match="training needs epochs or updates, and not both"):
        PretrainSpec.of(pretrain_spec | {"training": training})
