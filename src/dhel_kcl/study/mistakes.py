"""What is wrong with a config file, in words: the key, what is there, what is allowed."""

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

MOST = 5
"""Mistakes named at once."""
KINDS = {
    "int_type": "integer",
    "string_type": "string",
    "bool_type": "boolean",
    "tuple_type": "list",
    "dict_type": "object",
    "model_type": "object",
}
BOUNDS = {
    "greater_than_equal": "is less than the minimum of {ge}",
    "greater_than": "is less than or equal to the minimum of {gt}",
    "less_than_equal": "is greater than the maximum of {le}",
    "less_than": "is greater than or equal to the maximum of {lt}",
    "multiple_of": "is not a multiple of {multiple_of}",
}


class ConfigError(ValueError):
    """A config file that cannot be used; the message names the file, the key and what is allowed."""


def mistake(text: str, key: str = "") -> PydanticCustomError:
    """What a validator raises. key: where the mistake is, seen from the value that is validated."""
    return PydanticCustomError("mistake", "{text}", {"text": text, "key": key})


def did_you_mean(word: object, allowed: Iterable[str]) -> str:
    """ " (did you mean 'log'?); allowed: gaussian, log"; the guess only where one is close."""
    allowed = list(allowed)
    close = difflib.get_close_matches(str(word), allowed, n=1)
    guess = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{guess}; allowed: {', '.join(allowed)}"


def in_words(error: ValidationError, allowed: Iterable[str]) -> ValidationError:
    """The same errors, each as a `mistake`. allowed: keys of the model that raised."""
    keys = list(allowed)
    return ValidationError.from_exception_data(error.title, [_in_words(each, keys) for each in error.errors()])


def listed(error: ValidationError) -> list[str]:
    """Lines such as "losses.dhel.temperature.0: 'hot' is not of type number" from what `in_words` gave, the outermost
    mistakes first."""
    found = {(len(each["loc"]), ".".join(map(str, each["loc"])), each["msg"]): each for each in error.errors()}
    return [_line(found[key]) for key in sorted(found)][:MOST]


def _line(error: ErrorDetails) -> str:
    keys = [*map(str, error["loc"]), error.get("ctx", {}).get("key", "")]
    where = ".".join(key for key in keys if key)
    return f"{where}: {error['msg']}" if where else error["msg"]


def _in_words(error: ErrorDetails, allowed: list[str]) -> InitErrorDetails:
    kind, loc, value, context = error["type"], error["loc"], error["input"], error.get("ctx", {})
    if kind == "mistake":
        if loc[-1:] == ("[key]",):  # of a mapping's key, which stands before it
            loc = loc[:-2]
        return {"type": mistake(context["text"], context["key"]), "loc": loc, "input": value}
    if kind == "missing":
        return {"type": mistake(f"the key {loc[-1]!r} is missing"), "loc": loc[:-1], "input": value}
    if kind == "extra_forbidden":
        text = f"unknown key {loc[-1]!r}{did_you_mean(loc[-1], allowed)}"
        return {"type": mistake(text), "loc": loc[:-1], "input": value}
    return {"type": mistake(_of_value(kind, value, context, error["msg"])), "loc": loc, "input": value}


def _of_value(kind: str, value: Any, context: dict[str, Any], otherwise: str) -> str:
    """What is wrong with a value of the key that stands before it."""
    if kind in KINDS:
        return f"{value!r} is not of type {KINDS[kind]}"
    if kind in BOUNDS:
        return f"{value!r} {BOUNDS[kind].format(**context)}"
    if kind == "too_short" and not context["actual_length"]:
        return f"is empty; give at least {context['min_length']}"
    return otherwise
