"""docs/configuration.md: a table of every key that a config file may have, from `schema` and `choices`."""

import json
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, Lt, MultipleOf
from pydantic.fields import FieldInfo

from dhel_kcl.study.choices import (
    BACKBONE_MODELS,
    KERNEL_MODELS,
    LOSS_MODELS,
    TRAINING_AXES,
    Backbone,
    Loss,
    UnknownBackbone,
    UnknownKernel,
    UnknownLoss,
)
from dhel_kcl.study.schema import MERGED, REPLACED, GlobalConfig, JointConfig, Own, Settings, SuiteConfig
from dhel_kcl.study.section import Section
from dhel_kcl.study.values import ByBatchSize, OneOf, is_grid

KINDS = {int: "integer", float: "number", str: "string", bool: "boolean"}
SIGNS: dict[type, tuple[str, str]] = {
    Ge: ("ge", ">="),
    Gt: ("gt", ">"),
    Le: ("le", "<="),
    Lt: ("lt", "<"),
    MultipleOf: ("multiple_of", "multiple of"),
}
NAMED: dict[type[Section], list[tuple[type[Section], str]]] = {
    Backbone: [(UnknownBackbone, "name")],
    Loss: [
        (UnknownLoss, "loss"),
        (UnknownLoss, "title"),
        (UnknownKernel, "kernel"),
        *((Loss, name) for name in (*TRAINING_AXES, "seeds")),
    ],
}
"""Keys of the sections whose other keys depend on what these name."""

Row = tuple[str, str, str, str]
"""Key, meaning, default, what is allowed."""


def reference() -> str:
    """The tables, as Markdown."""
    lines = [
        "# Configuration",
        "",
        "Made by `make docs` from src/dhel_kcl/study. Unknown keys are errors.",
    ]
    for model in (GlobalConfig, SuiteConfig, JointConfig):
        lines += ["", f"## {_text(model.__doc__)}", "", *_table(_rows(model, "", {}))]
    own = _rows(Own, "datasets.<name>.", {}, inherited=Settings)
    lines += ["", "### Further keys of a data set of one's own images", "", *_table(own)]
    for title, variant in _variants():
        shared = {name for names in NAMED.values() for _, name in names}
        rows = (row for row in _rows(variant, "", {}) if row[0] not in shared)
        lines += ["", f"### {title}", "", *_table(rows)]
    return "\n".join([*lines, ""])


def _variants() -> Iterator[tuple[str, type[Section]]]:
    """Sections whose keys depend on what they name."""
    for models, title in (
        (BACKBONE_MODELS, "backbone {}"),
        (LOSS_MODELS, "loss {}"),
        (KERNEL_MODELS, "loss kcl with kernel {}"),
    ):
        for model, names in _grouped(models).items():
            yield f"Parameters of {title.format(', '.join(names))}", model


def _grouped(models: Mapping[str, type[Section]]) -> dict[type[Section], list[str]]:
    groups: dict[type[Section], list[str]] = {}
    for name, model in models.items():
        groups.setdefault(model, []).append(name)
    return groups


def _table(rows: Iterator[Row]) -> list[str]:
    head = ["| key | meaning | default | allowed |", "|---|---|---|---|"]
    return [*head, *(f"| `{key}` | {' | '.join(rest)} |" for key, *rest in rows)]


def _rows(
    model: type[Section], prefix: str, described: dict[type[Section], str], inherited: type[Section] = Section
) -> Iterator[Row]:
    """Rows of a section's keys and of those of its sections.

    described: first key of each section that has rows. inherited: whose keys are left out.
    """
    fields = {name: field for name, field in model.model_fields.items() if name not in inherited.model_fields}
    for name, field in fields.items():
        key, section = f"{prefix}{name}", _section(field.annotation)
        meaning = _text(field.description or (section.__doc__ if section else ""))
        if model is Settings and name in MERGED + REPLACED:
            yield key, f"In place of the suite's `{name}`.", "the suite's", f"as `{name}`"
        elif section in described:
            yield key, meaning, _default(field), f"as `{described[section]}`"
        else:
            yield key, meaning, _default(field), _allowed(field)
            if section:
                described[section] = key
                yield from _rows_of_section(section, key, get_origin(field.annotation) is dict, described)


def _rows_of_section(
    section: type[Section], key: str, is_mapping: bool, described: dict[type[Section], str]
) -> Iterator[Row]:
    if is_mapping:
        key = f"{key}.<name>"
        yield key, _text(section.__doc__), "", "object"
    if section in NAMED:
        for model, name in NAMED[section]:
            field = model.model_fields[name]
            yield f"{key}.{name}", _text(field.description), _default(field), _allowed(field)
    else:
        yield from _rows(section, f"{key}.", described)


def _text(documentation: str | None) -> str:
    return " ".join((documentation or "").split())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Section):
        return json.dumps(default.model_dump()) if isinstance(default, Backbone) else ""
    return "" if default in ((), {}) else json.dumps(default)


def _section(annotation: Any) -> type[Section] | None:
    """The section that a field holds, or the mapping in it."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    found = [_section(argument) for argument in get_args(annotation)]
    return next((section for section in found if section), None)


def _allowed(field: FieldInfo) -> str:
    if is_grid(field.metadata):
        return f"{_of_type(get_args(field.annotation)[0], ())}, or a list of such"
    return _of_type(field.annotation, tuple(field.metadata))


def _of_type(annotation: Any, metadata: tuple[Any, ...]) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of_type(arguments[0], (*arguments[1:], *metadata))
    for one in metadata:
        if isinstance(one, OneOf | ByBatchSize):
            return one.allowed
    if origin in (Union, UnionType):
        return " or ".join("null" if each is NoneType else _of_type(each, ()) for each in reversed(arguments))
    if origin is tuple:
        least = max((one.min_length for one in metadata if isinstance(one, Len)), default=0)
        count = f"at least {least}" if arguments[-1] is Ellipsis else str(len(arguments))
        return f"list of {_of_type(arguments[0], ())} ({count})"
    if origin is dict:
        names = _of_type(arguments[0], ())
        return "object" if names == "string" else f"names: {names}"
    bounds = [f"{SIGNS[type(one)][1]} {getattr(one, SIGNS[type(one)][0])}" for one in metadata if type(one) in SIGNS]
    return " ".join([KINDS.get(annotation, "object"), ", ".join(bounds)]).strip()
