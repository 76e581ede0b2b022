"""The programs take the shell commands on the pages, by their own parsers, and files and suites named there exist."""

import ast
import re
import runpy
import shlex
import subprocess
import tomllib
from argparse import ArgumentParser
from fnmatch import fnmatch
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import pytest
import yaml
from _pytest.config import get_config
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from pip._internal.commands import create_command
from snakemake.cli import get_argument_parser
from tensorboard.default import get_static_plugins
from tensorboard.plugins.base_plugin import FlagsError
from tensorboard.program import TensorBoard
from torch.distributed.run import get_args_parser

from dhel_kcl.__main__ import STEPS, module
from dhel_kcl.data.catalogue import CATALOGUE
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from tests.docs.pages import EXAMPLES, PAGES, commands, name_of, read
from tests.docs.test_hygiene import TARGETS
from tests.pipeline import ROOT

SUITES = suite_names(ROOT)
MAKEFILE = read("Makefile")
VARIABLES = dict(re.findall(r"^([A-Z_]+) \?= *(.*)$", MAKEFILE, re.MULTILINE))
WORKFLOW = "".join(map(read, ["Snakefile", *map(name_of, sorted(ROOT.glob("workflow/rules/*.smk")))]))
RULES = set(re.findall(r"^ *(?:use )?rule (?:\w+ as )?(\w+)", WORKFLOW, re.MULTILINE))
PROJECT = tomllib.loads(read("pyproject.toml"))
IGNORED = read(".gitignore").splitlines()
PLACEHOLDERS = {
    "suite": "digits",
    "planned suite": "digits",
    "name": "digits",
    "data set": "digits",
    "loss": "dhel",
    "M": "64",
    "pilot": "digits",
    "test": "tests/docs/test_commands.py",
    "folder": "/path/to/a/folder",
    "address of this repository": "https://example.org/dhel-kcl",
}
"""What may stand in angle brackets, and a value that it may have."""
ASSIGNMENT = re.compile(r"(\w+)=.*")


class Parsed(Exception):
    """Ends a program that has read its arguments."""


def parsed(main, arguments, elided=False):
    """What the parser of a program that begins with `main` makes of the arguments, or None if it refuses them. Nothing
    more of the program runs. Where some are elided none is required."""
    parse = ArgumentParser.parse_args

    def stop(parser):
        for part in [*parser._actions, *parser._mutually_exclusive_groups]:
            part.required &= not elided
        raise Parsed(parse(parser, arguments))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArgumentParser, "parse_args", stop)
        try:
            main()
        except Parsed as done:
            return done.args[0]
        except SystemExit:
            return None


def make(arguments, suites):
    """Its target is one, its variables are the Makefile's, and what the target runs takes what they give it."""
    given = dict(word.split("=", 1) for word in arguments if ASSIGNMENT.fullmatch(word))
    targets = [word for word in arguments if not ASSIGNMENT.fullmatch(word)]
    if not given.keys() <= VARIABLES.keys() or not targets or not TARGETS.issuperset(targets):
        return False
    recipes = [re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)[1] for target in targets]
    expanded = re.sub(r"\$\((\w+)\)", lambda name: (VARIABLES | given).get(name[1], ""), "".join(recipes))
    return all(is_known(line, suites) for line in re.findall(r"^\t((?:dhel-kcl|python) .*)$", expanded, re.MULTILINE))


def snakemake(arguments, suites):
    """Its targets are suites, rules, or files of a run or a data set; of options that take several values none comes
    before a suite, which it would take for one more."""
    found = snakemakes(arguments)
    if found is None or not set(suites) & set(arguments) <= set(found.targets):
        return False
    configured = {word.split("=")[0] for word in found.config or []}
    rules = {*found.set_threads, *found.set_resources, *found.forcerun}
    return (
        all(target in suites or target in RULES or is_made(target) for target in found.targets)
        and rules <= RULES
        and all(f'"{key}"' in WORKFLOW for key in configured)
    )


def snakemakes(arguments):
    """What Snakemake's own parser makes of its arguments, or None."""
    try:
        return get_argument_parser().parse_args(arguments)
    except (SystemExit, ValueError):
        return None


def snakemake_targets(arguments):
    """What Snakemake takes for targets."""
    found = snakemakes(arguments)
    return found.targets if found else []


def is_made(path):
    """Whether a file is one of a run or of a data set."""
    if run := re.match(r"results/runs/(\w+)/.+(?=/)", path):
        folders = Suite.load(ROOT, run[1]).by_folder if run[1] in SUITES else []
        return any(f"{folder}/".startswith(f"{run[0]}/") for folder in folders)
    data = re.match(r"data/(\w+)/", path)
    return bool(data) and data[1] in CATALOGUE


def dhel_kcl(arguments, suites):
    """The step's own parser takes the arguments, and the suite that they name is one."""
    step, *rest = arguments
    if step not in {name for names in STEPS.values() for name in names}:
        return False
    given = [word for word in rest if word != "…"]
    found = parsed(import_module(f"dhel_kcl.steps.{module(step)}").main, given, elided=given != rest)
    return found is not None and (getattr(found, "suite", None) or "digits") in suites


def dvc(arguments, suites):
    try:
        return bool(get_main_parser().parse_args(arguments))
    except DvcParserError:
        return False


def pip(arguments, suites):
    """And the extras of this project that it is to install are extras."""
    name, *rest = arguments
    try:
        options, packages = create_command(name).parse_args(rest)
    except (KeyError, SystemExit):
        return False
    asked = [re.match(r"(?:\.|dhel-kcl)\[([\w,]+)\]", package) for package in [*packages, *options.editables]]
    extras = {extra for found in asked if found for extra in found[1].split(",")}
    return extras <= PROJECT["project"]["optional-dependencies"].keys()


def python(arguments, suites):
    """A step of the package, a script, or a line of code whose imports are there."""
    first, *rest = arguments
    if first == "-m":
        return rest[0] == "dhel_kcl" and dhel_kcl(rest[1:], suites)
    if first == "-c":
        imports = [node for node in ast.parse(rest[0]).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "a page", "exec"), {})
        return len(rest) == 1
    if not (ROOT / first).is_file():
        return False
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend((ROOT / first).parent)
        return parsed(lambda: runpy.run_path(str(ROOT / first), run_name="__main__"), rest) is not None


def pytests(arguments, suites):
    """And the marker that it names is one."""
    try:
        found = get_config()._parser.parse(arguments)
    except pytest.UsageError:
        return False
    markers = {marker.split(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    return not found.markexpr or found.markexpr in markers


def torchrun(arguments, suites):
    try:
        script = get_args_parser().parse_args(arguments).training_script
    except SystemExit:
        return False
    return script in {path.name for path in EXAMPLES}


def tensorboard(arguments, suites):
    try:
        TensorBoard(get_static_plugins()).configure(["tensorboard", *arguments])
    except (SystemExit, FlagsError):
        return False
    return True


def git(arguments, suites):
    listed = subprocess.run(["git", "--list-cmds=main"], capture_output=True, text=True, check=True)
    return arguments[0] in listed.stdout.split()


def conda(arguments, suites):
    return arguments[:2] in (["env", "create"], ["activate", yaml.safe_load(read("environment.yml"))["name"]])


def srun(arguments, suites):
    """It runs what follows its options."""
    options = list(takewhile(lambda word: Path(word).name not in PROGRAMS, arguments))
    return accepted(arguments[len(options) :], suites)


PROGRAMS = {
    "make": make,
    "snakemake": snakemake,
    "dhel-kcl": dhel_kcl,
    "dvc": dvc,
    "pip": pip,
    "python": python,
    "pytest": pytests,
    "torchrun": torchrun,
    "tensorboard": tensorboard,
    "git": git,
    "conda": conda,
    "srun": srun,
    "pre-commit": lambda arguments, suites: arguments == ["install"],
    "export": lambda arguments, suites: all(map(is_assignment, arguments)),
    ".": lambda arguments, suites: arguments == [".venv/bin/activate"],
    "sed": lambda arguments, suites: bool(arguments),
    "tail": lambda arguments, suites: bool(arguments),
}
"""By name: whether it takes such arguments where the page's suites are these."""


def parts(command):
    """Words of each of the programs that a command line calls, without where output goes."""
    filled = re.sub(r"<([a-zA-Z ]+)>", lambda name: PLACEHOLDERS[name[1]], command)
    lexer = shlex.shlex(filled, posix=True, punctuation_chars=";&|>")
    lexer.whitespace_split = True
    called = [[]]
    for word in lexer:
        if word in ("&&", ";", "|"):
            called.append([])
        elif word == ">":
            next(lexer)
        else:
            called[-1].append(word)
    return called


def is_assignment(word):
    """Whether it gives a variable a value, and where the variable is ours, one that the code reads."""
    assigned = ASSIGNMENT.fullmatch(word)
    if not assigned or not assigned[1].startswith("DHEL_KCL"):
        return bool(assigned)
    return any(assigned[1] in path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))


def is_there(word):
    """Whether a file is there, if the word names one that Git has: no result, and nothing that Git ignores."""
    path = word.split("::")[0]
    folder, _, rest = path.partition("/")
    made = any(fnmatch(f"/{each}", pattern) for each in (folder, path) for pattern in IGNORED)
    if made or folder in ("results", "paper_figures"):
        return True
    named = bool(folder) and (ROOT / folder).exists() if rest else path.endswith((".yml", ".yaml", ".toml", ".lock"))
    return not named or (ROOT / path).exists()


def accepted(words, suites):
    """Whether a program takes the arguments. Options alone are Snakemake's."""
    assigned = list(takewhile(ASSIGNMENT.fullmatch, words))
    first, *arguments = words[len(assigned) :]
    if first.startswith("--"):
        first, arguments = "snakemake", [first, *arguments]
    name = first.removeprefix(".venv/bin/")
    arguments = arguments if name == "dhel-kcl" else [word for word in arguments if word != "…"]
    return (
        all(map(is_assignment, assigned))
        and name in PROGRAMS
        and all(map(is_there, arguments))
        and PROGRAMS[name](arguments, suites)
    )


def is_known(command, suites=SUITES):
    """Whether every program that a command line calls is known and takes what it is given."""
    return all(accepted(words, suites) for words in parts(command))


ALL = {name_of(page): commands(page.read_text(encoding="utf-8"), PROGRAMS) for page in [*PAGES, *EXAMPLES]}


@pytest.mark.parametrize("page", [name for name, found in ALL.items() if found])
def test_commands_on_a_page_exist(page):
    made = re.findall(r"dhel-kcl new-suite (\w+)", read(page))
    assert [command for command in ALL[page] if not is_known(command, [*SUITES, *made])] == []


def test_commands_are_found():
    assert len(ALL["README.md"]) > 10
    assert sum(map(len, ALL.values())) > 120
    assert "torchrun --nproc-per-node 2 several_processes.py" in ALL["examples/several_processes.py"]
    page = "`dhel-kcl judge` says, and `snakemake\n-n`\n```sh\nmake docs  # so\n```\n```console\n$ dvc push\n```\n"
    assert commands(page, PROGRAMS) == ["make docs", "dvc push", "dhel-kcl judge …", "snakemake -n"]


ACTIVE = "Commands are meant with the environment active: `. .venv/bin/activate`."
ELSEWHERE = {
    "docs/configuration.md": "the reference, which tells nobody to run anything",
    "docs/losses.md": "the package is in the reader's own environment",
}
"""Pages whose bare commands need no environment of this project, and why."""


def is_bare(command):
    """Whether a command is found only where the environment is active; a step that is only named is none."""
    called = [[word for word in words if not ASSIGNMENT.fullmatch(word)] for words in parts(command)]
    inside = {"snakemake", "dvc", "dhel-kcl", "python", "pytest"}
    return "…" not in command and any(words[:1] and words[0] in inside for words in called)


@pytest.mark.parametrize("page", [name_of(page) for page in PAGES if name_of(page) not in ELSEWHERE])
def test_a_page_with_bare_commands_says_how_they_are_found(page):
    assert any(map(is_bare, ALL[page])) == (ACTIVE in " ".join(read(page).split()))


def test_a_bare_command_is_found():
    for command in ("snakemake -n", "PYTHONPATH=src python a.py", "dvc pull && git push", "git pull && dvc pull"):
        assert is_bare(command)
    for command in (".venv/bin/snakemake -n", "make figures", "dhel-kcl judge …", "export A=b", "srun make plan"):
        assert not is_bare(command)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is_in(page):
    """Without a language its commands would be looked at by nobody."""
    fences = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert "" not in fences[::2]
    assert not any(fences[1::2])


@pytest.mark.parametrize("program", ["make", "snakemake", "dhel-kcl", "dvc", "pip", "pytest"])
def test_a_made_up_option_is_refused_behind_every_command(program):
    found = {command for page in ALL.values() for command in page if "&&" not in command}
    asked = [command for command in found if re.match(rf"(\.venv/bin/)?{program} ", command)]
    assert asked
    assert [command for command in asked if is_known(f"{command} --made-up=1", [*SUITES, "photos"])] == []


@pytest.mark.parametrize(
    "command",
    [
        "nothing",
        "nothing --at-all",
        ". .venv/bin/nothing",
        "DHEL_KCL_NOTHING=1 snakemake --cores all",
        "export DHEL_KCL_NOTHING=1",
        "make nothing",
        "make plan NOTHING=digits",
        "make plan SUITE=nothing",
        "make plan PLAN=--nothing",
        ".venv/bin/snakemake --cores all nothing",
        "snakemake --cores all --resources gpu=1 cifar10",
        "snakemake --cores all --config nothing=1",
        "snakemake --set-threads nothing=4",
        "snakemake --cores all results/runs/digits/digits/nothing/seed0/probe.json",
        "snakemake --cores all data/nothing/manifest.json",
        "--nothing",
        "dhel-kcl nothing",
        "dhel-kcl nothing …",
        "dhel-kcl plan",
        "dhel-kcl plan --suite nothing",
        "dhel-kcl pretrain … --nothing",
        "dvc nothing",
        "dvc pull && snakemake --nothing",
        "pip nothing",
        "pip install --constraint nothing.lock torch",
        "pip install '.[nothing]'",
        "python nothing.py",
        "python -m nothing",
        "python benchmarks/step.py --nothing",
        "python benchmarks/nothing.py",
        "python -m dhel_kcl evaluate --spec benchmarks/specs/nothing.json --run a --data b --split c --out d",
        "pytest -m nothing",
        "pytest tests/nothing.py",
        "torchrun --nothing 2 several_processes.py",
        "tensorboard --nothing scratch",
        "tensorboard",
        "torchrun --nproc-per-node 2 nothing.py",
        "git nothing",
        "git add docs/nothing",
        "conda nothing",
        "conda env create -f nothing.yml",
        "srun --gpus=1 make nothing",
        "sed s/a/b/ benchmarks/specs/nothing.json",
    ],
)
def test_a_command_that_is_none_is_refused(command):
    assert not is_known(command)


SNAKEMAKE = [
    (path, line)
    for path in [*PAGES, *sorted((ROOT / "config/suites").glob("*.yaml"))]
    for line in re.findall(r"snakemake (--?\w[^`#\n(,;]*)", path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("path", "arguments"), SNAKEMAKE)
def test_suites_in_snakemakes_commands_are_its_targets(path, arguments):
    """`--resources gpu=1 cifar10` would be one option with two values."""
    words = shlex.split(arguments.replace("\\|", "|"))
    assert set(words) & set(SUITES) <= set(snakemake_targets(words))
