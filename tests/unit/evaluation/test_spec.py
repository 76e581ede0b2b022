import json
from dataclasses import asdict

import pytest

from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.views.augment import Augment

AUGMENT = json.loads(json.dumps(asdict(Augment(crop_scale=[0.6, 1.0], flip=0.5))))
HEAD = {"epochs": 2, "batch_size": 50, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "augment": AUGMENT}


@pytest.mark.parametrize("augmented", [None, HEAD])
def test_a_spec_is_recorded_as_it_was_given(evaluation_spec, augmented):
    given = json.dumps(evaluation_spec | {"augment": AUGMENT, "augmented": augmented})
    spec = EvaluationSpec.read(given)
    assert json.dumps(spec.as_dict()) == given
    assert spec.augment.flip == 0.5
    assert spec.augmented is None or spec.augmented.augment == spec.augment


def test_a_wrong_key_is_named(evaluation_spec):
    with pytest.raises(ValueError, match="EvaluationSpec: unknown key 'neighbors'"):
        EvaluationSpec.of(evaluation_spec | {"neighbors": 5})
    with pytest.raises(ValueError, match="EvaluationSpec: missing key 'images'"):
        EvaluationSpec.of({key: value for key, value in evaluation_spec.items() if key != "images"})
    with pytest.raises(ValueError, match="EvaluationSpec: missing key 'batch_size' in augmented"):
        EvaluationSpec.of(evaluation_spec | {"augmented": {"augment": {}}})
    with pytest.raises(ValueError, match="EvaluationSpec: unknown key 'flipp' in augment"):
        EvaluationSpec.of(evaluation_spec | {"augment": {"flipp": 0.5}})
