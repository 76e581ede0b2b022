import pytest

from dhel_kcl.study.selection import Candidate, best, selected


def candidate(run, accuracy, cross_entropy):
    return Candidate(run, {"name": "dhel", "temperature": 0.1}, 0.3, accuracy, cross_entropy)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([candidate("a", 90, 0.1), candidate("b", 91, 0.9)], "b"),
        ([candidate("a", 90, 0.2), candidate("b", 90, 0.1)], "b"),
        ([candidate("a", 90, 0.1), candidate("b", 90, 0.1)], "a"),
    ],
)
def test_validation_accuracy_then_cross_entropy_then_order(candidates, expected):
    assert best(candidates).run == expected


def test_the_record_names_the_best_and_all():
    a, b = candidate("a", 90.0, 0.2), candidate("b", 90.0, 0.1)
    entry = {"loss": {"name": "dhel", "temperature": 0.1}, "learning_rate": 0.3, "validation_accuracy": 90.0}
    rows = [
        {"run": "a", **entry, "validation_cross_entropy": 0.2},
        {"run": "b", **entry, "validation_cross_entropy": 0.1},
    ]
    assert selected([a, b]) == rows[1] | {"candidates": rows}
