"""How tables look: numbers in cells, and a table as CSV, Markdown, LaTeX (booktabs) and HTML."""

from pathlib import Path

import pandas as pd

from dhel_kcl.runtime.files import write_text

FORMATS = ("csv", "md", "tex", "html")
NOT_RUN = "not run"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 sans-serif; color: #222; margin: 1rem }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }}
th {{ position: sticky; top: 0; background: #fff; border-bottom: 1.5px solid #222 }}
</style>
{body}
</html>
"""
LATEX = str.maketrans({"%": r"\%", "_": r"\_", "±": r"$\pm$", "<": "$<$", ">": "$>$"})


def mean_and_spread(values: pd.Series, digits: int) -> str:
    """ "mean ± standard deviation (n)"; without ± for one value, "not run" for none, "-" for runs without the value."""
    if values.empty:
        return NOT_RUN
    values = values.dropna()
    if values.empty:
        return "-"
    mean = f"{values.mean():.{digits}f}"
    return f"{mean} (n=1)" if len(values) == 1 else f"{mean} ± {values.std():.{digits}f} (n={len(values)})"


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write `out` in every one of FORMATS."""
    write_text(out.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    write_text(out.with_suffix(".md"), table.to_markdown(index=False, disable_numparse=True) + "\n")
    write_text(out.with_suffix(".tex"), latex(table))
    body = table.to_html(index=False, border=0, na_rep="")
    write_text(out.with_suffix(".html"), PAGE.format(title=out.name.replace("_", " "), body=body))


def latex(table: pd.DataFrame) -> str:
    text = table.map(lambda cell: str(cell).translate(LATEX))
    text.columns = [column.replace("%", r"\%") for column in table.columns]
    return text.to_latex(index=False, column_format="l" * len(table.columns))
