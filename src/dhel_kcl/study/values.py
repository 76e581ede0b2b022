"""Kinds of values in a config: numbers as they are written, one of several words, lists without repetition."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from dhel_kcl.study.mistakes import did_you_mean, mistake

T = TypeVar("T")
OWN_NAME = "[a-z][a-z0-9_]*"
"""Names of one's own data sets and suites: folders and targets of Snakemake are called by them."""
EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
"""A number that YAML 1.1 reads as text, such as 1e-05, which is how `dvc exp run -S` writes 0.00001."""


@dataclass(frozen=True)
class AsWritten:
    """A number that stays an integer where it is written as one: the names of runs contain it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def check(self, value: Any) -> int | float:
        number = float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise mistake(f"{value!r} is not of type number")
        if not math.isfinite(number):
            raise mistake(f"{value} is no finite number")
        return number


@dataclass(frozen=True)
class OneOf:
    """One of these words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return ", ".join(self.words)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise mistake(f"{value!r} is unknown{did_you_mean(value, self.words)}")
        return value


@dataclass(frozen=True)
class ByBatchSize:
    """A number from 1 on, or one for each batch size: {"64": 2800}, read as {64: 2800}."""

    allowed = "integer >= 1, or an object of such by batch size"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def check(self, value: Any) -> int | dict[int, int]:
        if not isinstance(value, dict):
            return _count(value)
        if wrong := [key for key in value if not key.isdecimal() or int(key) < 2]:
            raise mistake(f"{wrong[0]!r} is no batch size")
        return {int(size): _count(number, size) for size, number in value.items()}


def _count(value: Any, key: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise mistake(f"{value!r} is not of type integer", key)
    if value < 1:
        raise mistake(f"{value} is less than the minimum of 1", key)
    return value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _as_pair(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise mistake(f"{value!r} is not a list of two numbers")
    return tuple(value)


def _one_or_more(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


def is_grid(metadata: Iterable[Any]) -> bool:
    """Whether a field with these annotations is a `Grid`."""
    return any(isinstance(one, BeforeValidator) and one.func is _one_or_more for one in metadata)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise mistake(f"{list(values)!r} has non-unique elements")
    return values


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    if low > high:
        raise mistake(f"{low} is above {high}")
    return limits


Number = Annotated[float, AsWritten()]
Positive = Annotated[Number, Gt(0)]
NotNegative = Annotated[Number, Ge(0)]
Share = Annotated[Number, Ge(0), Le(1)]
Momentum = Annotated[Number, Ge(0), Lt(1)]
Count = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0)]
BatchSize = Annotated[int, Ge(2)]

AnyList = Annotated[tuple[T, ...], BeforeValidator(_as_tuple), AfterValidator(_distinct)]
"""A list, possibly empty."""
List = Annotated[tuple[T, ...], BeforeValidator(_as_tuple), Len(1), AfterValidator(_distinct)]
Grid = Annotated[tuple[T, ...], BeforeValidator(_one_or_more), Len(1), AfterValidator(_distinct)]
"""The values of a grid's axis: a list, or one value by itself."""
Limits = Annotated[tuple[T, T], BeforeValidator(_as_pair), AfterValidator(_ascending)]
"""Least and largest."""
