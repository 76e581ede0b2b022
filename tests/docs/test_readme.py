"""What the pages say is there, is there; numbers that they quote are those of the results."""

import re

import pandas as pd
import pytest

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.verdicts import judge
from dhel_kcl.files import read_json
from dhel_kcl.runtime.origins import differences, of_suite
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

FOLDERS = ("results", "config", "benchmarks")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / name / "README.md" for name in FOLDERS),
    *sorted((ROOT / "docs").glob("*.md")),
]
SUITES = {"digits": "digits_causes", "Fashion-MNIST": "fashion"}
"""Those whose verdicts the README quotes, by their names there."""
COMMITTED = ["digits", *SUITES.values()]
"""Those with committed results."""
LEDGERS = SUITES | {"theory": "theory"}
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if heading:
            anchors = [re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()) for line in linked.read_text().splitlines()]
            assert heading in [anchor.replace(" ", "-") for anchor in anchors], target


@pytest.mark.parametrize("suite", SUITES.values())
def test_the_accuracies_quoted_are_those_of_the_results(suite):
    lines = (ROOT / f"paper_figures/{suite}/linear_evaluation.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]  # and below it perhaps that the runs had earlier code
    assert len(table) == 10
    assert "\n".join(table) in README


def test_the_verdicts_quoted_are_those_of_the_ledgers():
    rows = re.findall(r"^\| (C\d[^|:]*: [^|]+)?\| ([\w-]+) \|((?: \d+ \|){4})$", README, re.MULTILINE)
    summaries = {
        name: pd.read_csv(ROOT / f"paper_figures/{folder}/claims_summary.csv") for name, folder in LEDGERS.items()
    }
    columns = ["supported", "contradicted", "not distinguishable", "of these, nothing to compare"]
    quoted, claim = {name: [] for name in summaries}, ""
    for named, judged_on, counts in rows:
        claim = named.strip() or claim
        quoted[judged_on].append([claim, *map(int, counts.replace("|", "").split())])
    for name, summary in summaries.items():
        summary = summary[~summary.claim.str.endswith("limits")]
        assert quoted[name] == summary.reindex(columns=["claim", *columns], fill_value=0).to_numpy().tolist()


def in_prose(value, low, high):
    return f"{value:.1f} ({low:.1f} to {high:.1f})".replace("-", "−")


def test_the_effects_quoted_are_those_of_the_trade_off():
    """Of the digits first."""
    text = " ".join(README.split()).replace(" of 64 dimensions on the digits", "")
    quoted, ranges = {}, {}
    for suite in SUITES.values():
        claimed = pd.read_csv(ROOT / f"results/{suite}/claims.csv").set_index("id")
        for name in ("decoupling", "weight", "temperature"):
            quoted.setdefault(name, []).append(in_prose(*claimed.loc[name, ["estimate", "low", "high"]]))
        effects = pd.read_csv(ROOT / f"paper_figures/{suite}/trade_off_effects.csv").set_index(["effect of", "at"])
        for at in ("w = 0.5", "w = 1", "all"):
            cell = effects.loc[("DHEL mean − SimCLR", at), "effective rank of z"]
            quoted.setdefault(at, []).append(in_prose(*map(float, re.findall(r"[+-][\d.]+", cell))))
        points = pd.read_csv(ROOT / f"paper_figures/{suite}/trade_off_points.csv")
        accuracy, rank = (
            points[name].str.split().str[0].astype(float) for name in ("accuracy (%)", "effective rank of z")
        )
        best = rank[accuracy.nlargest(4).index]
        ranges[suite] = f"of {best.min():.0f} to {best.max():.0f}"
    expected = f"have ranks {ranges['digits_causes']} on the digits and {ranges['fashion']} on Fashion-MNIST"
    assert f"the four most accurate settings {expected}" in text
    for pair in quoted.values():
        assert " and ".join(text_of.replace("+", "") for text_of in pair) in text.replace("+", "")


@pytest.mark.parametrize("suite", COMMITTED)
def test_the_committed_verdicts_follow_from_the_committed_tables(suite):
    folder = ROOT / f"results/{suite}"
    judged = judge(Results(folder, Suite.load(ROOT, suite)), ledger.read())
    committed = pd.read_csv(folder / "claims.csv", keep_default_na=False)
    assert committed.verdict.tolist() == judged.verdict.tolist()
    assert committed.note.tolist() == judged.note.tolist()


@pytest.mark.parametrize("suite", COMMITTED)
def test_results_of_earlier_code_are_said_to_be(suite):
    """`make check` demands this code of the default suite alone: others take hours, and a line in the README."""
    recorded = read_json(ROOT / f"results/{suite}/provenance.json")
    tree = of_suite(Suite.load(ROOT, suite))
    changed = [name for origin in tree for name in differences(recorded.get(origin, {}), tree[origin])]
    state = re.search(rf"^\| `{suite}`.*\| ([^|]+) \|$", README, re.MULTILINE)[1]
    assert bool(changed) == ("earlier code" in state), changed


def test_the_number_of_runs_quoted_is_that_of_the_suites():
    quoted = dict(re.findall(r"^\| `(\w+)`.*?\| [^|]+ \| (\d+) \|", README, re.MULTILINE))
    assert quoted == {name: str(len(Suite.load(ROOT, name).runs)) for name in suite_names(ROOT)}


def test_files_named_as_made_by_a_command_are_made():
    targets = re.findall(r"`(paper_figures/[^`]+\.\w+)`", README)
    assert len(targets) > 5
    for target in targets:
        assert (ROOT / target).is_file(), target


def test_files_that_the_architecture_names_are_there():
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"\b[\w/]+/\w+\.(?:py|yaml|smk|png)\b", text))
    assert len(named) >= 20
    assert [name for name in named if not (ROOT / name).exists() and not (ROOT / "src/dhel_kcl" / name).exists()] == []
