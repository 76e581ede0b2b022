import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style
from tests.colours import apart, as_deuteranopes_see, lab

MAIN = ("simclr", "dcl", "dhel", "kcl-gaussian", "kcl-log")
"""Losses that most figures compare."""
FORMS = ("dhel", "dhel-mean", "dhel-anchor")


def line():
    style.set_theme()
    fig, axes = style.panels(2, 2.0, "what is shown")
    axes[0].plot([0, 1], [0, 1], color=style.LOOKS["dhel"][0])
    style.not_run(axes[1])
    style.legend(fig, [Line2D([], [], label="DHEL")])
    return fig


def test_the_same_figure_gives_the_same_bytes_without_time_or_version(tmp_path):
    for name in ("first", "second"):
        style.save(line(), tmp_path / name)
    for extension in ("pdf", "png"):
        first, second = (tmp_path / f"{name}.{extension}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
        assert b"CreationDate" not in first.read_bytes()
        assert b"Software" not in first.read_bytes()


def test_settings_of_the_user_change_no_byte(tmp_path):
    style.save(line(), tmp_path / "usual")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.facecolor": "red"}):
        style.save(line(), tmp_path / "users")
    assert (tmp_path / "usual.png").read_bytes() == (tmp_path / "users.png").read_bytes()
    assert findfont(FontProperties(family=["sans-serif"])).startswith(matplotlib.get_data_path())


def test_widths_are_those_of_a_column_and_a_page():
    widths = {count: style.panels(count, 2.0, "what is shown")[0].get_figwidth() for count in (1, 2, 3)}
    assert widths == {1: style.COLUMN, 2: style.PAGE, 3: style.PAGE}


def test_a_panel_without_results_says_so():
    fig = line()
    assert [text.get_text() for text in fig.axes[1].texts] == ["not run"]


def test_every_look_is_there_once():
    looks = [*style.LOOKS.values(), *style.OTHERS]
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == len(looks)


def colours(names):
    looks = style.LOOKS | {marker: (colour, marker) for colour, marker in style.OTHERS}
    return {name: np.array(to_rgb(looks[name][0])) for name in names}


def least_distance(found):
    """The two colours that are closest, and how far apart they are."""
    return min((apart(lab(a), lab(b)), names) for names, (a, b) in pairs(found).items())


def pairs(found):
    return {(m, n): (found[m], found[n]) for m, n in itertools.combinations(found, 2)}


def test_the_distance_of_colours_is_that_of_the_standard():
    """Pairs 1, 7, 17 and 25 of Sharma, Wu and Dalal (2005), table 1."""
    given = [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ]
    for first, second, distance in given:
        assert apart(np.array(first), np.array(second)) == pytest.approx(distance, abs=1e-4)
    assert lab(np.array([1.0, 1.0, 1.0])) == pytest.approx([100, 0, 0], abs=0.02)


def test_colours_of_losses_are_far_apart():
    """CIEDE2000: 20 for all losses; as deuteranopes see them 20 for those that most figures compare.

    To deuteranopes colours differ in lightness and from blue to yellow alone, which has no room for all of them. With
    the main five as they are, all ten are 20 apart only if InfoNCE, DHEL anchor and KCL Riesz are all but black and
    DHEL mean is a pale beige, which is worse for everybody: they are 15 apart. So are the colours of losses with other
    names among each other and from the main five; from the rest they are 12.
    """
    others = [marker for _, marker in style.OTHERS]
    every = colours([*style.LOOKS, *others])
    assert least_distance(every)[0] >= 20
    seen = {name: as_deuteranopes_see(colour) for name, colour in every.items()}
    for names, least in ((MAIN, 20), (style.LOOKS, 15), ([*MAIN, *others], 15), (every, 12)):
        assert least_distance({name: seen[name] for name in names})[0] >= least


def test_grey_tells_the_main_losses_apart_and_paper_all():
    lightness = {name: lab(colour)[0] for name, colour in colours(style.LOOKS).items()}
    steps = np.diff(sorted(lightness[name] for name in MAIN))
    assert steps.min() >= 8
    assert max(lightness.values()) < 80, "too pale on white"


def test_forms_of_dhel_are_shades_of_one_hue():
    hues = [np.degrees(np.arctan2(*lab(colour)[:0:-1])) for colour in colours(FORMS).values()]
    assert max(hues) - min(hues) < 30


def test_names_are_moved_apart_and_no_further():
    moved = style.apart([1.0, 5.0, 1.1], 0.5)
    assert moved == pytest.approx([0.8, 5.0, 1.3])
    assert list(style.apart([], 1.0)) == []


def test_long_titles_are_broken():
    fig = style.blank(
        (style.COLUMN, 2.0), "a title of so many words that a column of a page is too narrow for all of them"
    )
    assert "\n" in fig.get_suptitle()
