"""What makes a statement exploratory, and that it is said."""

from dataclasses import replace

import pytest

from dhel_kcl.evidence.ledger import LEDGER
from dhel_kcl.evidence.status import Present
from dhel_kcl.evidence.verdicts import judge
from dhel_kcl.files import sha256
from tests.synthetic import BOOK, PRESENT, results_of, suite_of, with_causes


def confirmatory(content):
    with_causes([0, 1, 2, 3, 4])(content)
    content["losses"] = {name: entry | {"learning_rate": [0.1, 0.3]} for name, entry in content["losses"].items()}
    content["confirmatory"] = True


@pytest.fixture
def suite(tmp_path):
    return suite_of(tmp_path, confirmatory)


def statuses(results, present=PRESENT):
    table = judge(results, BOOK, present)
    table = table[(table.against == "simclr") & (table.of == "dhel") | (table.of == "")].fillna({"status_reason": ""})
    return {row.id: (row.status, row.status_reason) for row in table.itertuples()}


def test_what_was_planned_is_confirmatory_but_for_what_is_declared_not_to_be(tmp_path, suite):
    found = statuses(results_of(tmp_path / "results", suite))
    for statement in ("small-batches", "untuned", "worst-setting", "rank-features"):
        assert found.pop(statement) == ("exploratory", "so declared in claims.yaml")
    assert set(found.values()) == {("confirmatory", "")}


def test_a_suite_that_is_not_confirmatory_has_no_confirmatory_statement(tmp_path):
    found = statuses(results_of(tmp_path / "results", suite_of(tmp_path, with_causes([0, 1, 2, 3, 4]))))
    assert {reason for _, reason in found.values()} >= {"the suite is not confirmatory"}
    assert {word for word, _ in found.values()} == {"exploratory"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"plan": "ffffffffffff"}, "1 run by another docs/analysis_plan.md than there is now"),
     ({"plan": None}, "1 run without docs/analysis_plan.md"),
     ({"claims": "ffffffffffff"}, "1 run by another claims.yaml than there is now"),
     ({"git_revision": "0123456789abcdef+changes"}, "1 run of a changed working tree"),
     ({"git_revision": "unknown"}, "1 run of an unknown revision")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("section", "touched"), [("losses", {"accuracy", "untuned-rate", "rank"}), ("causes", {"positive", "temperature"})]
)
def test_one_run_by_another_plan_makes_what_rests_on_it_exploratory(tmp_path, suite, change, reason, section, touched):
    results = results_of(tmp_path / "results", suite)
    row = results.runs[(results.runs.section == section) & results.runs.method.str.startswith("simclr")].index[0]
    results.runs.loc[row, list(change)] = list(change.values())
    found = statuses(results)
    for statement in touched:
        assert found[statement] == ("exploratory", reason)
    for statement in {"accuracy", "positive"} - touched:
        assert found[statement] == ("confirmatory", "")


@pytest.mark.parametrize("present", [replace(PRESENT, plan="ffffffffffff"), replace(PRESENT, claims="ffffffffffff")])
def test_an_edit_after_the_runs_turns_every_statement_exploratory(tmp_path, suite, present):
    results = results_of(tmp_path / "results", suite)
    before, after = (judge(results, BOOK, which) for which in (PRESENT, present))
    assert set(after.status[before.verdict != "not run"]) == {"exploratory"}
    assert after.verdict.tolist() == before.verdict.tolist(), "what the numbers say stays"
    assert after.status_reason.str.contains("than there is now").sum() == (before.verdict != "not run").sum()


def test_the_present_digests_are_those_of_the_files(tmp_path):
    assert Present.read(tmp_path) == Present("", sha256(LEDGER)[:12])
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/analysis_plan.md").write_text("as planned")
    assert Present.read(tmp_path).plan == sha256(tmp_path / "docs/analysis_plan.md")[:12]


def test_digests_that_look_like_numbers_stay_as_they_are(tmp_path, suite):
    """Twelve hexadecimal digits may all be decimal, or with one e among them."""
    results = results_of(tmp_path / "results", suite)
    for column, text in (("plan", "012345678901"), ("claims", "123456e78901"), ("git_revision", "1" * 40)):
        results.runs[column] = text
    results.runs.to_csv(results.folder / "runs.csv", index=False)
    table = type(results)(results.folder, suite).runs
    assert [set(table[name]) for name in ("plan", "claims")] == [{"012345678901"}, {"123456e78901"}]
    assert set(table.git_revision) == {"1" * 40}
