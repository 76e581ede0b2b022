"""What the pages say is there, is there; numbers that they quote are those of the results."""

import re

import pandas as pd
import pytest

from dhel_kcl.config import suite_names
from dhel_kcl.suite import Suite
from tests.test_config import ROOT

PAGES = [ROOT / "README.md", ROOT / "results/README.md", *sorted((ROOT / "docs").glob("*.md"))]
SUITES = {"digits": "digits", "Fashion-MNIST": "fashion"}
"""Those with committed results, by their names in the README."""
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
    table = (ROOT / f"paper_figures/{suite}/linear_evaluation.md").read_text().strip()
    assert table in README


def test_the_verdicts_quoted_are_those_of_the_ledgers():
    rows = re.findall(r"^\| (C\d:[^|]*)?\| ([\w-]+) \| (\d+) \| (\d+) \| (\d+) \|$", README, re.MULTILINE)
    assert len(rows) == 8
    claim = ""
    for named, suite, *counts in rows:
        claim = named[:2] or claim
        table = pd.read_csv(ROOT / f"results/{SUITES[suite]}/claims.csv")
        verdicts = table[table.claim == claim].verdict.value_counts()
        assert counts == [str(verdicts.get(v, 0)) for v in ("supported", "contradicted", "not distinguishable")]


def test_the_number_of_runs_quoted_is_that_of_the_suites():
    quoted = dict(re.findall(r"^\| `(\w+)`.*?\| [^|]+ \| (\d+) \|", README, re.MULTILINE))
    assert quoted == {name: str(len(Suite.load(ROOT, name).runs)) for name in suite_names(ROOT)}


def test_files_named_as_made_by_a_command_are_made():
    for target in re.findall(r"`(?:snakemake --cores all|…) (paper_figures/[^`]+)`", README):
        assert (ROOT / target).is_file(), target
