"""The ledger holds statements and no verdicts; a statement that cannot be judged is refused by name."""

import pytest
import yaml

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.dataset_runs import Pair
from dhel_kcl.evidence.ledger import LEDGER, LedgerError
from dhel_kcl.evidence.statistics import STATISTICS
from dhel_kcl.evidence.tidy import MEASURES
from dhel_kcl.presentation.claim_names import CLAIMS

BOOK = ledger.read()
TEXT = LEDGER.read_text(encoding="utf-8")


def test_the_ledger_holds_statements_and_no_verdicts():
    assert len({statement.id for statement in BOOK.statements}) == len(BOOK.statements)
    assert BOOK.statements == (*BOOK.of_pairs, *BOOK.of_causes)
    for statement in BOOK.statements:
        assert statement.statistic in STATISTICS.values()
        assert statement.source in BOOK.sources
        assert statement.direction in ("greater", "less")
        assert statement.kind in ("confirmatory", "exploratory")
        assert statement.margin > 0
        assert statement.column in MEASURES
    assert "verdict:" not in TEXT
    assert set(CLAIMS) == {"C1 terms", "C6 causes", *(f"C{number}" for number in range(1, 8))}
    assert {statement.claim for statement in BOOK.of_pairs} == {"C3", "C4", "C5", "C6"}
    assert {statement.claim for statement in BOOK.of_causes} == {"C6 causes"}
    assert BOOK.rules.minimum_seeds == 5


def test_the_number_of_tests_is_that_which_the_file_says():
    confirmatory = [statement for statement in BOOK.of_pairs if statement.kind == "confirmatory"]
    pairs, statements, causes = len(BOOK.pairs), len(confirmatory), len(BOOK.of_causes)
    said = f"{pairs} pairs x {statements} statements = {pairs * statements}, and {causes} on causes"
    assert said in TEXT
    assert f"exploratory {pairs * (len(BOOK.of_pairs) - statements)}." in TEXT


def test_every_statistic_is_asked_for():
    used = {id(statement.statistic) for statement in BOOK.statements}
    assert used == {id(statistic) for statistic in STATISTICS.values()}


LEADS = "statistic: interaction\n    column: test_accuracy\n    unit: points\n    direction: "
LEAD = "statement 'small-batches': "


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("statistic: interaction", "statistic: interact",
         LEAD + "statistic: 'interact' is unknown; allowed: level, interaction, tuned_mean"),
        ("statistic: interaction", "statistic: [level]", LEAD + r"statistic: \['level'\] is unknown; allowed: level"),
        ("claim: C4", "claim: C8", LEAD + "claim: 'C8' is unknown; allowed: C1, C1 terms, C2, C3"),
        ("claim: C4\n    kind: exploratory", "claim: C4\n    kind: both",
         LEAD + "kind: 'both' is unknown; allowed: confirmatory, exploratory"),
        (LEADS + "greater", LEADS.replace("points", "percent") + "greater",
         LEAD + "unit: 'percent' is unknown; allowed: points, dimensions"),
        (LEADS + "greater", LEADS + "higher", LEAD + "direction: 'higher' is unknown; allowed: greater, less"),
        ("statistic: interaction\n    column: test_accuracy", "statistic: interaction\n    column: accuracy",
         LEAD + "column: 'accuracy' is unknown; allowed: validation_accuracy"),
        ("source: ours\n    statistic: weight", "source: us\n    statistic: weight",
         "'weight': source: 'us' is unknown; allowed: abstr"),
        (LEADS + "greater\n", LEADS[: LEADS.index("direction")] + "\n", LEAD + "'direction' is missing"),
        (LEADS + "greater", LEADS + "greater\n    verdict: supported", LEAD + "unknown key 'verdict'; allowed: id"),
        (LEADS + "greater\n    threshold: 0.0", LEADS + "greater\n    threshold: .nan",
         "nan is no finite number"),
        (LEADS + "greater\n    threshold: 0.0", LEADS + "greater\n    threshold: '0'", LEAD + "threshold: '0' is"),
        (LEADS + "greater\n    threshold: 0.0\n    margin: 1.0", LEADS + "greater\n    threshold: 0.0\n    margin: 0",
         LEAD + "margin: 0 is not a finite number above 0"),
        ("the lead of {of} over", "the lead of {off} over",
         LEAD + "text: {off} is unknown; allowed: of, against, equal"),
        ("the lead of {of} over", "the lead of {of over", LEAD + "text: "),
        ("id: small-batches", "id: accuracy", "statement 'accuracy' is there twice"),
        ("id: small-batches", "id: 7", "statement 7: id: 7 is not a text"),
        ("minimum_seeds: 5", "minimum_seeds: 5.5", "claims.yaml: minimum_seeds: 5.5 is not a whole number"),
        ("minimum_seeds: 5", "minimum_seeds: 0", "claims.yaml: minimum_seeds: 0 is less than 1"),
        ("minimum_seeds: 5", "minimum_seeds: true", "claims.yaml: minimum_seeds: True is not a whole number"),
        ("confidence: 0.95", "confidence: 95", "claims.yaml: confidence: 95 is not a finite number above 0 and b"),
        ("draws: 2000", "draw: 2000", "claims.yaml: unknown key 'draw'; allowed: confidence, minimum_seeds, draws"),
        ("- [dhel, simclr]", "- [dhel]", r"claims.yaml: pairs: \['dhel'\] is not a list of two losses"),
        ("\nstatements:", "\nstatements: none\nothers:", "claims.yaml: unknown key 'others'"),
        ("confidence:", "confidence: [", "claims.yaml: not valid YAML: while parsing"),
        ("draws:", "confidence: 0.5\ndraws:", "claims.yaml: not valid YAML: key 'confidence' occurs twice"),
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_judged_is_named_with_what_is_allowed(tmp_path, old, new, message):
    assert old in TEXT
    path = tmp_path / "claims.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LedgerError, match=message) as refused:
        ledger.read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", "text", "7", "null", "\x00", "statements: 1"])
def test_anything_else_is_refused_with_the_name_of_the_file(tmp_path, content):
    path = tmp_path / "claims.yaml"
    path.write_text(content)
    with pytest.raises(LedgerError, match=r"claims\.yaml"):
        ledger.read(path)
    path.write_bytes(b"\xff")
    with pytest.raises(LedgerError, match=r"not UTF-8|not valid YAML"):
        ledger.read(path)


@pytest.mark.parametrize("key", yaml.safe_load(TEXT))
def test_no_section_may_be_of_another_kind(tmp_path, key):
    path = tmp_path / "claims.yaml"
    for value in (None, "x", [None], {"x": 1}, True):
        path.write_text(yaml.safe_dump(yaml.safe_load(TEXT) | {key: value}))
        if (key, value) in [("sources", {"x": 1})]:
            continue
        with pytest.raises(LedgerError, match=key if key != "statements" else "claims.yaml"):
            ledger.read(path)


def test_a_pair_is_within_what_it_names():
    assert Pair("dhel", "dcl").within(["dcl", "dhel", "simclr"])
    assert not Pair("dhel", "dcl").within(["dhel"])
    assert Pair().within([])
