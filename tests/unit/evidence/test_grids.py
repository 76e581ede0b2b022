"""How large grids are and where they end, and that verdicts say so."""

import pytest

from dhel_kcl.evidence import grids
from dhel_kcl.evidence.verdicts import judge
from tests.synthetic import BOOK, PRESENT, results_of, small, suite_of, with_rates

POINTS = [f"form={form} temperature={tau} learning_rate={rate}" for form in ("mean", "sum") for tau in (0.1, 0.3, 1.0)
          for rate in (0.3, 1.0)]  # fmt: skip


def test_settings_are_points_but_for_their_learning_rate():
    assert grids.size(POINTS) == (6, 12)
    assert grids.size([""]) == (1, 1)
    assert grids.setting("temperature=0.3 learning_rate=1.0 gamma=4.0") == "temperature=0.3 gamma=4.0"


@pytest.mark.parametrize(
    ("chosen", "edges"),
    [("form=sum temperature=0.3 learning_rate=1.0", {"learning_rate": "1.0"}),
     ("form=sum temperature=0.1 learning_rate=0.3", {"temperature": "0.1", "learning_rate": "0.3"})],
)  # fmt: skip
def test_the_ends_of_an_axis_of_numbers_are_edges(chosen, edges):
    assert grids.at_edge(chosen, POINTS) == edges
    assert grids.at_edge("temperature=0.3", ["temperature=0.3"]) == {}, "no axis"
    assert grids.at_edge("learning_rate=1e-05", ["learning_rate=1e-05", "learning_rate=0.1"]) == {
        "learning_rate": "1e-05"
    }


def test_a_verdict_says_which_selected_settings_lie_at_an_edge(tmp_path):
    """The first point of each grid is selected."""
    results = results_of(tmp_path / "results", suite_of(tmp_path, with_rates))
    table = judge(results, BOOK, PRESENT)
    limits = table[(table.of == "dhel") & (table.against == "simclr")].limits
    assert set(limits) == {
        "; ".join(f"{loss}: {key} = 0.1 at the edge at M = 16, 64" for loss in ("DHEL", "SimCLR")
                  for key in ("temperature", "learning_rate"))
    }  # fmt: skip


@pytest.mark.parametrize(
    ("training", "expected"),
    [({"epochs": 4}, "epochs"), ({"updates": 800}, "updates"), ({"updates": {16: 840, 64: 840}}, "updates"),
     ({"updates": {16: 840, 64: 210}}, "epochs")],
)  # fmt: skip
def test_the_text_says_what_trainings_of_all_batch_sizes_share(tmp_path, training, expected):
    def change(content):
        small(content)
        content["final"] = {"training": training, "seeds": [10, 11, 12, 13, 14]}

    results = results_of(tmp_path / "results", suite_of(tmp_path, change))
    table = judge(results, BOOK, PRESENT)
    assert table[table.id == "small-batches"].statement.str.startswith(f"at equal {expected} the lead").all()
