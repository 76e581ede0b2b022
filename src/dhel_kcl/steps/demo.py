"""Train five losses on handwritten digits within a minute, and show accuracy, alignment, rank and spectra: a demo.

SimCLR, DCL, DHEL, KCL Gaussian and KCL log, each with one seed and one setting, beside raw pixels and an encoder with
random weights; on one core, by the code of the pipeline, without Snakemake or a download. Writes below --out: demo.png
and demo.pdf, the data, and below runs a folder for each row of the table, as pretrain and evaluate write it. It shows
how things work and ranks nothing.

Example:
    dhel-kcl demo
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from dhel_kcl.data import split as splits
from dhel_kcl.data.fetching import fetch
from dhel_kcl.data.prepared import Prepared
from dhel_kcl.evaluation.protocol import Report, evaluate
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.files import make_writable
from dhel_kcl.presentation import style, titles
from dhel_kcl.presentation.table_files import markdown
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.provenance import environment, planned
from dhel_kcl.steps import evaluate as evaluation
from dhel_kcl.steps import pretrain
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.device import Place
from dhel_kcl.training.spec import PretrainSpec, TrainingSettings
from dhel_kcl.training.trainer import Pretraining
from dhel_kcl.views.augment import Augment

UPDATES = 100
LOSSES: dict[str, dict[str, Any]] = {
    "simclr": {"name": "simclr", "temperature": 0.3},
    "dcl": {"name": "dcl", "temperature": 0.3},
    "dhel": {"name": "dhel", "form": "sum", "temperature": 0.3},
    "kcl-gaussian": {"name": "kcl", "kernel": "gaussian", "t": 2.0, "gamma": 16.0},
    "kcl-log": {"name": "kcl", "kernel": "log", "t": 2.0, "gamma": 16.0},
}
FLOORS = {"pixels": None, "random": {"name": "random"}}
TITLES = {name: titles.TITLES[name] for name in LOSSES} | {"pixels": "raw pixels", "random": "random encoder"}
SPLIT: dict[str, Any] = {"train": None, "validation": 300, "test": 600, "seed": 0}
HERE: dict[str, Any] = {"dataset": "digits", "images": "memory", "precision": "fp32", "device": "cpu", "threads": 1}
AUGMENT = Augment(crop_scale=(0.6, 1.0), rotation=15, brightness=0.4, contrast=0.4)
"""As in the suite digits, like all settings here but for what takes time."""
EVALUATION = EvaluationSpec(
    **HERE,
    augment=AUGMENT,
    weight_decay=(1e-5,),
    scaling=("unit",),
    neighbours=20,
    augmented=None,
    histogram_bins=100,
    view_seed=0,
    training_pairs=0,
)
STEPS = 12
"""An evaluation takes about as long as so many steps of training."""


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--out", default=Path("demo"), type=Path, help="folder to write")
    parser.add_argument("--updates", default=UPDATES, type=_count, help="steps of each training")
    args = parser.parse_args()
    reports = run(args.out, args.updates)
    picture = args.out / "demo"
    style.set_theme()
    style.save(draw(reports), picture)
    print(f"This is a demo: {args.updates} updates with one seed and settings that nobody chose rank nothing.\n")
    print(markdown(table(reports)))
    print(f"Picture: {picture}.png. Runs: {args.out / 'runs'}.")


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"a whole number of updates, at least 1; got {text!r}")
    return int(text)


def run(out: Path, updates: int = UPDATES) -> dict[str, Report]:
    """Train and evaluate every loss, and evaluate the floors, with one progress bar. Writes into `out`."""
    make_writable(out)
    data = fetch("digits", out / "data" / "digits")
    split = splits.draw(data.labels, data.part, **SPLIT)
    reports = {}
    steps = updates * len(LOSSES) + STEPS * len(TITLES)
    with tqdm(total=steps, unit="step", mininterval=1) as bar:
        for name, loss in (LOSSES | FLOORS).items():
            bar.set_description(f"{TITLES[name]:<17}")
            folder = out / "runs" / name
            if loss:
                train(spec(loss, updates), data, split, folder, bar)
            reports[name] = evaluate(EVALUATION, folder if loss else None, data, split)
            evaluation.write(folder, reports[name])
            bar.update(STEPS)
    return reports


def spec(loss: dict[str, Any], updates: int) -> PretrainSpec:
    training = TrainingSettings(
        updates=updates,
        learning_rate=0.1,
        reference_batch_size=256,
        momentum=0.9,
        weight_decay=1e-6,
        warmup=0.01,
    )
    backbone = {"name": "compact_resnet", "width": 16, "stages": 3}
    network: dict[str, Any] = {"backbone": backbone, "projector_dim": 64, "augment": AUGMENT}
    return PretrainSpec(
        **HERE, **network, loss=loss, batch_size=64, training=training, compile=False, processes=1, seed=0
    )


def train(spec: PretrainSpec, data: Prepared, split: dict[str, NDArray], folder: Path, bar: tqdm) -> None:
    """Train a run into its folder. A minute's work needs no checkpoint: it goes with the temporary folder."""
    place = Place.claim(spec.device, spec.precision, spec.processes, spec.threads)
    training = Pretraining.build(spec, data, split, place)
    with tempfile.TemporaryDirectory() as scratch:
        training.run(Store(Path(scratch, "last.pt"), ""), [lambda _: bar.update()])
    pretrain.write(folder, spec, training, environment() | planned())


def accuracy_of(report: Report) -> float:
    return report.linear.chosen.classification.scores["test"].accuracy


def table(reports: dict[str, Report]) -> pd.DataFrame:
    """A row for each loss and floor; raw pixels have no z."""
    rows = []
    for name, report in reports.items():
        z = report.geometry.get("z")
        rows.append(
            {
                "": TITLES[name],
                "linear probe, accuracy (%)": f"{accuracy_of(report):.1f}",
                "alignment of z": f"{z.alignment:.2f}" if z else "-",
                "effective rank of z, of 64": f"{z.effective_rank:.1f}" if z else "-",
            }
        )
    return pd.DataFrame(rows)


def draw(reports: dict[str, Report]) -> Figure:
    """Accuracy beside the floors; how the singular values of z fall."""
    title = "Five losses on digits, a demo: short trainings with one seed rank nothing"
    fig, axes = style.grid(1, 2, (style.PAGE, 3.0), title)
    left, right = axes[0]
    for name, report in reports.items():
        accuracy, of_loss = accuracy_of(report), name in LOSSES
        colour, marker = style.LOOKS.get(name, (style.GREY, "|"))
        left.plot(accuracy, TITLES[name], marker, color=colour)
        left.annotate(f"{accuracy:.1f}", (accuracy, TITLES[name]), (6, 0), textcoords="offset points", va="center")
        if "z" in report.spectrum:
            values = report.spectrum["z"]
            line = "-" if of_loss else "--"
            right.plot(range(1, len(values) + 1), values, line, color=colour, label=TITLES[name])
    left.invert_yaxis()
    left.margins(x=0.2)
    left.set(title="A linear probe on the features", xlabel="test accuracy (%)")
    right.set(title="How many dimensions z uses", xlabel="index", ylabel="singular value / largest", yscale="log")
    right.set_ylim(bottom=1e-4)
    style.plain(right.yaxis)
    right.legend(frameon=False)
    return fig
