"""Digests of the science behind a result: they change with it, and with nothing else.

The unit is the module. A module's digest covers its tokens, without comments, docstrings and layout, the packaged data
files that it names (`with_name`), and the digests of all modules of the package that it imports: a Merkle tree, so
where a module lies does not matter. `runtime`, `steps`, `files` and, but for the selection of settings, `study` are
left out: how a job runs changes no result, and what the study decides travels in a run's spec (`Suite.digest`).

Registry entries (`dhel_kcl.registry`) count where code asks for their kind: those that a step's spec selects, or all
where it selects none. An import inside the package that cannot be followed is an error: a gap would let stale results
pass for new ones.
"""

import ast
import bisect
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dhel_kcl.registry import PACKAGE, REGISTRIES

SOURCE = Path(__file__).parents[1]
PLUMBING = ("runtime", "steps", "study", "files")
"""What no result depends on."""
SCIENCE = {"study.selection"}
"""Modules of them that results do depend on."""
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
REGISTRY = "registry"
HIDING = ("import_module", "importlib.import_module", "__import__", "load", "registry.load")
"""Calls that import what digests cannot see."""
DISPATCHERS = {REGISTRY, "losses", "data.catalogue", "data.fetching"}
"""Modules that make such calls for names that a spec selects, and whose targets digests are told of: registry entries,
the source of a data set; and the losses' exports, which nothing inside the package may use."""
STRUCTURE = ("INDENT", "DEDENT", "NEWLINE")
"""Tokens whose text is mere layout."""

Span = tuple[tuple[int, int], tuple[int, int]]
"""Start and end (line, column) of a piece of source."""


@dataclass(frozen=True)
class Import:
    """What a statement imports from inside the package: `name` of `module`, or the module itself (name "")."""

    module: str
    name: str
    alias: str


@dataclass(frozen=True)
class Source:
    """A module's text, taken apart. `name` is dotted, inside the package: "losses.dhel_loss"."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @cached_property
    def runtime_nodes(self) -> list[ast.AST]:
        """All nodes but those that only a type checker reads."""
        nodes: list[ast.AST] = []
        todo: list[ast.AST] = [self.tree]
        while todo:
            node = todo.pop()
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                todo += node.orelse
                continue
            nodes.append(node)
            todo += ast.iter_child_nodes(node)
        return nodes

    @cached_property
    def inside_imports(self) -> list[ast.AST]:
        """Statements that import from inside the package."""
        return [node for node in self.runtime_nodes if _is_inside(node)]

    @cached_property
    def defines(self) -> set[str]:
        """Names that the module binds at its top level."""
        names = set()
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
        return names

    @cached_property
    def kinds(self) -> set[str]:
        """Kinds of registry entries that the module asks `registry.resolve` for."""
        kinds = set()
        for call in (node for node in self.runtime_nodes if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            if called in HIDING and self.name not in DISPATCHERS:
                raise ValueError(f"{self.path}: {called} hides an import from digests; use `registry.resolve`")
            if called in ("resolve", "registry.resolve") and self.name not in DISPATCHERS:
                kind = call.args[0]
                if not (isinstance(kind, ast.Constant) and kind.value in REGISTRIES):
                    raise ValueError(f"{self.path}: the kind in `{ast.unparse(call)}` must be written out")
                kinds.add(kind.value)
        return kinds

    @cached_property
    def data_files(self) -> list[Path]:
        """Files beside the module that it names in `with_name`."""
        calls = [node for node in self.runtime_nodes if isinstance(node, ast.Call)]
        named = [call.args[0] for call in calls if ast.unparse(call.func).endswith("__file__).with_name")]
        return [self.path.with_name(ast.literal_eval(argument)) for argument in named]

    @cached_property
    def tokens_digest(self) -> str:
        """SHA-256 of the tokens but for statements that import from inside the package and the registries' tables."""
        skipped: list[ast.stmt] = [node for node in ast.walk(self.tree) if _is_inside(node)]  # type: ignore[misc]
        if self.name == REGISTRY:
            skipped += [node for node in self.tree.body if isinstance(node, ast.Assign)]
        return _of_tokens(self.text, [*docstrings(self.tree), *skipped])


def _is_inside(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.level > 0 or (node.module or "").split(".")[0] == PACKAGE
    return isinstance(node, ast.Import) and any(alias.name.split(".")[0] == PACKAGE for alias in node.names)


class Code:
    """Digests of the package that lies in the folder `source`."""

    def __init__(self, source: Path = SOURCE) -> None:
        self.folder = source
        self._sources: dict[str, Source] = {}
        self._digests: dict[str, str] = {}
        self._imports: dict[str, list[Import]] = {}
        self._open: list[str] = []

    def of(self, functions: Iterable[str], selected: Mapping[str, Iterable[str]] | None = None) -> str:
        """SHA-256 of the code behind a result.

        Args:
            functions: that compute it, e.g. ["training.trainer:Pretraining"]; the whole module counts.
            selected: registry entries in use, by kind: {"loss": ["dhel"], ...}; of a kind not named all count.

        Raises ValueError for imports that cannot be followed, and circular ones.
        """
        roots, selected = [function.partition(":") for function in functions], selected or {}
        for module, _, attribute in roots:
            if attribute not in self.source(module).defines:
                raise ValueError(f"{self.source(module).path} does not define {attribute!r}")
        lines = [f"{attribute} {self.of_module(module)}" for module, _, attribute in roots]
        reached, asked = self.reached_by(module for module, _, _ in roots), set[str]()
        while more := sorted({kind for name in reached for kind in self.source(name).kinds} - asked):
            asked |= set(more)
            for kind in more:
                for entry in sorted(selected.get(kind, REGISTRIES[kind])):
                    module, _, attribute = REGISTRIES[kind][entry].removeprefix(f"{PACKAGE}.").partition(":")
                    lines.append(f"{kind} {entry} {attribute} {self.of_module(module)}")
                    reached |= self.reached_by([module])
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def of_module(self, name: str) -> str:
        """SHA-256 of a module and all that it imports."""
        if name not in self._digests:
            if name in self._open:
                raise ValueError(f"circular import: {' -> '.join([*self._open[self._open.index(name) :], name])}")
            self._open.append(name)
            source = self.source(name)
            entries = [f"{entry.name} {entry.alias} {self.of_module(entry.module)}" for entry in self.imports(name)]
            files = [hashlib.sha256(_content(path)).hexdigest() for path in source.data_files]
            lines = [source.tokens_digest, *sorted(entries), *files]
            self._digests[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
            self._open.pop()
        return self._digests[name]

    def reached_by(self, modules: Iterable[str]) -> set[str]:
        """These modules and all that they import, directly or not."""
        found, todo = set[str](), list(modules)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += [entry.module for entry in self.imports(name)]
        return found

    def imports(self, name: str) -> list[Import]:
        """What a module imports from inside the package, but for plumbing."""
        if name not in self._imports:
            found = [entry for node in self.source(name).inside_imports for entry in self._imported(name, node)]
            self._imports[name] = [entry for entry in found if not is_plumbing(entry.module)]
        return self._imports[name]

    def _imported(self, name: str, node: ast.AST) -> Iterator[Import]:
        where = f"{self.source(name).path}: `{ast.unparse(node)}`"
        if not isinstance(node, ast.ImportFrom) or node.level:
            raise ValueError(f"{where}: write `from {PACKAGE}... import ...`, which digests follow")
        holder = (node.module or "").removeprefix(PACKAGE).removeprefix(".")
        for alias in node.names:
            module = f"{holder}.{alias.name}".removeprefix(".")
            if self.path(module):
                yield Import(module, "", alias.asname or alias.name)
            elif is_plumbing(holder) or (holder and alias.name in self.source(holder).defines):
                yield Import(holder, alias.name, alias.asname or alias.name)
            else:
                raise ValueError(f"{where}: {node.module} does not define {alias.name}; import it from where it stands")

    def source(self, name: str) -> Source:
        if name not in self._sources:
            path = self.path(name)
            if path is None:
                raise ValueError(f"there is no module {PACKAGE}.{name} under {self.folder}")
            self._sources[name] = Source(name, path)
        return self._sources[name]

    def path(self, name: str) -> Path | None:
        stem = self.folder.joinpath(*name.split("."))
        return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def is_plumbing(module: str) -> bool:
    return module.split(".")[0] in PLUMBING and module not in SCIENCE


def _content(path: Path) -> bytes:
    """What counts of a data file: of YAML its values, of anything else its lines."""
    text = path.read_text(encoding="utf-8")
    if path.suffix not in (".yaml", ".yml"):
        return text.encode()
    import yaml  # not above: a training has no such files, and runs where there is no PyYAML

    return repr(yaml.safe_load(text)).encode()


def docstrings(tree: ast.Module) -> list[ast.stmt]:
    """Statements that are mere text, constants' docstrings among them."""
    return [
        statement
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    ]


def _of_tokens(text: str, skipped: list[ast.stmt]) -> str:
    """SHA-256 over the tokens of Python code, leaving out comments, blank lines, indentation width and what is skipped.

    The same on every Python version: f-strings, which some versions split into parts, count as one token.
    """
    spans = _spans(text, skipped)
    kept = [token for token, start in _tokens(text) if not _within(start, spans)]
    return hashlib.sha256(repr(kept).encode()).hexdigest()


def _tokens(text: str) -> Iterator[tuple[tuple[str, str], tuple[int, int]]]:
    """((kind, text), start) of each token that is no layout."""
    lines = text.splitlines(keepends=True)
    start, depth = (0, 0), 0  # of the f-string that is open
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            start, depth = (start if depth else token.start), depth + 1
        elif name == "FSTRING_END":
            depth -= 1
            if depth == 0:
                yield ("STRING", _between(lines, start, token.end)), start
        elif depth == 0 and token.type not in LAYOUT:
            yield (name, "" if name in STRUCTURE else token.string), token.start


def _spans(text: str, nodes: Iterable[ast.stmt]) -> list[Span]:
    encoded = [line.encode() for line in text.splitlines(keepends=True)]

    def place(line: int, offset: int) -> tuple[int, int]:
        return line, len(encoded[line - 1][:offset].decode())

    return sorted(
        (
            place(node.lineno, node.col_offset),
            place(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )
        for node in nodes
    )


def _within(position: tuple[int, int], spans: list[Span]) -> bool:
    """Whether a token starts inside one of the sorted, disjoint spans, or right at its end: the line break after a
    docstring goes with it."""
    after = bisect.bisect_right(spans, position, key=lambda span: span[0])
    return after > 0 and position <= spans[after - 1][1]


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    return "".join([lines[start[0] - 1][start[1] :], *lines[start[0] : end[0] - 1], lines[end[0] - 1][: end[1]]])


RUNNING = Code()
"""The package that is running."""
