"""Step 6: gather a suite's runs in tidy tables, from which all figures and tables are drawn.

Writes into --out:
    runs.csv          one row a run: configuration, role, accuracies (%), geometry of z and h, Git revision
    epochs.csv        training curves of the selected settings
    predictions.csv   which test images each run of the selected settings classifies right, packed in base64
    spectra.csv       normalised singular values of the selected settings, mean and spread over seeds
    similarities.csv  densities of pairwise similarities, likewise
    costs.csv         training time and speed by loss and batch size
    metrics.json      the selected settings' test accuracy and geometry, for `dvc metrics`

Only runs that the suite's config asks for are read, and only if they were made with this config and code: leftovers
and files copied in by hand never reach a table. With --partial, runs that are not complete are left out, so that a
suite can be looked at while it runs; damaged and foreign ones are refused in either case.

Example:
    python -m dhel_kcl.evidence.collect --root . --suite digits --out results/digits
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dhel_kcl.evidence.tidy import pack
from dhel_kcl.runtime import cli, digest
from dhel_kcl.runtime.files import DamagedError, read_json, reading, sha256, write_json, write_text
from dhel_kcl.study.suite import Run, Suite, parameters

REMEDY = "delete it and run again to rebuild it, or restore it with `dvc checkout`"
SPACES = ("z", "h")
GEOMETRY = (
    "alignment",
    "uniformity",
    "wasserstein_uniformity",
    "effective_rank",
    "effective_rank_centred",
    "covariance_rank",
)
CONFIGURATION = ["dataset", "part", "method", "batch_size"]
CURVES = [*CONFIGURATION, "seed", "epoch", "step", "loss", "alignment_term", "energy_term", "alignment", "gap"]
TEXT = ("dataset", "part", "method", "role", "parameters", "git_revision")
TRAINED = ("spec.json", "log.csv", "encoder.safetensors", "projector.safetensors", "provenance.json")
PROBED = ("probe.json", "predictions.csv", "geometry.json", "spectrum.csv", "similarities.csv")


def is_complete(run: Run) -> bool:
    """Whether every file of a run is there, and the setting it was trained with."""
    folder = Path(run.folder)
    files = [folder / name for name in (*PROBED, *(TRAINED if run.trained else ()))]
    files += [folder.parent / "selected.json"] if run.role == "selected" else []
    return all(path.is_file() for path in files)


def selection(run: Run) -> Path:
    """Where `select` writes the setting of a run's loss and batch size."""
    return Path(run.folder).parents[1] / f"{run.method}_m{run.batch_size}_selected" / "selected.json"


def is_selected(run: Run, partial: bool) -> bool:
    """Whether a run is of the selected setting or a floor: by its role, or because `select` chose its grid point."""
    if run.role != "grid":
        return run.role != "point"
    if partial and not selection(run).is_file():
        return False
    return read_json(selection(run))["run"] == run.name


def verify(suite: Suite, run: Run) -> None:
    """Raise DamagedError unless a run was evaluated by this config and, where it was pretrained, pretrained by this
    config and code and left as it was."""
    folder = Path(run.folder)
    if read_json(folder / "probe.json")["spec"] != suite.evaluation_spec(run.dataset):
        raise DamagedError(f"{folder / 'probe.json'} was made with another config of the probe; {REMEDY}")
    if not run.trained:
        return
    record, expected = read_json(folder / "provenance.json"), suite.pretrain_spec(run)
    if run.role == "selected":
        expected["loss"] = read_json(folder.parent / "selected.json")["loss"]
    code = digest.of_pretraining(run.loss, suite.settings(run.dataset).backbone.name, run.dataset)
    if read_json(folder / "spec.json") != expected or record["code"] != code:
        raise DamagedError(f"{folder} was made with another config or code and then copied here; {REMEDY}")
    if changed := [name for name, checksum in record["sha256"].items() if sha256(folder / name) != checksum]:
        raise DamagedError(f"{folder / changed[0]} is not the file that training wrote; {REMEDY}")


def run_row(suite: Suite, run: Run, selected: bool, partial: bool) -> dict[str, Any]:
    folder = Path(run.folder)
    probe, geometry = read_json(folder / "probe.json"), read_json(folder / "geometry.json")
    loss = read_json(folder / "spec.json")["loss"] if run.trained else run.loss
    record = read_json(folder / "provenance.json") if run.trained else {}
    row: dict[str, Any] = {
        "dataset": run.dataset,
        "part": run.section,
        "method": run.method,
        "batch_size": run.batch_size,
        "role": run.role,
        "selected": selected,
        "seed": run.seed,
        "parameters": parameters(loss),
        "validation_accuracy": probe["validation"]["accuracy"],
        "validation_cross_entropy": probe["validation"]["cross_entropy"],
        "test_accuracy": probe["test"]["accuracy"],
        "test_cross_entropy": probe["test"]["cross_entropy"],
        "test_images": probe["test"]["images"],
    }
    row["knn_accuracy"] = probe["knn"]["test"] if "knn" in probe else None
    row["cached_test_accuracy"] = probe["cached"]["test"]["accuracy"] if "cached" in probe else None
    row |= {f"transfer_{target}": None for target in suite.datasets if suite.config.transfer}
    for target in suite.transfers(run):
        path = folder / "transfer" / f"{target}.json"
        if path.is_file() or not partial:
            row[f"transfer_{target}"] = read_json(path)["test"]["accuracy"]
    for space in SPACES:
        row |= {f"{space}_{metric}": geometry.get(space, {}).get(metric) for metric in GEOMETRY}
    row["git_revision"] = record.get("git_revision")
    if wrong := [name for name in row if name not in TEXT and not isinstance(row[name], int | float | None)]:
        raise TypeError(f"{wrong[0]} is {row[wrong[0]]!r}, not a number")
    return row


def read_numbers(path: Path, columns: list[str], text: tuple[str, ...] = ()) -> pd.DataFrame:
    """CSV with columns of numbers and columns of text. Raises ValueError or KeyError if it is anything else."""
    table = pd.read_csv(path)[[*text, *columns]]
    table[columns].apply(pd.to_numeric)
    return table


def read_correct(path: Path) -> tuple[list[int], NDArray[np.bool_]]:
    """Test images in a predictions.csv, and which of them are classified right."""
    table = read_numbers(path, ["image", "label", "prediction"])
    return table.image.tolist(), (table.label == table.prediction).to_numpy()


def over_seeds(parts: list[pd.DataFrame], by: list[str], value: str) -> pd.DataFrame:
    """Mean, standard deviation (empty for one seed) and number of `value` over seeds."""
    empty = pd.DataFrame(columns=[*CONFIGURATION, *by, value])
    grouped = pd.concat(parts or [empty]).groupby([*CONFIGURATION, *by], sort=False)[value]
    return grouped.agg(["mean", "std", "count"]).rename(columns={"count": "seeds"}).reset_index()


def summary(runs: pd.DataFrame) -> dict[str, Any]:
    """{data set: {method: {batch size: {metric: mean, ...}}}} of the selected settings."""
    result: dict[str, Any] = {}
    for (dataset, _, method, size), group in runs[runs.selected].groupby(CONFIGURATION, sort=False):
        entry = {
            "test_accuracy": group.test_accuracy.mean(),
            "validation_accuracy": group.validation_accuracy.mean(),
            "z_effective_rank": group.z_effective_rank.mean(),
            "z_wasserstein_uniformity": group.z_wasserstein_uniformity.mean(),
            "z_uniformity": group.z_uniformity.mean(),
            "z_alignment": group.z_alignment.mean(),
            "seeds": len(group),
        }
        entry = {key: value for key, value in entry.items() if pd.notna(value)}
        result.setdefault(dataset, {}).setdefault(method, {})[f"M{size}"] = entry
    return result


def main() -> None:
    parser = cli.suite_parser(__doc__, tables=False)
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--partial", action="store_true", help="leave out runs that are not complete")
    args = parser.parse_args()

    suite = Suite.load(args.root, args.suite)
    rows, epochs, spectra, similarities, costs, predictions = [], [], [], [], [], []
    tested: dict[str, list[int]] = {}
    for run in suite.runs:
        if args.partial and not is_complete(run):
            continue
        folder = Path(run.folder)
        with reading(folder, REMEDY):
            verify(suite, run)
            selected = is_selected(run, args.partial)
            row = run_row(suite, run, selected, args.partial)
            rows.append(row)
            key = {name: row[name] for name in CONFIGURATION}
            if run.trained and run.method != "random":
                log, record = pd.read_csv(folder / "log.csv"), read_json(folder / "provenance.json")
                costs.append(key | {"seconds": record["training_seconds"], "views": record["views"]})
                if selected:
                    epochs.append(log.assign(**key, seed=run.seed))
            if selected:
                images, correct = read_correct(folder / "predictions.csv")
                if images != tested.setdefault(run.dataset, images):
                    raise ValueError("other test images than those of the runs before it")
                if abs(np.mean(correct) - row["test_accuracy"] / 100) > 1e-9:
                    raise ValueError("predictions.csv does not give the accuracy in probe.json")
                predictions.append(key | {"seed": run.seed, "images": len(images), "correct": pack(correct)})
                spectrum = read_numbers(folder / "spectrum.csv", ["index", "singular_value"], text=("space",))
                spectra.append(spectrum.assign(**key))
                density = read_numbers(folder / "similarities.csv", ["similarity", "density"], text=("space",))
                similarities.append(density.assign(**key))

    if not rows:
        remedy = f"start it with `snakemake --cores all {suite.name}`, or `dvc pull` what others have run"
        raise ValueError(f"no run of suite {suite.name} is complete; {remedy}")
    runs = pd.DataFrame(rows)
    curves = pd.concat(epochs) if epochs else pd.DataFrame()
    by_cost = pd.DataFrame(costs, columns=[*CONFIGURATION, "seconds", "views"]).groupby(CONFIGURATION, sort=False)
    cost = by_cost.agg(
        runs=("seconds", "size"),
        seconds_a_run=("seconds", "mean"),
        total_seconds=("seconds", "sum"),
        views_per_second=("views", "sum"),
    ).reset_index()
    cost["views_per_second"] /= cost.total_seconds
    tables = {
        "runs": runs,
        "epochs": curves.reindex(columns=CURVES),
        "predictions": pd.DataFrame(predictions, columns=[*CONFIGURATION, "seed", "images", "correct"]),
        "spectra": over_seeds(spectra, ["space", "index"], "singular_value"),
        "similarities": over_seeds(similarities, ["space", "similarity"], "density"),
        "costs": cost,
    }
    for name, table in tables.items():
        write_text(args.out / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    write_json(args.out / "metrics.json", summary(runs))


if __name__ == "__main__":
    cli.run(main)
