import pytest
from matplotlib.figure import Figure

from dhel_kcl.evidence.figures import FIGURES, figures_of, panels
from dhel_kcl.presentation import style
from dhel_kcl.runtime.digest import code
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory import EXPERIMENTS
from tests.pipeline import ROOT
from tests.synthetic import results_of, suite_of
from tests.unit.evidence.conftest import complete, make


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["a loss", "the selected seeds", "all losses"])
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_partly_done_suite(results_without, name, missing):
    figure = make(FIGURES[name], results_without(missing))
    figure.draw_without_rendering()
    words = {text.get_text() for ax in figure.axes for text in ax.texts}
    empty = missing == "all losses" or (name == "claims" and missing in ("a loss", "the selected seeds"))
    assert ("not run" in words) == (empty and name != "causes"), "the trade-off's runs are others"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_several_data_sets_needs_what_it_says_and_no_more(results_of_several, alone, name):
    """One data set is not run at all. 6 s for all figures."""
    figure = make(FIGURES[name], alone(FIGURES[name], results_of_several))
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    titles = {ax.get_title().split(",")[0] for ax in figure.axes}
    if name == "causes":
        assert "CIFAR-10" in titles
    elif name != "claims":
        assert titles - {""} == {"CIFAR-10", "CIFAR-100", "STL-10"}


def test_a_suite_has_no_figure_of_what_it_does_not_run(results_of_several, tmp_path):
    assert figures_of(results_of_several.suite) == list(FIGURES)
    assert set(FIGURES) - set(figures_of(suite_of(tmp_path))) == {"causes"}


def test_grids_of_words_and_incomplete_ones_are_drawn(tmp_path):
    def change(content):
        content["losses"]["dhel"]["form"] = ["mean", "sum"]
        content["losses"]["kcl-log"]["gamma"] = [4.0, 16.0]

    def missing(run):
        return run.method == "dcl" and run.role == "grid" and run.loss["temperature"] == 0.1

    results = complete(results_of(tmp_path / "results", suite_of(tmp_path, change), without=missing))
    ax = make(FIGURES["hyperparameters"], results).axes[0]
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert any(label.startswith("form, τ\nmean/0.1\n") for label in labels)


def test_losses_without_a_look_of_their_own_get_different_ones(tmp_path):
    def renamed(content):
        content["losses"] = {f"my-{name}": entry for name, entry in content["losses"].items()}

    suite = suite_of(tmp_path, renamed)
    looks = [tuple(panels.look(name, suite).values()) for name, method in suite.methods.items() if name[:3] == "my-"]
    assert len(set(looks)) == len(looks) == 5
    assert not set(looks) & set(style.LOOKS.values())
    assert panels.look("dhel-mean", suite) == panels.look("dhel-mean", Suite.load(ROOT, "digits"))


@pytest.mark.parametrize(
    "module", [figure.module for figure in FIGURES.values()] + [f"theory.figures.{name}" for name in EXPERIMENTS]
)
def test_how_figures_look_is_behind_the_digest_of_each(module):
    assert "presentation.style" in code().reached_by([module])
