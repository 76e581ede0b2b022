"""What the report says: its captions, labels and order, and its opening page. Rules and report templates call these."""

import datetime
from base64 import encodebytes

import pandas as pd
from dhel_kcl.evidence import overview, takeaways, tidy
from dhel_kcl.files import read_json
from dhel_kcl.study.suite import dataset_title

# Where the report shows what is no mere table or figure; it sorts by name, so claims come first.
SHELVES = {"claims": ("claims", "{suite}"), "claims_summary": ("claims", "{suite}"), "recipe": ("{suite}", "methods")}
SHELVES |= {name: ("{suite}", "runs") for name in ("costs", "runs", "training_curves")}


def shelf(name, usual, level):
    """Category (level 0) or subcategory (level 1) of a figure or table in the report."""
    return SHELVES.get(name, ("{suite}", usual))[level]


def sample_sizes(suite):
    """What n is in the figures and tables of a suite, for their captions."""
    texts = []
    for dataset in suite.datasets:
        settings, methods, seeds = suite.settings(dataset), suite.methods_of(dataset).values(), []
        if settings.losses:
            seeds.append(f"{1 + len(settings.seeds.selected)} at selected settings, 1 at other grid points")
        if settings.final:
            seeds.append(f"{len(settings.final.seeds)} at the final length")
        if counts := {len(method.seeds) for method in methods if method.section == "causes"}:
            seeds.append(f"{' or '.join(map(str, sorted(counts)))} at each setting of causes")
        if settings.floors.seeds:
            seeds.append(f"{len(settings.floors.seeds)} for floors (raw pixels 1)")
        texts.append(f"{dataset_title(dataset)}, seeds {', '.join(seeds)}; {settings.split.test} test images")
    return ". ".join(texts)


def earlier_code(name):
    """What readers must know of results that were computed before a change of the code; nothing if there was none.
    A graph that begins with the runs makes those anew, but for a joint suite: it takes its parts as they are."""
    suite, record = SUITES[name], layout.SUITE_PROVENANCE.format
    if FROM_TABLES:
        return origins.earlier_code(Path(record(suite=name)), suite)
    parts = [part for part in suite.parts if suite.is_joint and Path(record(suite=part.name)).is_file()]
    notes = {part.name: origins.earlier_code(Path(record(suite=part.name)), part) for part in parts}
    return " ".join(f"{part}: {note}" for part, note in notes.items() if note)


MAKERS = {
    "draw_figure": "{figure}",
    "tabulate_results": "{table}",
    "draw_theory": "theory_{experiment}",
    "tabulate_theory": "theory_{theory_table}",
    "tabulate_published": "published_by_others",
}
"""What a rule's caption is called."""


def captioned(maker, wildcards):
    """Label and text of a figure or table in the report: the first line of its caption, and the others."""
    name = MAKERS[maker].format(**dict(wildcards.items()))
    text = (ROOT / f"workflow/report/captions/{name}.rst").read_text(encoding="utf-8")
    first, text = text.split("\n", 1)
    return first.removeprefix(".. label: "), text.lstrip()


def label(maker, wildcards):
    """What the report lists a figure or table as: "digits: effective rank by loss, with alignment and uniformity"."""
    where = dict(wildcards.items()).get("suite", "theory" if maker.endswith("theory") else "published")
    return {"shows": f"{where}: {captioned(maker, wildcards)[0]}"}


def caption(maker, wildcards):
    """Text under a figure or table in the report; the report's template calls it."""
    text = captioned(maker, wildcards)[1]
    if maker.endswith("theory") and "{in short}" in text:
        (experiment,) = dict(wildcards.items()).values()  # a table of its numbers has its name
        return text.replace("{in short}", f"*In short*: {theory_in_short(experiment)}")
    if maker not in ("draw_figure", "tabulate_results"):
        return text
    note = earlier_code(wildcards.suite)
    text = text.replace("{n}", sample_sizes(SUITES[wildcards.suite]))
    if "{in short}" in text:
        text = text.replace("{in short}", f"*In short*: {in_short(dict(wildcards.items()), SUITES[wildcards.suite])}")
    return text + (f"\n{note}\n" if note else "")


def in_short(where, suite):
    """What a figure shows, or how a table's statements were judged."""
    if where.get("figure") in takeaways.SHOWN:
        folder = Path(layout.CLAIMS.format(suite=suite.name)).parent
        return takeaways.takeaway(where["figure"], tidy.Results(folder, suite))
    return overview.finding(suite, verdicts(suite.name), where.get("figure", "claims"))


def theory_in_short(experiment):
    """How the statements of an experiment were judged."""
    rows = read_json(layout.THEORY_RESULT.format(experiment=experiment, format="json"))
    return takeaways.of_statements([row["verdict"] for row in rows])


def verdicts(name):
    """The ledger of a suite, or None before it was run."""
    file = Path(layout.CLAIMS.format(suite=name))
    return pd.read_csv(file) if file.is_file() else None


def told():
    """Suites that the report's opening page tells of: those that have a ledger, and those that were planned; what has run
    first, of that what was planned, and of that what compares losses."""
    single = [suite for suite in SUITES.values() if not suite.is_joint]
    there = {suite.name: verdicts(suite.name) is not None for suite in single}
    found = [suite for suite in single if suite.config.confirmatory or there[suite.name]]
    return sorted(
        found, key=lambda suite: (not there[suite.name], not suite.config.confirmatory, not suite.has("losses"))
    )


def what_was_found():
    """README's findings, with which the report opens: what these results say, in words."""
    return overview.what_was_found((ROOT / "README.md").read_text(encoding="utf-8"))


def not_run_yet():
    """Suites that were planned, or that a joint suite joins, and have not run."""
    joined = {name for suite in SUITES.values() if suite.is_joint for name in suite.configs}
    asked = [
        suite for suite in SUITES.values() if not suite.is_joint and (suite.config.confirmatory or suite.name in joined)
    ]
    return [f"{suite.config.title} ({suite.name})" for suite in asked if verdicts(suite.name) is None]


def grid_of_claims(shown):
    """Statements by data set as an HTML table, linked to the tables of claims among the paths `shown`."""
    columns = []
    for suite in told():
        table = layout.TABLE.format(suite=suite.name, table="claims", format="html")
        link = f"javascript:showResult('{table}')" if table in shown else ""
        columns += overview.columns(suite, verdicts(suite.name), link)
    return overview.grid(columns)


def main_figures(shown):
    """Paths of the figures of the opening page, the one that says most first: of each suite what was planned, then causes,
    claims where nothing was, and accuracy."""
    found = [
        path
        for name in ("planned", "causes", "claims", "accuracy")
        for path in shown
        if Path(path).name == f"{name}.png"
        and not (name == "claims" and str(Path(path).with_name("planned.png")) in shown)
    ]
    order = {suite.name: place for place, suite in enumerate(told())}
    return sorted(found, key=lambda path: order.get(Path(path).parent.name, len(order)))


def alt(entry):
    """The label of an entry of the report."""
    return label(entry.job.rule.name, entry.job.wildcards)["shows"]


def made():
    """Date and revision of the report."""
    return f"{datetime.date.today():%d %B %Y}, from revision {provenance.git_revision()[0]}"


def embedded(image):
    """URI that holds a PNG, for the opening page of the report; in lines, since reStructuredText limits their length."""
    return f"data:image/png;base64,{encodebytes(Path(image).read_bytes()).decode().rstrip()}"
