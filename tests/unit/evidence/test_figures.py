import re
from importlib import import_module

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

from dhel_kcl.evidence.figures import FIGURES, causes, claims, figures_of, hyperparameters, panels
from dhel_kcl.evidence.tidy import Results, where, write
from dhel_kcl.presentation import style
from dhel_kcl.runtime.digest import RUNNING
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory import EXPERIMENTS
from tests.pipeline import ROOT
from tests.synthetic import effect, planned, results_of, small, suite_of, with_causes, with_rates
from tests.unit.evidence.conftest import complete


@pytest.fixture(autouse=True)
def theme():
    style.set_theme()


def is_small(text):
    """Less than 7 pt at print size; sub- and superscripts of formulas are."""
    shown = text.get_visible() and text.get_text()
    return bool(shown) and (text.get_fontsize() < style.SMALL or any(sign in text.get_text() for sign in "^_"))


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["a loss", "the selected seeds", "all losses"])
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_partly_done_suite(results_without, name, missing):
    figure = FIGURES[name].make(results_without(missing))
    figure.draw_without_rendering()
    words = {text.get_text() for ax in figure.axes for text in ax.texts}
    partly = {"a loss": ("planned", "claims", "hyperparameters"), "the selected seeds": ("planned", "claims")}
    empty = missing == "all losses" or name in partly[missing]
    assert ("not run" in words) == (empty and name != "causes"), "the runs of causes are others"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_several_data_sets(results_of_several, name):
    """One data set is not run at all. 6 s for all figures."""
    figure = FIGURES[name].make(results_of_several)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    assert figure.get_suptitle()
    assert figure.get_figwidth() in (style.COLUMN, style.PAGE)
    assert [text for text in figure.findobj(Text) if is_small(text)] == []
    titles = {ax.get_title().split(",")[0] for ax in figure.axes}
    if name == "hyperparameters":
        titles = {ax.get_ylabel().split("\n")[0] for ax in figure.axes}
    asked = {"CIFAR-10"} if name == "causes" else {"CIFAR-10", "CIFAR-100", "STL-10"}
    assert titles - {""} == asked


def test_a_suite_has_no_figure_of_what_it_does_not_run(results_of_several, tmp_path):
    assert figures_of(results_of_several.suite) == list(FIGURES)
    assert set(FIGURES) - set(figures_of(suite_of(tmp_path))) == {"causes", "planned"}


def test_grids_of_words_and_incomplete_ones_are_drawn(tmp_path):
    def change(content):
        content["losses"]["dhel"]["form"] = ["mean", "sum"]
        content["losses"]["kcl-log"]["gamma"] = [4.0, 16.0]

    def missing(run):
        return run.method == "dcl" and run.role == "grid" and run.loss["temperature"] == 0.1

    results = complete(results_of(tmp_path / "results", suite_of(tmp_path, change), without=missing))
    axes = {ax.get_xlabel(): ax for ax in FIGURES["hyperparameters"].make(results).axes}
    labels = [label.get_text() for label in axes["form (above), τ (below)"].get_xticklabels()]
    assert labels[:2] == ["mean\n0.1", "mean\n0.3"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["temperature=0.1", "temperature=0.3"], "τ"),
        (["t=1.0 gamma=4.0", "t=2.0 gamma=16.0"], "t (above), γ (below)"),
        (["form=sum energy_weight=1.0 temperature=0.1", "form=mean energy_weight=2.0 temperature=0.3"],
         "form, w, τ (from above)"),
    ],
)  # fmt: skip
def test_it_is_said_which_hyperparameter_stands_above_which(settings, said):
    assert hyperparameters.names(settings) == said


def test_each_setting_is_drawn_at_its_best_learning_rate_on_validation(tmp_path):
    def truth(run, loss):
        accuracy = 80.0 + 5.0 * (run.setting.training.get("learning_rate") == 0.3)
        return {"validation_accuracy": accuracy, "test_accuracy": accuracy}

    results = complete(results_of(tmp_path / "results", suite_of(tmp_path, with_rates), truth, noise={}))
    figure = FIGURES["hyperparameters"].make(results)
    title = " ".join(figure.get_suptitle().split())
    assert "1 seed each" in title
    assert "best learning rate" in title
    drawn = [line.get_ydata()[0] for ax in figure.axes for line in ax.lines]
    assert set(drawn) == {85.0}
    assert len(drawn) == 2 * 2 * 3


def beside(axes):
    """{words before a line: [words behind it]} of the panels of a forest plot."""
    said = {}
    for ax in axes:
        labels = [label.get_text() for label in ax.get_yticklabels()]
        for text in ax.texts:
            said.setdefault(labels[int(text.xy[1])], []).append(text.get_text())
    return said


def test_claims_say_effects_and_verdicts_in_words(tmp_path):
    suite = suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))
    results = complete(results_of(tmp_path / "results", suite, effect("z_effective_rank", 5.0)))
    axes = FIGURES["claims"].make(results).axes
    labels = [label.get_text() for ax in axes for label in ax.get_yticklabels()]
    headings = {"C6: rank of z", "weight doubled: DHEL sum − mean"}
    assert headings | {"DHEL − SimCLR", "each at its best rate"} <= set(labels)
    said = beside(axes)
    assert set(said["C6: rank of z"]) == {"exploratory"}
    assert all(text.endswith(", exploratory") for text in said["weight doubled: DHEL sum − mean"])
    said = [text.get_text() for ax in axes for text in ax.texts]
    assert any(re.fullmatch(r"\+\d\.\d \(\+\d\.\d to \+\d\.\d\)  supported", text) for text in said)
    assert [ax.get_xlabel().split(",")[0] for ax in axes] == [
        "difference in accuracy (points)",
        "difference in effective rank (dimensions)",
    ]


def test_planned_statements_have_a_figure_and_others_are_called_exploratory(tmp_path):
    suite = suite_of(tmp_path, planned(with_rates))
    results = complete(
        results_of(tmp_path / "results", suite, effect("z_effective_rank", 5.0), noise={"test_accuracy": 0.1})
    )
    heads = {
        name: {label.get_text() for ax in FIGURES[name].make(results).axes for label in ax.get_yticklabels()}
        for name in ("planned", "claims")
    }
    headings = {"C3: accuracy at the selected setting", "C5: accuracy, mean over the grid, 1 seed", "C6: rank of z"}
    assert heads["planned"] == headings | {"DHEL − SimCLR"}
    assert heads["planned"] < heads["claims"]
    said = beside(FIGURES["claims"].make(results).axes)
    assert (said["C6: rank of h"], said.get("C6: rank of z")) == (["exploratory"], None)
    said = [text.get_text() for ax in FIGURES["planned"].make(results).axes for text in ax.texts]
    assert any(text.endswith("not distinguishable, within the margin") for text in said)
    title = FIGURES["planned"].make(results).get_suptitle()
    assert title == "3 planned comparisons: 2 not distinguishable, 1 no verdict", "ranks without spread have none"


def test_effects_that_a_mixed_mean_hides_are_drawn_and_said():
    """Ranks of DHEL less DCL, +13.7 and -14.9: their mean of -0.6 would look like no difference."""
    results = Results(ROOT / "results/cifar10_laptop", Suite.load(ROOT, "cifar10_laptop"))
    axes = FIGURES["planned"].make(results).axes
    said = [text.get_text() for ax in axes for text in ax.texts]
    assert "mixed: +13.7 at M = 64, −14.9 at M = 256" in said
    marks = [list(line.get_xdata()) for line in axes[1].lines]
    assert [13.65, -14.93] in marks
    row = where(results.table("claims"), id="rank", of="dhel", against="dcl").iloc[0]
    assert [row.estimate] not in marks
    assert claims.values_of(row.components) == {"M = 64": 13.65, "M = 256": -14.93}
    assert claims.values_of("") == {}


def test_the_two_effects_of_a_cause_have_one_verdict():
    results = Results(ROOT / "results/digits_causes", Suite.load(ROOT, "digits_causes"))
    (ax,) = FIGURES["claims"].make(results).axes
    said = [text.get_text() for text in ax.texts]
    assert said.count("supported") == 4
    effects = [text for text in said if text != "supported"]
    assert len(effects) == 8
    assert all(re.fullmatch(r"\+\d+\.\d \(\+\d+\.\d to \+\d+\.\d\)", text) for text in effects)


def test_losses_that_no_claim_is_about_are_said_to_be(tmp_path):
    """They have run; it is the ledger that asks nothing of them."""

    def renamed(content):
        content["losses"] = {f"my-{name}": entry for name, entry in content["losses"].items()}

    results = complete(results_of(tmp_path / "results", suite_of(tmp_path, renamed)))
    said = {text.get_text() for ax in FIGURES["claims"].make(results).axes for text in ax.texts}
    assert said == {"no statement on\nthe losses of this suite"}


def test_a_loss_without_a_curve_says_in_the_legend_why(tmp_path):
    results = complete(results_of(tmp_path / "results", suite_of(tmp_path)))
    epochs = results.table("epochs")
    write(results.folder / "epochs.csv", epochs.assign(gap=epochs.gap.where(epochs.method != "dcl")))
    (legend,) = FIGURES["training_curves"].make(results).legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert [label for label in labels if "not known" in label] == ["DCL: least value not known"]
    assert "SimCLR" in labels


def test_a_batch_size_without_a_known_least_value_has_no_panel_of_curves(tmp_path):
    results = complete(results_of(tmp_path / "results", suite_of(tmp_path)))
    epochs, (first, *others) = results.table("epochs"), results.sizes("digits")

    def panels_of(gap):
        write(results.folder / "epochs.csv", epochs.assign(gap=gap))
        anew = Results(results.folder, results.suite)
        figure = FIGURES["training_curves"].make(anew)
        assert "not known" not in " ".join(text.get_text() for text in figure.legends[0].get_texts())
        return {ax.get_title(): [text.get_text() for text in ax.texts] for ax in figure.axes}

    assert others
    assert panels_of(epochs.gap.where(epochs.batch_size == first)) == {f"M = {first}": []}
    nothing = panels_of(np.nan)
    assert len(nothing) == 1 + len(others)
    assert all(words == ["least value\nnot known"] for words in nothing.values())


def test_a_legend_of_one_panel_fits_into_a_column(tmp_path):
    def one_size(content):
        content["batch_sizes"] = [content["ablations"]["batch_size"]]

    results = complete(results_of(tmp_path / "results", suite_of(tmp_path, one_size)))
    for name in ("training_curves", "spectra", "similarities", "alignment_uniformity"):
        figure = FIGURES[name].make(results)
        figure.draw_without_rendering()
        assert figure.get_figwidth() == style.COLUMN
        (legend,) = figure.legends
        place = legend.get_window_extent()
        assert figure.bbox.x0 <= place.x0
        assert place.x1 <= figure.bbox.x1, name


def test_floors_far_below_and_above_are_named_at_their_ends_of_the_panel(tmp_path):
    def truth(run, loss):
        return {"test_accuracy": {"random": 20.0, "supervised": 99.0}.get(run.method, 60.0)}

    results = complete(results_of(tmp_path / "results", suite_of(tmp_path), truth, noise={}))
    figure = FIGURES["accuracy"].make(results)
    figure.draw_without_rendering()
    (ax,) = figure.axes
    texts = {text.get_text().split(":")[0]: text for text in ax.texts if ":" in text.get_text()}
    assert texts["above"].get_text() == "above: supervised 99.0 %"
    assert "random encoder 20.0 %" in texts["below"].get_text()
    below, above = (texts[side].get_window_extent() for side in ("below", "above"))
    points = ax.transData.transform((0, 60.0))[1]
    assert ax.bbox.y0 < below.y0 < below.y1 < points < above.y0 < above.y1 < ax.bbox.y1


def test_dhel_with_the_energy_doubled_has_one_name_in_the_figure_of_causes():
    results = Results(ROOT / "results/cifar10_causes", Suite.load(ROOT, "cifar10_causes"))
    figure = FIGURES["causes"].make(results)
    lines = {label.get_text() for ax in figure.axes for label in ax.get_yticklabels()}
    assert {"weight doubled: DHEL sum − mean", "DHEL mean, w = 1", "DHEL sum"} <= lines
    assert "DHEL mean, w = 2" not in lines
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[-4:] == ["SimCLR", "DCL", "DHEL mean", "DHEL sum"], "and no sizes, since each has one weight"
    markers = [line.get_marker() for ax in figure.axes[1:] for line in ax.lines]
    assert markers.count("D") == markers.count("o") == 2 * 3 * 2, "a point for each temperature and rate in two panels"
    assert causes.named("dcl, w = 2") == "DCL, w = 2"
    assert causes.named("dhel-mean, w = 2, length 250") == "DHEL sum, length 250"


def test_losses_without_a_look_of_their_own_get_different_ones(tmp_path):
    def renamed(content):
        found = content["losses"].items()
        content["losses"] = {
            f"my-{name}-{turn}": entry | {"title": f"{name} {turn}"} for turn in "ab" for name, entry in found
        }

    suite = suite_of(tmp_path, renamed)
    looks = [tuple(panels.look(name, suite).values()) for name, method in suite.methods.items() if name[:3] == "my-"]
    assert len(set(looks)) == len(looks) == 2 * len(style.OTHERS)
    assert not set(looks) & set(style.LOOKS.values())
    assert panels.look("dhel-mean", suite) == panels.look("dhel-mean", Suite.load(ROOT, "digits"))


@pytest.mark.parametrize(
    "module", [figure.module for figure in FIGURES.values()] + [f"theory.figures.{name}" for name in EXPERIMENTS]
)
def test_how_figures_look_is_behind_the_digest_of_each(module):
    assert "presentation.style" in RUNNING.reached_by([module])


def test_panels_keep_their_numbers_where_the_first_has_not_run(tmp_path):
    """Panels of a data set share the y axis, which stands at the first of them."""
    results = complete(results_of(tmp_path / "results", suite_of(tmp_path), without=lambda run: run.batch_size == 16))
    for name in ("spectra", "training_curves"):
        axes = FIGURES[name].make(results).axes
        numbered = [ax.get_title() for ax in axes if ax.yaxis.get_tick_params()["labelleft"]]
        assert numbered == ["M = 64"], name


def test_exploratory_data_sets_are_named_where_others_were_planned(results_of_several):
    results = Results(results_of_several.folder, results_of_several.suite)
    table = results.table("claims")
    changed = table.assign(
        status=[
            "confirmatory" if row.id == "rank" and row.dataset == "cifar10" else "exploratory"
            for row in table.itertuples()
        ]
    )
    results.__dict__["table"] = lambda name: changed if name == "claims" else table
    axes = claims.draw(results).axes
    (labels,) = [
        labels for ax in axes if "C6: rank of z" in (labels := [each.get_text() for each in ax.get_yticklabels()])
    ]
    said = {labels[int(text.xy[1])]: text.get_text() for text in axes[-1].texts if text.get_text()}
    assert said["C6: rank of z"] == "exploratory on CIFAR-100, STL-10"
    assert said["C6: rank of h"] == "exploratory"
    assert all(not text.get_text().startswith("exploratory") for ax in axes[-3:-1] for text in ax.texts)


@pytest.mark.parametrize("package", ["evidence.figures", "theory.figures", "presentation"])
def test_no_module_keeps_a_part_of_a_figure(package):
    """It would look as the theme said when the module was imported, by whatever was drawn first."""
    for path in (ROOT / "src/dhel_kcl" / package.replace(".", "/")).glob("*.py"):
        module = import_module(f"dhel_kcl.{package}.{path.stem}".removesuffix(".__init__"))
        assert [name for name, value in vars(module).items() if isinstance(value, Artist)] == [], path


SPLIT = {"split": {"train": 1000, "validation": 40, "test": 60}}


def with_other_losses_on_cifar100(content):
    dcl = content["losses"]["dcl"]
    small(content)
    others = {"dhel": content["losses"]["dhel"], "dcl": dcl}
    content["datasets"] = {"cifar10": SPLIT, "cifar100": SPLIT | {"losses": others}}


def test_nothing_is_said_of_losses_that_a_data_set_does_not_have(tmp_path):
    """DCL on CIFAR-100 alone, SimCLR on CIFAR-10 alone, and all that was asked has run."""
    suite = suite_of(tmp_path, planned(with_other_losses_on_cifar100))
    results = complete(results_of(tmp_path / "results", suite, effect("z_effective_rank", 5.0)))
    for name, lines in {"claims": 2 * 6, "planned": 2 * 2}.items():
        figure = FIGURES[name].make(results)
        said = [text.get_text() for ax in figure.axes for text in ax.texts]
        assert "not run" not in said, name
        effects = [line for ax in figure.axes for line in ax.lines if line.get_marker() not in ("", "None", None)]
        assert len(effects) == lines, name
    assert FIGURES["planned"].make(results).get_suptitle().startswith("4 planned comparisons: ")


def test_a_figure_of_no_planned_comparison_says_so(tmp_path):
    suite = suite_of(tmp_path)
    results = complete(results_of(tmp_path / "results", suite))
    assert (
        import_module(f"dhel_kcl.{FIGURES['planned'].module}").title(results.table("claims").iloc[:0])
        == "No planned comparison"
    )


def with_losses_on_cifar10_alone(content):
    with_causes([0, 1])(content)
    content["datasets"] = {"cifar10": SPLIT | {"losses": content.pop("losses")}, "cifar100": SPLIT}
    content["causes"]["datasets"] = ["cifar100"]


@pytest.mark.parametrize("name", ["hyperparameters", "spectra", "similarities", "training_curves", "accuracy"])
def test_a_data_set_without_losses_to_compare_has_no_panel(tmp_path, name):
    suite = suite_of(tmp_path, with_losses_on_cifar10_alone)
    results = complete(results_of(tmp_path / "results", suite))
    figure = FIGURES[name].make(results)
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    assert ("CIFAR-10" in words, "CIFAR-100" in words, "not run" in words) == (True, False, False)
