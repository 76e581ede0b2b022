"""One table and one figure of all benchmarks, with the machine that they ran on.

Reads augment.csv, step.csv, losses.csv, memory.csv, probe.csv and absolute.csv of a folder; writes table.md,
environment.json, speed.png and speed.pdf there.

Example:
    python benchmarks/summary.py --folder benchmarks
"""

import datetime
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from dhel_kcl.files import write_json, write_text
from dhel_kcl.presentation import style
from dhel_kcl.presentation.titles import TITLES
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.provenance import environment

MEMORY_MB, GROWTH = 600, 70
"""Limits of a loss at M = 32,768: memory beyond the embeddings, and time against M = 4,096."""
LOSS = r"^loss, (?P<loss>[\w-]+), M = (?P<size>[\d,]+)$"
"""What the rows of losses as they are without options are called."""
ENDS = {"": "", "_low": "_high", "_high": "_low"}
"""Quartiles of a ratio, and of the time that it is divided by."""
WHISKERS: dict[str, Any] = {"linewidth": 0.8, "ecolor": style.GREY}
TARGET: dict[str, Any] = {"linestyle": "", "color": "black", "markersize": 9}


def here() -> dict[str, Any]:
    found = environment()
    found["versions"] |= {name: version(name) for name in ("torchvision", "lightly", "pillow")}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "gpu": gpu} | found


def markdown(ratios: pd.DataFrame, absolute: pd.DataFrame, memory: pd.DataFrame, where: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {where['versions'][name]}" for name in ("torch", "torchvision", "lightly", "pillow"))
    gpu = where["gpu"] or "no GPU"
    ratios = ratios.assign(
        ratio=[f"{row.ratio:.2f} ({row.ratio_low:.2f}-{row.ratio_high:.2f})" for row in ratios.itertuples()],
        target=[f"{target:g}" if target == target else "" for target in ratios["target"]],
    )
    columns = {"ours_s": "ours, s", "baseline_s": "baseline, s", "ratio": "ratio (quartiles)"}
    ratios = ratios.drop(columns=["ratio_low", "ratio_high"]).rename(columns=columns)
    absolute = absolute.assign(
        seconds=[f"{row.seconds:.2g} ({row.seconds_low:.2g}-{row.seconds_high:.2g})" for row in absolute.itertuples()]
    )[["what", "seconds", "limit"]].rename(columns={"seconds": "seconds (quartiles)", "limit": "at most"})
    names = {"loss": "loss at M = 32,768", "extra_mb": f"extra memory, MB (at most {MEMORY_MB})"}
    names |= {"times_small": f"time over that of M = 4,096 (at most {GROWTH})"}
    memory = memory.drop(columns="batch_size").rename(columns=names)
    tables = [ratios.to_markdown(index=False, floatfmt=".3g"), absolute.to_markdown(index=False, floatfmt="g")]
    tables.append(memory.to_markdown(index=False, floatfmt=".3g"))
    head = (
        f"{where['date']}, {where['processor']}, {where['cores']} cores, {gpu}, Python {where['python']}, {versions}."
    )
    return "\n\n".join([head, *tables]) + "\n"


def draw(ratios: pd.DataFrame, absolute: pd.DataFrame) -> Figure:
    """Bars of how many times as fast as its baseline each loss is, by batch size, and all else that has a target; of
    what has a limit in seconds, how many times it fits in. Bars begin at 1, as fast."""
    rest = ratios[ratios.what.str.extract(LOSS).loss.isna()].dropna(subset="target")
    labels = [f"{row.what}\n/ {row.baseline}" for row in rest.itertuples()]
    labels += [f"{row.what}\n/ limit of {row.limit:g} s" for row in absolute.itertuples()]
    limits = {f"ratio{end}": absolute.limit / absolute[f"seconds{other}"] for end, other in ENDS.items()}
    rest = pd.concat([rest, pd.DataFrame(limits).assign(target=1)], ignore_index=True)
    title = "How many times as fast as their baselines, or as their limits ask, losses and steps are"
    fig, [[losses, others]] = style.grid(1, 2, (style.PAGE, 4.2), title, width_ratios=[1, 0.6])
    handles = draw_losses(losses, ratios)
    places, whiskers = range(len(rest)), abs(rest[["ratio_low", "ratio_high"]].T - rest.ratio)
    others.barh(places, rest.ratio - 1, 0.7, left=1, color="#BBBBBB", xerr=whiskers.to_numpy(), error_kw=WHISKERS)
    others.plot(rest.target, places, marker="|", **TARGET)
    others.set_yticks(places, labels)
    others.invert_yaxis()
    others.set(title="steps, and limits", xscale="log", xlabel="times as fast")
    handles.append(Line2D([], [], marker="|", label="target", **TARGET))
    handles.append(Line2D([], [], color=WHISKERS["ecolor"], linewidth=WHISKERS["linewidth"], label="quartiles"))
    style.legend(fig, handles, columns=len(handles))
    for axis in (losses.yaxis, others.xaxis):
        style.plain(axis)
        axis.set_minor_formatter(NullFormatter())
    return fig


def draw_losses(axes: Axes, ratios: pd.DataFrame) -> list[Artist]:
    """On one thread, a group of bars a batch size, a bar a loss. Returns entries of the legend."""
    found = pd.concat([ratios, ratios.what.str.extract(LOSS)], axis=1).dropna(subset="loss")
    found = found[found.threads == 1]
    names, sizes = list(dict.fromkeys(found.loss)), list(dict.fromkeys(found["size"]))
    colours = {name: style.LOOKS[name][0] for name in names}
    for position, (name, color) in enumerate(colours.items()):
        here = found[found.loss == name]
        places = [sizes.index(size) + style.dodged(position, len(names), 0.8) for size in here["size"]]
        whiskers = abs(here[["ratio_low", "ratio_high"]].T - here.ratio).to_numpy()
        axes.bar(places, here.ratio - 1, 0.8 / len(names), bottom=1, color=color, yerr=whiskers, error_kw=WHISKERS)
        axes.plot(places, here.target, marker="_", **TARGET)
    axes.axhline(1, color="black", linewidth=0.6)
    axes.set_xticks(range(len(sizes)), sizes)
    axes.set(title="losses, one thread", yscale="log", xlabel="batch size M", ylabel="times as fast")
    return [Patch(color=color, label=TITLES[name]) for name, color in colours.items()]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folder", required=True, type=Path, help="of the CSV files, and for what is written")
    folder = parser.parse_args().folder
    ratios = pd.concat([pd.read_csv(folder / f"{name}.csv") for name in ("augment", "step", "losses", "probe")])
    absolute, memory = (pd.read_csv(folder / f"{name}.csv") for name in ("absolute", "memory"))
    where = here()
    write_json(folder / "environment.json", where)
    write_text(folder / "table.md", markdown(ratios, absolute, memory, where))
    style.set_theme()
    style.save(draw(ratios, absolute), folder / "speed")


if __name__ == "__main__":
    cli.run(main)
