"""The statements that results are judged by: claims.yaml, checked when it is read."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from string import Formatter
from typing import Any

from dhel_kcl.evidence.dataset_runs import Pair, Rules
from dhel_kcl.evidence.statistics import OF_CAUSES, OF_PAIRS, STATISTICS, Statistic
from dhel_kcl.evidence.tidy import MEASURES
from dhel_kcl.presentation.claim_names import CLAIMS
from dhel_kcl.presentation.verdict_words import CONFIRMATORY, EXPLORATORY
from dhel_kcl.study import plain_yaml
from dhel_kcl.study.mistakes import ConfigError

LEDGER = Path(__file__).with_name("claims.yaml")
DIRECTIONS = ("greater", "less")
UNITS = {"points": "accuracy", "dimensions": "effective rank"}
"""Of effects, and what they measure."""
KINDS = (CONFIRMATORY, EXPLORATORY)
BLANKS = ("of", "against", "equal")
"""What a statement's text leaves to be filled in: two losses, and what their trainings share."""


class LedgerError(ValueError):
    """A statement that cannot be judged; the message names file, statement, key, and what is allowed."""


@dataclass(frozen=True)
class Statement:
    """One statement, whose text has `BLANKS`.

    kind: confirmatory or exploratory, which are corrected apart. short: its name in figures. source: who states it, a
    key of `Ledger.sources`. column: of runs.csv. direction: sign of the difference that supports it. threshold: the
    value tested against. margin: differences from the threshold smaller than this count as none.
    """

    id: str
    claim: str
    kind: str
    text: str
    short: str
    source: str
    statistic: Statistic
    column: str
    unit: str
    direction: str
    threshold: float
    margin: float


@dataclass(frozen=True)
class Ledger:
    """All statements.

    close: points of accuracy; settings so close to a loss's best one count as good. sources: {key: reference}.
    """

    rules: Rules
    close: float
    sources: dict[str, str]
    pairs: tuple[Pair, ...]
    statements: tuple[Statement, ...]

    @property
    def of_pairs(self) -> tuple[Statement, ...]:
        """Statements on each of `pairs`."""
        return tuple(each for each in self.statements if each.statistic in OF_PAIRS.values())

    @property
    def of_causes(self) -> tuple[Statement, ...]:
        """Statements on suites with a section of causes."""
        return tuple(each for each in self.statements if each.statistic in OF_CAUSES.values())

    def asked(self, has_causes: bool) -> list[tuple[Statement, Pair]]:
        """Every statement with every pair that it is on."""
        of_pairs = [(statement, pair) for statement in self.of_pairs for pair in self.pairs]
        return of_pairs + [(statement, Pair()) for statement in self.of_causes if has_causes]


def read(path: Path = LEDGER) -> Ledger:
    """The ledger in a YAML file. Raises LedgerError."""
    try:
        content = plain_yaml.read(path)
    except ConfigError as error:
        raise LedgerError(str(error)) from None
    rules = [field.name for field in fields(Rules)]
    top = _Entry(str(path), content, [*rules, "close", "sources", "pairs", "statements"])
    sources = {key: str(value) for key, value in top.mapping("sources").items()}
    ledger = Ledger(
        rules=Rules(top.number("confidence", 0, 1), top.count("minimum_seeds"), top.count("draws")),
        close=top.number("close", 0),
        sources=sources,
        pairs=tuple(_pair(f"{path}: pairs", pair) for pair in top.list("pairs")),
        statements=tuple(_statements(path, top.list("statements"), sources)),
    )
    names = [statement.id for statement in ledger.statements]
    if twice := [name for name in names if names.count(name) > 1]:
        raise LedgerError(f"{path}: statement {twice[0]!r} is there twice")
    return ledger


def _pair(where: str, content: Any) -> Pair:
    if not (isinstance(content, list) and len(content) == 2 and all(isinstance(name, str) for name in content)):
        raise LedgerError(f"{where}: {content!r} is not a list of two losses")
    return Pair(*content)


def _statements(path: Path, content: list[Any], sources: Collection[str]) -> Iterator[Statement]:
    keys = [field.name for field in fields(Statement)]
    for position, each in enumerate(content, start=1):
        named = each["id"] if isinstance(each, dict) and "id" in each else f"number {position}"
        entry = _Entry(f"{path}: statement {named!r}", each, keys)
        yield Statement(
            id=entry.text("id"),
            claim=entry.one_of("claim", CLAIMS),
            kind=entry.one_of("kind", KINDS),
            text=entry.template("text", BLANKS),
            short=entry.text("short"),
            source=entry.one_of("source", sources),
            statistic=STATISTICS[entry.one_of("statistic", STATISTICS)],
            column=entry.one_of("column", MEASURES),
            unit=entry.one_of("unit", UNITS),
            direction=entry.one_of("direction", DIRECTIONS),
            threshold=entry.number("threshold", -math.inf),
            margin=entry.number("margin", 0),
        )


class _Entry:
    """A mapping of the file with exactly these keys, whose values are checked as they are taken."""

    def __init__(self, where: str, content: Any, keys: Collection[str]) -> None:
        self.where, self.content = where, content
        if not isinstance(content, dict):
            raise LedgerError(f"{where}: {content!r} is not a mapping with the keys {', '.join(keys)}")
        if unknown := [key for key in content if key not in keys]:
            raise LedgerError(f"{where}: unknown key {unknown[0]!r}; allowed: {', '.join(keys)}")
        if missing := [key for key in keys if key not in content]:
            raise LedgerError(f"{where}: {missing[0]!r} is missing")

    def _of_type(self, key: str, kind: type | tuple[type, ...], called: str) -> Any:
        value = self.content[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise LedgerError(f"{self.where}: {key}: {value!r} is not {called}")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        return self._of_type(key, dict, "a mapping")

    def list(self, key: str) -> list[Any]:
        return self._of_type(key, list, "a list")

    def text(self, key: str) -> str:
        return self._of_type(key, str, "a text")

    def number(self, key: str, above: float, below: float = math.inf) -> float:
        value = self._of_type(key, (int, float), "a number")
        if not above < value < below:
            allowed = " and ".join(
                f"{word} {end:g}" for word, end in (("above", above), ("below", below)) if math.isfinite(end)
            )
            raise LedgerError(f"{self.where}: {key}: {value!r} is not a finite number{allowed and ' '}{allowed}")
        return float(value)

    def count(self, key: str) -> int:
        value = self._of_type(key, int, "a whole number")
        if value < 1:
            raise LedgerError(f"{self.where}: {key}: {value!r} is less than 1")
        return value

    def one_of(self, key: str, allowed: Collection[str]) -> str:
        value = self.content[key]
        if not isinstance(value, str) or value not in allowed:
            raise LedgerError(f"{self.where}: {key}: {value!r} is unknown; allowed: {', '.join(allowed)}")
        return value

    def template(self, key: str, allowed: Collection[str]) -> str:
        """Text in which braces name what is put in."""
        text = self.text(key)
        try:
            named = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
        except ValueError as error:
            raise LedgerError(f"{self.where}: {key}: {text!r}: {error}") from None
        if unknown := [name for name in named if name not in allowed]:
            raise LedgerError(f"{self.where}: {key}: {{{unknown[0]}}} is unknown; allowed: {', '.join(allowed)}")
        return text
