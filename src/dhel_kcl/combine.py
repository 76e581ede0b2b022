"""Step 6: gather a suite's runs in tidy tables, from which all figures and tables are drawn.

Writes into --out:
    runs.csv          one row a run: configuration, role, accuracies (%), geometry of z and h
    epochs.csv        training curves of the selected settings
    spectra.csv       normalised singular values of the selected settings, mean and spread over seeds
    similarities.csv  densities of pairwise similarities, likewise
    costs.csv         training time and speed by loss and batch size
    metrics.json      the selected settings' test accuracy and geometry, for `dvc metrics`

Only runs that the suite's config asks for are read, and only if they were made with this config and code: leftovers
and files copied in by hand never reach a table.

Example:
    python -m dhel_kcl.combine --root . --suite digits --out results/digits
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dhel_kcl import cli, digest
from dhel_kcl.files import DamagedError, read_json, reading, sha256, write_json, write_text
from dhel_kcl.suite import Run, Suite

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
TEXT = ("dataset", "part", "method", "role", "parameters")


def is_selected(run: Run) -> bool:
    """Whether a run is of the selected setting: by its role, or because `select` chose its grid point."""
    if run.role != "grid":
        return True
    chosen = read_json(Path(run.folder).parents[1] / f"{run.method}_m{run.batch_size}_selected" / "selected.json")
    return chosen["run"] == run.name


def verify(suite: Suite, run: Run) -> None:
    """Raise DamagedError unless a pretrained run is of this config and code and as its training left it."""
    folder = Path(run.folder)
    record, expected = read_json(folder / "provenance.json"), suite.pretrain_spec(run)
    if run.role == "selected":
        expected["loss"] = read_json(folder.parent / "selected.json")["loss"]
    code = digest.of_pretraining(run.loss, suite.settings(run.dataset)["backbone"]["name"])
    if read_json(folder / "spec.json") != expected or record["code"] != code:
        raise DamagedError(f"{folder} was made with another config or code and then copied here; {REMEDY}")
    if changed := [name for name, checksum in record["sha256"].items() if sha256(folder / name) != checksum]:
        raise DamagedError(f"{folder / changed[0]} is not the file that training wrote; {REMEDY}")


def run_row(run: Run, selected: bool) -> dict[str, Any]:
    folder = Path(run.folder)
    probe, geometry = read_json(folder / "probe.json"), read_json(folder / "geometry.json")
    loss = read_json(folder / "spec.json")["loss"] if run.trained else run.loss
    row = {
        "dataset": run.dataset,
        "part": run.part,
        "method": run.method,
        "batch_size": run.batch_size,
        "role": run.role,
        "selected": selected,
        "seed": run.seed,
        "parameters": " ".join(f"{key}={value}" for key, value in loss.items() if key != "name"),
        "validation_accuracy": probe["validation"]["accuracy"],
        "validation_cross_entropy": probe["validation"]["cross_entropy"],
        "test_accuracy": probe["test"]["accuracy"],
        "test_cross_entropy": probe["test"]["cross_entropy"],
        "test_images": probe["test"]["images"],
    }
    for space in SPACES:
        row |= {f"{space}_{metric}": geometry.get(space, {}).get(metric) for metric in GEOMETRY}
    if wrong := [name for name in row if name not in TEXT and not isinstance(row[name], int | float | None)]:
        raise TypeError(f"{wrong[0]} is {row[wrong[0]]!r}, not a number")
    return row


def read_distribution(path: Path, columns: list[str]) -> pd.DataFrame:
    """CSV with the column "space" and columns of numbers. Raises ValueError or KeyError if it is anything else."""
    table = pd.read_csv(path)[["space", *columns]]
    table[columns].apply(pd.to_numeric)
    return table


def over_seeds(parts: Iterable[pd.DataFrame], by: list[str], value: str) -> pd.DataFrame:
    """Mean, standard deviation (empty for one seed) and number of `value` over seeds."""
    grouped = pd.concat(parts).groupby([*CONFIGURATION, *by], sort=False)[value]
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
    parser = cli.parser(__doc__)
    parser.add_argument("--root", required=True, type=Path, help="repository folder, whose config is read")
    parser.add_argument("--suite", required=True, help="name of the suite")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()

    suite = Suite.load(args.root, args.suite)
    rows, epochs, spectra, similarities, costs = [], [], [], [], []
    for run in suite.runs:
        folder = Path(run.folder)
        with reading(folder, REMEDY):
            if run.trained:
                verify(suite, run)
            selected = is_selected(run)
            row = run_row(run, selected)
            rows.append(row)
            key = {name: row[name] for name in CONFIGURATION}
            if run.trained and run.method != "random":
                log, record = pd.read_csv(folder / "log.csv"), read_json(folder / "provenance.json")
                seconds = record["training_seconds"]
                costs.append(key | {"seconds": seconds, "views_per_second": record["views"] / seconds})
                if selected:
                    epochs.append(log.assign(**key, seed=run.seed))
            if selected:
                spectrum = read_distribution(folder / "spectrum.csv", ["index", "singular_value"])
                spectra.append(spectrum.assign(**key))
                density = read_distribution(folder / "similarities.csv", ["similarity", "density"])
                similarities.append(density.assign(**key))

    runs = pd.DataFrame(rows)
    curves = pd.concat(epochs).drop(columns=["views_per_second", "learning_rate"])
    by_cost = pd.DataFrame(costs).groupby(CONFIGURATION, sort=False)
    cost = by_cost.agg(
        runs=("seconds", "size"),
        seconds_a_run=("seconds", "mean"),
        total_seconds=("seconds", "sum"),
        views_per_second=("views_per_second", "mean"),
    ).reset_index()
    tables = {
        "runs": runs,
        "epochs": curves[[*CONFIGURATION, "seed", *[c for c in curves if c not in (*CONFIGURATION, "seed")]]],
        "spectra": over_seeds(spectra, ["space", "index"], "singular_value"),
        "similarities": over_seeds(similarities, ["space", "similarity"], "density"),
        "costs": cost,
    }
    for name, table in tables.items():
        write_text(args.out / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    write_json(args.out / "metrics.json", summary(runs))


if __name__ == "__main__":
    cli.run(main)
