"""Accuracies that others published, as a table of its own and beside ours."""

from collections.abc import Iterable

import pandas as pd

from dhel_kcl.evidence.published import TITLES, Published, read_published
from dhel_kcl.evidence.tidy import Results, where
from dhel_kcl.presentation.table_files import mean_and_spread
from dhel_kcl.study.choices import DHEL
from dhel_kcl.study.suite import Method, dataset_title

HEADERS = ["data set", "loss", "M", "temperature", "probe", "published (%)", "comparable", "source"]
PROBES = ("augmented", "cached features")
"""Protocols that we have."""
(USUAL_FORM,) = DHEL.model_fields["form"].default
"""Of an entry `dhel` that names none."""


def by_others() -> pd.DataFrame:
    """All that others published, whatever has been run here."""
    return listed(read_published())


def beside_ours(results: Results) -> pd.DataFrame:
    """Published figures on the suite's data sets, beside ours where data set, loss, batch size, backbone, epochs and
    probe are the same; empty where we ran nothing such."""
    entries = read_published(results.datasets)
    table = listed(entries)
    table.insert(list(table).index("comparable"), "ours (%)", [ours(results, entry) for entry in entries])
    return table


def listed(entries: Iterable[Published]) -> pd.DataFrame:
    """Published figures for reading, one row each."""
    rows = [
        {
            "data set": dataset_title(entry.dataset),
            "loss": f"{TITLES[entry.loss]} {entry.dhel_form}".strip(),
            "M": entry.batch_size or "not stated",
            "temperature": entry.temperature or ("tuned" if entry.temperature_tuned == "yes" else "not stated"),
            "probe": entry.protocol,
            "published (%)": entry.value if entry.precision == "printed" else f"about {entry.value}",
            "comparable": "; ".join(filter(None, [entry.comparable, entry.inferred_fields])),
            "source": entry.source,
        }
        for entry in entries
    ]
    return pd.DataFrame(rows, columns=HEADERS)


def ours(results: Results, entry: Published) -> str:
    """Our accuracy under the conditions of a published one, or an empty text."""
    column = column_of(results, entry)
    if column is None:
        return ""
    runs = where(results.runs, dataset=entry.dataset)
    runs = runs[runs.section.isin(["losses", "ablations"]) & (runs.batch_size.astype(str) == entry.batch_size)]
    runs = where(runs, selected=True)
    cells = [where(runs, method=method)[column].dropna() for method in methods_of(results, entry)]
    cells = [cell for cell in cells if len(cell)]
    return mean_and_spread(max(cells, key=lambda cell: cell.mean()), 2) if cells else ""


def column_of(results: Results, entry: Published) -> str | None:
    """Column of runs.csv with the accuracies of the probe that was used; None if its conditions are not ours."""
    asked = results.settings(entry.dataset)
    augments = asked.probe.augmented is not None
    same = (asked.backbone.name, str(asked.training.epochs)) == (entry.backbone, entry.epochs)
    fixed = entry.temperature_tuned == "no"  # ours is the best of several
    if not same or entry.protocol not in PROBES or not entry.is_comparable or (fixed and entry.temperature):
        return None
    if entry.protocol == "cached features":
        return "cached_test_accuracy" if augments else "test_accuracy"
    return "test_accuracy" if augments else None


def methods_of(results: Results, entry: Published) -> list[str]:
    """Names under which a suite runs the losses of an entry, as published: in this form, with energy weight 1."""
    losses = ("simclr", "dcl") if entry.loss == "best_baseline" else (entry.loss,)

    def same(method: Method) -> bool:
        weights = {point.loss.get("energy_weight", 1.0) for point in method.grid}
        forms = {point.loss.get("form", USUAL_FORM) for point in method.grid}
        return weights == {1.0} and (not entry.dhel_form or forms == {entry.dhel_form})

    methods = results.suite.methods_of(entry.dataset)
    return [name for name, method in methods.items() if method.loss in losses and same(method)]
