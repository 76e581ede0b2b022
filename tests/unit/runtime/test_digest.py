"""Digests change with the science behind a result and with nothing else."""

import shutil

import pytest
import yaml

from dhel_kcl import registry
from dhel_kcl.runtime import origins, science
from dhel_kcl.runtime.digest import Code
from dhel_kcl.study import layout
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

SOURCE = '''"""Docstring."""

import math

LIMIT = 3
"""What it means."""


def area(radius):
    """Docstring."""
    # comment
    return f"{math.pi * radius**2:.{LIMIT}f}"


x = area(1)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('    """Docstring."""\n', '    """Another\n    docstring."""\n'),
        ('    """Docstring."""\n', ""),
        ('"""What it means."""\n', ""),
        ("    # comment\n", "\n\n    # another\n"),
        ("LIMIT = 3\n", "LIMIT   =   3  # three\n"),
        ("    ", "  "),
    ],
)
def test_comments_docstrings_and_layout_cost_nothing(package, old, new):
    assert old in SOURCE
    before = package("circle", {"circle": SOURCE})
    assert package("circle", {"circle": SOURCE.replace(old, new)}) == before


@pytest.mark.parametrize(("old", "new"), [("radius**2", "radius**3"), ("LIMIT = 3", "LIMIT = 4"), (":.{", ":8.{")])
def test_a_change_of_code_is_a_change(package, old, new):
    assert old in SOURCE
    before = package("circle", {"circle": SOURCE})
    assert package("circle", {"circle": SOURCE.replace(old, new)}) != before


@pytest.fixture
def package(tmp_path):
    """Function that writes modules and gives the digest of one: package(root, {"a.b": source, ...})."""

    def write(root, modules, selected=None):
        folder = tmp_path / "dhel_kcl"
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in modules.items():
            path = folder / (name if name.endswith(".yaml") else f"{name.replace('.', '/')}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Code(folder).of([f"{root}:x"], selected)

    return write


USER = "from dhel_kcl.science.core import area\n\nx = 2 * area(1)\n"


def test_a_module_covers_what_it_imports(package):
    before = package("user", {"user": USER, "science.core": SOURCE})
    assert package("user", {"user": USER, "science.core": SOURCE.replace("LIMIT = 3", "LIMIT = 4")}) != before
    within = "def x():\n    from dhel_kcl.science.core import area\n    return 2 * area(1)\n"
    before = package("user", {"user": within, "science.core": SOURCE})
    assert package("user", {"user": within, "science.core": SOURCE.replace("LIMIT = 3", "LIMIT = 4")}) != before


def test_where_a_module_lies_does_not_matter(package):
    before = package("user", {"user": USER, "science.core": SOURCE})
    moved = {"elsewhere.user": USER.replace("science.core", "geometry.circle"), "geometry.circle": SOURCE}
    assert package("elsewhere.user", moved) == before


def test_of_two_modules_that_define_a_name_the_one_imported_counts(package):
    both = "from dhel_kcl.first import area\nfrom dhel_kcl.second import volume\n\nx = area, volume\n"
    swapped = "from dhel_kcl.first import volume\nfrom dhel_kcl.second import area\n\nx = area, volume\n"
    first, second = "area = 1\nvolume = 1\n", "area = 2\nvolume = 2\n"
    modules = {"first": first, "second": second}
    assert package("user", {"user": both} | modules) != package("user", {"user": swapped} | modules)


def test_plumbing_counts_for_nothing(package):
    user = "from dhel_kcl.runtime.cli import parser\nfrom dhel_kcl.study.suite import Suite\n\nx = parser, Suite\n"
    modules = {"user": user, "runtime.cli": "parser = 1\n", "study.suite": "Suite = 1\n"}
    before = package("user", modules)
    assert package("user", modules | {"runtime.cli": "parser = 2\n", "study.suite": "Suite = 2\n"}) == before
    choice = {"user": "from dhel_kcl.study.selection import best\n\nx = best\n", "study.selection": "best = 1\n"}
    assert package("user", choice) != package("user", choice | {"study.selection": "best = 2\n"})


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (
            "from dhel_kcl.science import Area\n",
            "dhel_kcl.science does not define Area; import it from where it stands",
        ),
        ("from dhel_kcl.science.missing import area\n", "there is no module dhel_kcl.science.missing"),
        ("from dhel_kcl.science.core import *\n", "does not define"),
        ("from . import science\n", "which digests follow"),
        ("import dhel_kcl.science.core\n", "which digests follow"),
        ("from importlib import import_module\n\nx = import_module('dhel_kcl.science.core')\n", "hides an import"),
        ("import importlib\n\nx = importlib.import_module('dhel_kcl.science.core')\n", "hides an import"),
        (
            "from dhel_kcl.registry import resolve\n\n\ndef f(kind):\n    return resolve(kind, 'x')\n",
            "must be written out",
        ),
    ],
)
def test_an_import_that_cannot_be_followed_is_an_error(package, user, message):
    lazy = "def __getattr__(name):\n    return 1\n"
    modules = {
        "user": f"x = 1\n{user}",
        "science.__init__": lazy,
        "science.core": SOURCE,
        "registry": "def resolve(a, b): ...\n",
    }
    with pytest.raises(ValueError, match=message):
        package("user", modules)


def test_a_circle_is_an_error(package):
    modules = {"a": "from dhel_kcl.b import y\n\nx = 1\n", "b": "from dhel_kcl.a import x\n\ny = 1\n"}
    with pytest.raises(ValueError, match="circular import: a -> b -> a"):
        package("a", modules)


def test_what_only_a_type_checker_imports_counts_for_nothing(package):
    user = (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from dhel_kcl.science.core import area\n\nx = 1\n"
    )
    before = package("user", {"user": user, "science.core": SOURCE})
    assert package("user", {"user": user, "science.core": SOURCE.replace("LIMIT = 3", "LIMIT = 4")}) == before


def test_a_data_file_counts_by_its_values(package):
    user = "from pathlib import Path\n\nx = Path(__file__).with_name('claims.yaml')\n"
    before = package("user", {"user": user, "claims.yaml": "margin: 1.0\n"})
    assert package("user", {"user": user, "claims.yaml": "# point\nmargin:   1.0\n"}) == before
    assert package("user", {"user": user, "claims.yaml": "margin: 2.0\n"}) != before


LOSS = "from dhel_kcl.registry import resolve\n\n\ndef x(name):\n    return resolve('loss', name)\n"


def test_of_registry_entries_those_selected_count_or_all(package):
    """Those that exist: the package's own registry is asked."""
    modules = {"user": LOSS, "registry": "def resolve(kind, name): ...\n", "kernels.base": "", "geometry.sphere": ""}
    modules |= {target.split(":")[0].removeprefix("dhel_kcl."): "x = 1\n" for target in registry.LOSSES.values()}
    changed = modules | {"losses.dcl_loss": "x = 2\n"}
    assert package("user", modules, {"loss": ["dhel"]}) == package("user", changed, {"loss": ["dhel"]})
    assert package("user", modules, {"loss": ["dcl"]}) != package("user", changed, {"loss": ["dcl"]})
    assert package("user", modules) != package("user", changed)
    assert package("user", modules, {"loss": []}) == package("user", changed, {"loss": []})


def test_a_new_registry_entry_changes_no_digest(package):
    text = "LOSSES = {'a': 'x:A'}\n\n\ndef resolve(kind, name): ...\n"
    modules = {"user": LOSS, "registry": text}
    selected = {"loss": []}
    assert package("user", modules, selected) == package(
        "user", modules | {"registry": text.replace("{'a'", "{'b': 'y:B', 'a'")}, selected
    )


def test_the_locale_does_not_matter(package, monkeypatch):
    text = 'x = "härte"  # größe\n'
    before = package("user", {"user": text})
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "latin-1")
    monkeypatch.setattr("locale.getencoding", lambda: "latin-1")
    assert package("user", {"user": text}) == before


def test_differences_are_named():
    recorded = {"config": "a", "code": {"evaluate": "1", "select": "2"}}
    assert origins.differences(recorded, recorded) == []
    assert origins.differences(recorded, {"config": "b", "code": {"evaluate": "1", "select": "3", "new": "4"}}) == [
        "config", "new", "select",
    ]  # fmt: skip


def test_an_edit_of_the_plan_makes_the_evidence_of_a_suite_stale(monkeypatch):
    """The ledger compares the plan with that of the runs, so `make check` must see it, and `dvc repro` run."""
    suite = Suite.load(ROOT, "smoke")
    before = origins.of_suite(suite)
    monkeypatch.setattr(origins.provenance, "planned", lambda: {"plan": "0" * 64, "claims": None})
    changed = origins.changed(before, origins.of_suite(suite))
    assert changed == {"runs": [], "tidy": [], "evidence": ["plan"]}
    (stage,) = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    assert layout.ANALYSIS_PLAN in stage["deps"]


def test_the_code_of_a_suites_transfers_is_among_that_of_its_runs():
    suite = Suite.load(ROOT, "rehearsal")
    asked = {f"transfer {run.dataset} {target}" for run in suite.runs for target in suite.transfers(run)}
    assert asked
    assert {step for step in origins.of_runs(suite) if step.startswith("transfer ")} == asked


def test_a_new_loss_or_kernel_measures_no_speed_anew(monkeypatch):
    before = science.of_step("plan", Code())
    monkeypatch.setitem(registry.LOSSES, "mine", registry.LOSSES["dcl"])
    monkeypatch.setitem(registry.KERNELS, "mine", registry.KERNELS["log"])
    assert science.of_step("plan", Code()) == before
    monkeypatch.setitem(registry.LOSSES, "simclr", registry.LOSSES["dcl"])
    assert science.of_step("plan", Code()) != before


def test_every_registry_entry_can_be_imported():
    for kind, entries in registry.REGISTRIES.items():
        for name in entries:
            assert callable(registry.resolve(kind, name))


def test_a_function_that_is_not_there_is_an_error(package):
    with pytest.raises(ValueError, match="does not define 'x'"):
        package("user", {"user": "y = 1\n"})


def test_functions_of_one_module_have_digests_of_their_own(package, tmp_path):
    package("user", {"user": "x = 1\ny = 2\n"})
    code = Code(tmp_path / "dhel_kcl")
    assert code.of(["user:x"]) != code.of(["user:y"])
