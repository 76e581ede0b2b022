"""Accuracies that others published, as a table of its own; `table` sets ours beside them.

They are data: published.csv in this package, with source, precision and what makes each comparable or not.

Example:
    python -m dhel_kcl.evidence.published --out published
"""

from pathlib import Path
from typing import Any

import pandas as pd

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.presentation.table_files import FORMATS, mean_and_spread, write_table
from dhel_kcl.runtime import cli
from dhel_kcl.study.suite import Method, dataset_title

LOSSES = {
    "infonce": "InfoNCE",
    "simclr": "SimCLR",
    "dcl": "DCL",
    "dhel": "DHEL",
    "best_baseline": "best baseline",
}
HEADERS = ["data set", "loss", "M", "temperature", "probe", "published (%)", "comparable", "source"]
PUBLISHED = Path(__file__).with_name("published.csv")


def figures(datasets: list[str] | None = None) -> pd.DataFrame:
    """Rows of published.csv on these data sets, or all, with cells as printed there."""
    table = pd.read_csv(PUBLISHED, dtype=str, keep_default_na=False)
    return table if datasets is None else table[table.dataset.isin(datasets)].reset_index(drop=True)


def listed(entries: pd.DataFrame) -> pd.DataFrame:
    """Published figures for reading, one row each."""
    rows = []
    for entry in entries.to_dict("records"):
        rows.append(
            {
                "data set": dataset_title(entry["dataset"]),
                "loss": f"{LOSSES[entry['loss']]} {entry['dhel_form']}".strip(),
                "M": entry["batch_size"] or "not stated",
                "temperature": entry["temperature"]
                or ("tuned" if entry["temperature_tuned"] == "yes" else "not stated"),
                "probe": entry["probe"].split(",")[0],
                "published (%)": entry["value"] if entry["precision"] == "printed" else f"about {entry['value']}",
                "comparable": "; ".join(filter(None, [entry["comparable"], entry["inferred_fields"]])),
                "source": entry["source"],
            }
        )
    return pd.DataFrame(rows, columns=HEADERS)


def beside_ours(results: Results) -> pd.DataFrame:
    """Published figures on the suite's data sets, beside ours where data set, loss, batch size, backbone, epochs and
    probe are the same; empty where we ran nothing such."""
    entries = figures(results.datasets)
    table = listed(entries)
    table.insert(list(table).index("comparable"), "ours (%)", [ours(results, e) for e in entries.to_dict("records")])
    return table


def ours(results: Results, entry: dict[str, Any]) -> str:
    """Our accuracy under the conditions of a published one, or an empty text."""
    asked = results.settings(entry["dataset"])
    protocol = entry["probe"].split(",")[0]
    augmented = asked.probe.augmented is not None
    same = (asked.backbone.name, str(asked.training.epochs)) == (entry["backbone"], entry["epochs"])
    if not same or protocol not in ("augmented", "cached features") or entry["comparable"].startswith("no"):
        return ""
    if protocol == "augmented" and not augmented:
        return ""
    column = "cached_test_accuracy" if augmented and protocol == "cached features" else "test_accuracy"
    runs = results.runs[(results.runs.dataset == entry["dataset"]) & results.runs.part.isin(["losses", "ablations"])]
    runs = runs[runs.batch_size.astype(str) == entry["batch_size"]]
    fixed = entry["temperature_tuned"] == "no" and entry["temperature"]
    at_it = [f"temperature={entry['temperature']}" in str(said).split() for said in runs.parameters]
    runs = runs.loc[at_it if fixed else runs.selected]
    wanted = ("simclr", "dcl") if entry["loss"] == "best_baseline" else (entry["loss"],)
    cells = [runs[runs.method == method][column].dropna() for method in _methods(results, wanted, entry["dhel_form"])]
    cells = [cell for cell in cells if len(cell)]
    return mean_and_spread(max(cells, key=lambda cell: cell.mean()), 2) if cells else ""


def _methods(results: Results, losses: tuple[str, ...], form: str) -> list[str]:
    """Names under which a suite runs these losses, as published: in this form, with energy weight 1."""

    def same(method: Method) -> bool:
        weights = {loss.get("energy_weight", 1.0) for loss in method.grid}
        return weights == {1.0} and (not form or {loss.get("form") for loss in method.grid} == {form})

    return [name for name, method in results.suite.methods.items() if method.loss in losses and same(method)]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--out", required=True, type=Path, help=f"path without extension; writes {', '.join(FORMATS)}")
    args = parser.parse_args()
    write_table(listed(figures()), args.out)


if __name__ == "__main__":
    cli.run(main)
