"""The statements that results are judged by: claims.yaml, checked when it is read."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from dhel_kcl.evidence.statistics import OF_CAUSES, OF_PAIRS, Pair, Rules, Statistic
from dhel_kcl.evidence.tidy import MEASURES
from dhel_kcl.presentation.claim_names import CLAIMS

LEDGER = Path(__file__).with_name("claims.yaml")
DIRECTIONS = ("greater", "less")


class LedgerError(ValueError):
    """A statement that cannot be judged; the message names file, statement, key, and what is allowed."""


@dataclass(frozen=True)
class Statement:
    """One statement, whose {of} and {against} stand for two losses.

    short: its name in figures. source: who states it, a key of `Ledger.sources`. column: of runs.csv. direction: sign
    of the difference that supports it. threshold: the value tested against. margin: differences from the threshold
    smaller than this count as none. minimum_seeds: fewer give no verdict.
    """

    id: str
    claim: str
    text: str
    short: str
    source: str
    statistic: Statistic
    column: str
    unit: str
    direction: str
    threshold: float
    margin: float
    minimum_seeds: int


@dataclass(frozen=True)
class Ledger:
    """All statements: `statements` on each of `pairs`, `causes` on suites that have one.

    close: points of accuracy; settings so close to a loss's best one count as good. sources: {key: reference}.
    """

    rules: Rules
    close: float
    sources: dict[str, str]
    pairs: tuple[Pair, ...]
    statements: tuple[Statement, ...]
    causes: tuple[Statement, ...]


def read(path: Path = LEDGER) -> Ledger:
    """The ledger in a YAML file. Raises LedgerError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    rules = [field.name for field in fields(Rules)]
    top = _Entry(str(path), content, [*rules, "minimum_seeds", "close", "sources", "pairs", "statements", "causes"])
    extra = _Entry(f"{path}: causes", top.content["causes"], ["minimum_seeds", "statements"])
    sources = {key: str(value) for key, value in top.mapping("sources").items()}
    ledger = Ledger(
        rules=Rules(top.number("confidence", 0, 1), top.number("least_overlap", 0), top.count("draws")),
        close=top.number("close", 0),
        sources=sources,
        pairs=tuple(_pair(f"{path}: pairs", pair) for pair in top.list("pairs")),
        statements=_statements(path, top, sources, OF_PAIRS),
        causes=_statements(path, extra, sources, OF_CAUSES),
    )
    names = [statement.id for statement in (*ledger.statements, *ledger.causes)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise LedgerError(f"{path}: statement {twice[0]!r} is there twice")
    return ledger


def _pair(where: str, content: Any) -> Pair:
    if not (isinstance(content, list) and len(content) == 2 and all(isinstance(name, str) for name in content)):
        raise LedgerError(f"{where}: {content!r} is not a list of two losses")
    return Pair(*content)


def _statements(
    path: Path, parent: "_Entry", sources: Collection[str], statistics: Mapping[str, Statistic]
) -> tuple[Statement, ...]:
    keys = [field.name for field in fields(Statement) if field.name != "minimum_seeds"]
    found = []
    for position, content in enumerate(parent.list("statements"), start=1):
        named = content["id"] if isinstance(content, dict) and "id" in content else f"number {position}"
        entry = _Entry(f"{path}: statement {named!r}", content, keys)
        found.append(
            Statement(
                id=entry.text("id"),
                claim=entry.one_of("claim", CLAIMS),
                text=entry.template("text", [field.name for field in fields(Pair)]),
                short=entry.text("short"),
                source=entry.one_of("source", sources),
                statistic=statistics[entry.one_of("statistic", statistics)],
                column=entry.one_of("column", MEASURES),
                unit=entry.text("unit"),
                direction=entry.one_of("direction", DIRECTIONS),
                threshold=entry.number("threshold", -math.inf),
                margin=entry.number("margin", 0),
                minimum_seeds=parent.count("minimum_seeds"),
            )
        )
    return tuple(found)


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
