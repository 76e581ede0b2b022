"""One table and one figure of all benchmarks, with the machine that they ran on.

Reads augment.csv, step.csv, losses.csv, memory.csv and absolute.csv of a folder; writes table.md, environment.json,
speed.png and speed.pdf there.

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
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from dhel_kcl.files import write_json, write_text
from dhel_kcl.presentation import style
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.provenance import environment

MEMORY_MB, GROWTH = 600, 70
"""Limits of a loss at M = 32,768: memory beyond the embeddings, and time against M = 4,096."""


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
    """Whatever has a target: its ratio to the baseline, or the limit over its time, right of the target's line."""
    rows = ratios.dropna(subset="target")
    labels = [f"{row.what} / {row.baseline} ({row.threads})" for row in rows.itertuples()]
    values = rows[["ratio_low", "ratio", "ratio_high", "target"]].to_numpy().tolist()
    for row in absolute.itertuples():
        labels.append(f"{row.what} / limit of {row.limit:g} s")
        values.append([row.limit / row.seconds_high, row.limit / row.seconds, row.limit / row.seconds_low, 1])
    fig, [[axes]] = style.grid(1, 1, (style.PAGE, 0.6 + 0.17 * len(values)))
    for place, (low, middle, high, target) in enumerate(values):
        met = middle >= target
        axes.plot(
            [low, high], [place, place], color="#0072B2" if met else "#D55E00", linewidth=2, solid_capstyle="butt"
        )
        axes.plot(middle, place, "o" if met else "X", color="#0072B2" if met else "#D55E00", markersize=4)
        axes.plot(target, place, "|", color="black", markersize=8)
    axes.set(xscale="log", ylim=(len(values) - 0.5, -0.5), xlabel="baseline's time / ours; |: target; bar: quartiles")
    axes.set_yticks(range(len(values)), labels, fontsize="x-small")
    ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", linewidth=0.4)
    return fig


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folder", required=True, type=Path, help="of the CSV files, and for what is written")
    folder = parser.parse_args().folder
    ratios = pd.concat([pd.read_csv(folder / f"{name}.csv") for name in ("augment", "step", "losses")])
    absolute, memory = (pd.read_csv(folder / f"{name}.csv") for name in ("absolute", "memory"))
    where = here()
    write_json(folder / "environment.json", where)
    write_text(folder / "table.md", markdown(ratios, absolute, memory, where))
    style.set_theme()
    style.save(draw(ratios, absolute), folder / "speed")


if __name__ == "__main__":
    cli.run(main)
