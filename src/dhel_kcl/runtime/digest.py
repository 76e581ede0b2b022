"""Digests of the code that a step runs, blind to comments, docstrings and layout.

A digest covers a module, what it imports inside this package, and the registry entries that the step's spec
selects: so a new loss re-runs nothing, and a change of the model re-runs what used it.
"""

import ast
import hashlib
import io
import tokenize
from functools import cache
from pathlib import Path
from typing import Any

from dhel_kcl import registry
from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.registry import REGISTRIES

PACKAGE = "dhel_kcl"
SOURCE = Path(__file__).parents[1]
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}


@cache
def of_step(module: str, selected: tuple[tuple[str, str], ...] = ()) -> str:
    """SHA-256 of the code behind ``python -m dhel_kcl.<module>``.

    Args:
        module: name inside the package, e.g. "pretrain" or "figures.spectra".
        selected: registry entries in use, as (kind, name): ("loss", "dhel"), ...
    """
    targets = [REGISTRIES[kind][name].split(":")[0] for kind, name in selected if name in REGISTRIES[kind]]
    closure = set().union(*(_closure(name) for name in [f"{PACKAGE}.{module}", *targets]))
    lines = [f"{name} {_of_module(name)}" for name in sorted(closure)]
    lines += [f"{kind} {name} {REGISTRIES[kind].get(name)}" for kind, name in sorted(selected)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def of_pretraining(loss: dict[str, Any], backbone: str, dataset: str) -> str:
    """SHA-256 of the code that pretrains with a loss ({"name": ..., "kernel": ...}) and a backbone on a data set."""
    entries = [("loss", loss["name"]), ("backbone", backbone), *_source(dataset)]
    entries += [("kernel", loss["kernel"])] if "kernel" in loss else []
    return of_step("pretrain", tuple(entries))


def of_probing(backbone: str, dataset: str) -> str:
    """SHA-256 of the code that evaluates a backbone on a data set."""
    return of_step("probe", (("backbone", backbone), *_source(dataset)))


def _source(dataset: str) -> list[tuple[str, str]]:
    return [("source", "streamed")] if CATALOGUE[dataset].streamed else []


def _file(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _closure(module: str) -> frozenset[str]:
    """`module` and all modules of the package that it imports, directly or not."""
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _imports(name)
    return frozenset(found)


@cache
def _imports(module: str) -> frozenset[str]:
    path = _file(module)
    if path is None:
        raise ValueError(f"there is no module {module} under {SOURCE}")
    names = set()
    for node in _runtime_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {name for name in names if name.split(".")[0] == PACKAGE and _file(name)}
    parents = {".".join(name.split(".")[:depth]) for name in inside for depth in range(2, name.count(".") + 1)}
    return frozenset((inside | parents) - {PACKAGE})


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    """All nodes but those that only a type checker reads."""
    nodes, todo = [], [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo += node.orelse
            continue
        nodes.append(node)
        todo += ast.iter_child_nodes(node)
    return nodes


@cache
def _of_module(module: str) -> str:
    path = _file(module)
    tables = [name for name, value in vars(registry).items() if any(value is table for table in REGISTRIES.values())]
    skip = tuple(tables) if module == registry.__name__ else ()
    return of_source(path.read_text() if path else "", skip)


def of_source(source: str, skip_assignments: tuple[str, ...] = ()) -> str:
    """SHA-256 over the tokens of Python code, leaving out comments, docstrings, blank lines and indentation width.

    The same on every Python version: f-strings, which some versions split into parts, count as one token.
    """
    lines = source.splitlines(keepends=True)
    skipped = _docstrings_and(source, skip_assignments)
    tokens, fstring = [], None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            fstring = fstring or (token.start, 0)
            fstring = (fstring[0], fstring[1] + 1)
            continue
        if fstring:
            if name == "FSTRING_END":
                start, depth = fstring
                fstring = (start, depth - 1) if depth > 1 else None
                if fstring is None and not _within(start, skipped):
                    tokens.append(("STRING", _text(lines, start, token.end)))
            continue
        if token.type in LAYOUT or _within(token.start, skipped):
            continue
        tokens.append((name, "" if name in ("INDENT", "DEDENT", "NEWLINE") else token.string))
    return hashlib.sha256(repr(tokens).encode()).hexdigest()


def _docstrings_and(source: str, assignments: tuple[str, ...]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Source ranges of docstrings (and of constants' docstrings) and of top-level assignments to the given names."""
    tree = ast.parse(source)
    nodes: list[ast.stmt] = [
        statement
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    ]
    nodes += [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in assignments for t in node.targets)
    ]
    encoded = [line.encode() for line in source.splitlines(keepends=True)]

    def column(line: int, offset: int) -> int:
        return len(encoded[line - 1][:offset].decode())

    return [
        (
            (node.lineno, column(node.lineno, node.col_offset)),
            (node.end_lineno or node.lineno, column(node.end_lineno or node.lineno, node.end_col_offset or 0)),
        )
        for node in nodes
    ]


def _within(position: tuple[int, int], ranges: list[tuple[tuple[int, int], tuple[int, int]]]) -> bool:
    """Whether a token starts inside a range, or right at its end: the line break after a docstring goes with it."""
    return any(start <= position <= end for start, end in ranges)


def _text(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    return "".join([lines[start[0] - 1][start[1] :], *lines[start[0] : end[0] - 1], lines[end[0] - 1][: end[1]]])
