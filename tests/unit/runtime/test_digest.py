import pytest

from dhel_kcl import registry
from dhel_kcl.runtime import digest
from dhel_kcl.steps import record as stamp

SOURCE = '''"""Docstring."""

import math

LIMIT = 3
"""What it means."""


def area(radius):
    """Docstring."""
    # comment
    return f"{math.pi * radius**2:.{LIMIT}f}"
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
def test_comments_docstrings_and_layout_cost_nothing(old, new):
    assert old in SOURCE
    assert digest.of_source(SOURCE.replace(old, new)) == digest.of_source(SOURCE)


@pytest.mark.parametrize(("old", "new"), [("radius**2", "radius**3"), ("LIMIT = 3", "LIMIT = 4"), (":.{", ":8.{")])
def test_a_change_of_code_is_a_change(old, new):
    assert old in SOURCE
    assert digest.of_source(SOURCE.replace(old, new)) != digest.of_source(SOURCE)


def test_a_step_covers_what_it_imports_and_what_its_spec_selects():
    assert digest._closure("dhel_kcl.training.trainer") >= {
        "dhel_kcl.views.augment", "dhel_kcl.training.networks", "dhel_kcl.losses.base", "dhel_kcl.training.optimiser", "dhel_kcl.data.prepared",
    }  # fmt: skip
    assert not any(name.split(".")[-1] == "dhel" for name in digest._closure("dhel_kcl.training.trainer"))
    assert "dhel_kcl.geometry.metrics" not in digest._closure("dhel_kcl.training.trainer")
    assert "dhel_kcl.geometry.sphere" in digest._closure("dhel_kcl.losses.dhel")
    step = digest.of_step("pretrain", (("loss", "dhel"),))
    assert step != digest.of_step("pretrain", (("loss", "simclr"),))
    assert step != digest.of_step("probe", (("loss", "dhel"),))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's source that the digests are taken of."""
    import shutil

    shutil.copytree(digest.SOURCE, tmp_path / "dhel_kcl")
    monkeypatch.setattr(digest, "SOURCE", tmp_path / "dhel_kcl")

    def edit(file, old, new):
        path = tmp_path / "dhel_kcl" / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        for cached in (digest.of_step, digest._closure, digest._imports, digest._of_module):
            cached.cache_clear()

    yield edit
    for cached in (digest.of_step, digest._closure, digest._imports, digest._of_module):
        cached.cache_clear()


def test_a_new_registry_entry_changes_no_digest(package):
    before = digest.of_step("pretrain", (("loss", "dhel"),))
    package("registry.py", "LOSSES = {", 'LOSSES = {\n    "new": "dhel_kcl.losses.new:NewLoss",')
    assert digest.of_step("pretrain", (("loss", "dhel"),)) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("losses/dhel.py", "/ temperature", "/ (2 * temperature)", {"pretrain dhel"}),
        ("losses/dcl.py", "/ temperature", "/ (2 * temperature)", {"pretrain dcl", "pretrain simclr"}),
        ("metrics.py", "np.log(", "np.log1p(", {"probe"}),
        ("figures/spectra.py", "log", "linear", {"figure spectra"}),
        ("models.py", "nn.ReLU()", "nn.GELU()", {"pretrain dcl", "pretrain dhel", "pretrain simclr", "probe"}),
    ],
)
def test_an_edit_reaches_the_steps_that_use_it_and_no_others(package, file, old, new, changed):
    def digests():
        losses = {
            f"pretrain {name}": digest.of_step("pretrain", (("loss", name),)) for name in ("simclr", "dcl", "dhel")
        }
        return losses | {"probe": digest.of_step("probe"), "figure spectra": digest.of_step("figures.spectra")}

    before = digests()
    package(file, old, new)
    after = digests()
    assert {name for name in before if before[name] != after[name]} == changed


def test_an_edit_of_streaming_reaches_the_data_sets_that_are_streamed(package):
    def digests():
        datasets = ("digits", "cifar10", "imagenet100")
        pretraining = {name: digest.of_pretraining({"name": "dhel"}, "resnet18", name) for name in datasets}
        return pretraining | {f"probe {name}": digest.of_probing("resnet18", name) for name in datasets}

    before = digests()
    package("streaming.py", "CENTRE = 0.875", "CENTRE = 1")
    after = digests()
    assert {name for name in before if before[name] != after[name]} == {"imagenet100", "probe imagenet100"}


def test_differences_are_named():
    recorded = {"config": "a", "code": {"probe": "1", "select": "2"}}
    assert stamp.differences(recorded, recorded) == []
    assert stamp.differences(recorded, {"config": "b", "code": {"probe": "1", "select": "3", "new": "4"}}) == [
        "config", "new", "select",
    ]  # fmt: skip


def test_every_registry_entry_can_be_imported():
    for kind, entries in registry.REGISTRIES.items():
        for name in entries:
            assert callable(registry.resolve(kind, name))
