"""How tables look: numbers in cells, and a table as CSV, Markdown, LaTeX (booktabs) and HTML."""

from collections.abc import Hashable, Iterable
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from dhel_kcl.files import write_text

FORMATS = ("csv", "md", "tex", "html")
NOT_RUN = "not run"
FOLDED = "folded"
"""Attribute of a table: columns that its page folds away."""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 sans-serif; color: #222; margin: 1rem }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }}
dl {{ margin: 0; max-width: 40rem }}
dt {{ font-weight: bold }}
th {{ position: sticky; top: 0; background: #fff; border-bottom: 1.5px solid #222 }}
</style>
{body}
</html>
"""
LATEX = str.maketrans(
    {sign: rf"\{sign}" for sign in "%_&#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"±": r"$\pm$", "<": "$<$", ">": "$>$", "−": "$-$", "τ": r"$\tau$", "γ": r"$\gamma$"}
)
"""What LaTeX needs of texts that any of its engines takes."""


def number(value: float, form: str) -> str:
    """A number in a format such as ".2f"; an empty cell for NaN."""
    return "" if pd.isna(value) else format(value, form)


def listing(values: Iterable[Any]) -> str:
    """Several values in one cell."""
    return ", ".join(map(str, values))


def mean_and_spread(values: pd.Series, digits: int) -> str:
    """ "mean ± standard deviation (n)"; without ± for one value, "not run" for none, "-" for runs without the value."""
    if values.empty:
        return NOT_RUN
    values = values.dropna()
    if values.empty:
        return "-"
    mean = f"{values.mean():.{digits}f}"
    return f"{mean} (n=1)" if len(values) == 1 else f"{mean} ± {values.std():.{digits}f} (n={len(values)})"


def write_table(table: pd.DataFrame, out: Path, note: str = "") -> None:
    """Write `out` in every one of FORMATS; `note` is a sentence that readers find below the table (not in the CSV)."""
    write_text(out.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    write_text(out.with_suffix(".md"), markdown(table, note))
    write_text(out.with_suffix(".tex"), latex(table, note))
    write_text(out.with_suffix(".html"), html(table, out.name.replace("_", " "), note))


def markdown(table: pd.DataFrame, note: str = "") -> str:
    text = table.to_markdown(index=False, disable_numparse=True) + "\n"
    return f"{text}\n{note}\n" if note else text


def latex(table: pd.DataFrame, note: str = "") -> str:
    text = table.map(lambda cell: str(cell).translate(LATEX))
    text.columns = [column.translate(LATEX) for column in table.columns]
    body = text.to_latex(index=False, column_format="l" * len(table.columns))
    return body + f"\n\\par\\smallskip\n{{\\footnotesize {note.translate(LATEX)}}}\n" if note else body


def html(table: pd.DataFrame, title: str, note: str = "") -> str:
    """A page of its own; the report shows it as it is. Columns named in `table.attrs[FOLDED]` open when asked for."""
    folded = [column for column in table if column in table.attrs.get(FOLDED, ())]
    shown = table.drop(columns=folded).fillna("").map(lambda cell: escape(str(cell)))
    if folded:
        shown[""] = [_details(row) for row in table[folded].to_dict("records")]
    body = shown.rename(columns=lambda name: escape(str(name))).to_html(index=False, border=0, na_rep="", escape=False)
    return PAGE.format(title=escape(title), body=f"{body}\n<p>{escape(note)}</p>" if note else body)


def _details(row: dict[Hashable, Any]) -> str:
    """The cells of a row that are not empty, by name, in a cell that opens."""
    listed = "".join(f"<dt>{escape(str(name))}<dd>{escape(str(cell))}" for name, cell in row.items() if str(cell))
    return f"<details><summary>more</summary><dl>{listed}</dl></details>" if listed else ""
