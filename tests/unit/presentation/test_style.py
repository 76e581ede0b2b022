import matplotlib
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.lines import Line2D

from dhel_kcl.presentation import style


def line():
    style.set_theme()
    fig, axes = style.panels(2, height=2.0)
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
    widths = {count: style.panels(count, height=2.0)[0].get_figwidth() for count in (1, 2, 3)}
    assert widths == {1: style.COLUMN, 2: style.PAGE, 3: style.PAGE}


def test_a_panel_without_results_says_so():
    fig = line()
    assert [text.get_text() for text in fig.axes[1].texts] == ["not run"]


def test_every_look_is_there_once():
    looks = [*style.LOOKS.values(), *style.OTHERS]
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == len(looks)
