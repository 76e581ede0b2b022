"""The proof that digests tell the truth: one token changed in any module changes exactly the steps that use it."""

import ast
import io
import keyword
import shutil
import tokenize

import pytest

from dhel_kcl.evidence.figures import FIGURES
from dhel_kcl.evidence.tables import TABLES
from dhel_kcl.runtime import science
from dhel_kcl.runtime.digest import SOURCE, Code, docstrings
from dhel_kcl.theory import EXPERIMENTS

LOSSES = {
    "infonce": {"name": "infonce"},
    "simclr": {"name": "simclr"},
    "dcl": {"name": "dcl"},
    "dhel": {"name": "dhel"},
    "kcl gaussian": {"name": "kcl", "kernel": "gaussian"},
    "kcl log": {"name": "kcl", "kernel": "log"},
    "kcl imq": {"name": "kcl", "kernel": "imq"},
    "kcl riesz": {"name": "kcl", "kernel": "riesz"},
    "kcl gaussian_riesz": {"name": "kcl", "kernel": "gaussian_riesz"},
    "supervised": {"name": "supervised"},
}


def every_step(code):
    """{step: digest} of each kind of result that there is."""
    digests = {f"fetch {name}": science.of_fetching(name, code) for name in ("digits", "fashion_mnist", "cifar10")}
    digests |= {f"fetch {name}": science.of_fetching(name, code) for name in ("cifar100", "stl10", "imagenet100")}
    for name, loss in LOSSES.items():
        digests[f"pretrain {name}"] = science.of_pretraining(loss, "compact_resnet", "memory", code)
    digests["pretrain resnet"] = science.of_pretraining({"name": "supervised"}, "resnet18", "memory", code)
    digests["pretrain streamed"] = science.of_pretraining({"name": "supervised"}, "resnet50", "streamed", code)
    digests["evaluate compact"] = science.of_evaluating("compact_resnet", "memory", code)
    digests["evaluate resnet"] = science.of_evaluating("resnet18", "memory", code)
    digests["evaluate streamed"] = science.of_evaluating("resnet50", "streamed", code)
    digests |= {step: science.of_step(step, code) for step in ("split", "select", "collect", "judge", "plan")}
    digests |= {step: science.of_step(step, code) for step in ("published", "theory tables")}
    digests |= {f"table {name}": science.of_table(name, code) for name in TABLES}
    digests |= {f"figure {name}": science.of_figure(name, code) for name in FIGURES}
    digests |= {f"theory {name}": science.of_theory(name, code) for name in EXPERIMENTS}
    return digests | {f"theory figure {name}": science.of_theory_figure(name, code) for name in EXPERIMENTS}


def mutated(text):
    """The text with its last name or number inside a function, or else its last number or string, changed."""
    tree = ast.parse(text)
    texts = {(node.lineno, node.end_lineno) for node in docstrings(tree)}
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    skipped = texts | {(node.lineno, node.end_lineno) for node in imports}
    lines, chosen = text.splitlines(keepends=True), None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (line, column), free = token.start, not any(a <= token.start[0] <= b for a, b in skipped)
        is_name = token.type == tokenize.NAME and column > 0 and not keyword.iskeyword(token.string)
        if free and (is_name or token.type == tokenize.NUMBER):
            chosen = token
    if chosen is None:
        return None
    (line, column), end = chosen.start, chosen.end[1]
    changed = f"{chosen.string}_" if chosen.type == tokenize.NAME else f"1{chosen.string}"
    lines[line - 1] = lines[line - 1][:column] + changed + lines[line - 1][end:]
    return "".join(lines)


def modules():
    """Every module of the package, dotted, but for those that hold no code."""
    names = [".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in sorted(SOURCE.rglob("*.py"))]
    return [name for name in names if mutated(Code().folder.joinpath(*name.split(".")).with_suffix(".py").read_text())]


@pytest.fixture(scope="module")
def change(tmp_path_factory):
    """Function that gives the steps whose digests change with a token of a module."""
    folder = tmp_path_factory.mktemp("mutation") / "dhel_kcl"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before, known = every_step(Code(folder)), Code(folder)
    every_step(known)

    def change(name):
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        kept = path.read_text(encoding="utf-8")
        path.write_text(mutated(kept), encoding="utf-8")
        code = Code(folder)
        code._sources |= {other: source for other, source in known._sources.items() if source.path != path}
        after = every_step(code)
        path.write_text(kept, encoding="utf-8")
        return {step for step in before if before[step] != after[step]}

    return change
