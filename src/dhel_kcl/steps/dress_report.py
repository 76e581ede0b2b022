"""Give Snakemake's report its own title, captions beside figures, and a search that reads labels and captions.

Example:
    dhel-kcl dress-report --report report.html --title "DHEL and KCL" --script workflow/report/page.js
"""

from html import escape
from pathlib import Path

from dhel_kcl.files import write_text
from dhel_kcl.runtime import cli

TITLE, END = "<title>Snakemake Report</title>", "</body>"


def dressed(page: str, title: str, script: str) -> str:
    """The page with another title, and a script at its end. Raises ValueError if it is not as Snakemake writes it."""
    before, end, after = page.rpartition(END)
    if not (end and TITLE in page):
        raise ValueError("this is no report as Snakemake 9 writes it: make it anew with `make report`")
    before = before.replace(TITLE, f"<title>{escape(title)}</title>", 1)
    return f"{before}<script>\n{script}</script>\n{end}{after}"


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--report", required=True, type=Path, help="page that `snakemake --report` wrote; is changed")
    parser.add_argument("--title", required=True, help="what the browser calls it")
    parser.add_argument("--script", required=True, type=Path, help="JavaScript that is put at its end")
    args = parser.parse_args()

    page = args.report.read_text(encoding="utf-8")
    write_text(args.report, dressed(page, args.title, args.script.read_text(encoding="utf-8")))
