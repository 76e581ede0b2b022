import html
import re

import pandas as pd
import pytest
from docutils.core import publish_parts

from dhel_kcl.evidence import overview
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.synthetic import effect, results_of, suite_of, with_causes
from tests.unit.evidence.conftest import complete


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Suite and ledger in which DHEL has a higher rank than SimCLR."""
    folder = tmp_path_factory.mktemp("overview")
    suite = suite_of(folder, with_causes([0, 1, 2, 3, 4]))
    results = complete(results_of(folder / "results", suite, effect("z_effective_rank", 5.0)))
    return suite, pd.read_csv(results.folder / "claims.csv")


def test_a_finding_counts_what_the_suite_can_say(judged):
    said = overview.finding(*judged)
    total, *counts = map(int, re.findall(r"(?<![(\d])\d+", said))
    assert said.startswith(f"of {total} exploratory statements ")
    assert sum(counts) == total == 6 + 4, "on one pair of losses, rates not being tuned; and on causes"


def test_what_a_figure_shows_is_counted_alone(judged):
    """Accuracy, rank of z and four causes are planned; under the figure of causes stand those four."""
    for figure, count in {"planned": 2 + 4, "causes": 4, "claims": 6 + 4}.items():
        assert overview.finding(*judged, figure).startswith(f"of {count} exploratory statements "), figure


def test_the_report_opens_with_what_the_readme_found():
    found = overview.what_was_found((ROOT / "README.md").read_text(encoding="utf-8"))
    page = publish_parts(found, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert len(re.findall("<li>", page)) == 5
    assert "<strong>Two trainings at the paper's scale: no ranking" in html.unescape(page).replace("’", "'")
    assert "](" not in found
    with pytest.raises(ValueError, match=r"README\.md has no numbered list"):
        overview.what_was_found("# A title\n\n## What was found\n\nNothing.\n")


def test_a_finding_tells_negligible_differences_from_others():
    verdicts = ["supported", "supported", "contradicted", "not distinguishable", "mixed"]
    claims = pd.DataFrame({"verdict": verdicts, "equivalent": [True, False, False, True, True]})
    said = "2 supported (1 within the margin), 1 contradicted, 1 mixed, 1 not distinguishable (1 within the margin)"
    assert overview.counted(claims) == said
    assert overview.counted(claims.head(1)) == "supported, within the margin"
    assert overview.counted(claims.tail(1)) == "mixed"


def test_a_grid_has_verdicts_effects_and_what_was_not_run(judged):
    planned = Suite.load(ROOT, "cifar10_causes")
    columns = overview.columns(*judged, link="#claims") + overview.columns(planned, None)
    compares_nothing = overview.columns(Suite.load(ROOT, "cifar10_variance"), None)
    assert overview.grid(columns + compares_nothing) == overview.grid(columns)
    rows = overview.grid(columns).split("<tr>")[2:]
    cells = {row.split("<td>")[2].removesuffix("</td>"): row for row in rows}
    assert '<a href="#claims">supported</a><br>+5.' in cells["rank of z"]
    assert "<td>–</td>" in cells["rank of z"], "no loss is selected among causes"
    assert "<td>not run</td>" in cells["temperature: lowest - highest"]


def test_a_grid_marks_what_is_exploratory_in_a_planned_suite(judged):
    """The heading says it of a suite that was not planned."""
    _, ledger = judged
    planned, rows = Suite.load(ROOT, "digits_causes"), ledger[ledger.id == "weight"].head(1)
    statement = next(each for each in overview.ledger.read().statements if each.id == "weight")
    for suite, status, marked in (
        (planned, "exploratory", True), (planned, "confirmatory", False), (judged[0], "exploratory", False)
    ):  # fmt: skip
        (column,) = overview.columns(suite, rows.assign(status=status, dataset=suite.datasets[0]))
        assert (" (exploratory)<br>" in column.cell(statement)) == marked
        assert (", exploratory)" in column.heading) == (suite is judged[0])


def test_a_grid_shows_effects_at_equal_and_at_retuned_rates(judged):
    suite, ledger = judged
    ledger = ledger[ledger.id == "weight"].head(1).assign(estimate=2.0, retuned_estimate=-7.0)
    (column,) = overview.columns(suite, ledger)
    statement = next(each for each in overview.ledger.read().statements if each.id == "weight")
    assert column.cell(statement).endswith("<br>−7.0 to +2.0 dimensions")
