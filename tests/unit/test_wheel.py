"""The package installed alone: a wheel, in an interpreter that sees torch, NumPy, SciPy and what these need."""

import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from tests.alone import environ, link, python
from tests.pipeline import ROOT

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
NEEDS_MORE = {"with_lightly": "lightly"}
ALONE = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
"""What torchrun tells a process that has no others."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Built from a copy: building writes into the folder."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    built = subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = (folder / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="session")
def alone(wheel, tmp_path_factory):
    """Function that runs Python in an empty folder, with the installed wheel and what it declares that it needs."""
    installed, allowed, here = (tmp_path_factory.mktemp(name) for name in ("installed", "allowed", "here"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", installed, wheel]
    subprocess.run(pip, check=True)
    requirements = [Requirement(text) for text in metadata(installed)]
    declared = [requirement.name for requirement in requirements if requirement.marker is None]
    assert sorted(declared) == ["numpy", "scipy", "torch"]
    link(declared, allowed)
    kept = environ(installed, allowed) | ALONE

    def alone(*arguments):
        return subprocess.run(python(*arguments), cwd=here, env=kept, capture_output=True, text=True, timeout=300)

    return alone


def metadata(folder):
    """What the distribution in a folder requires."""
    from importlib.metadata import distributions

    (one,) = distributions(path=[str(folder)])
    assert one.name == "dhel-kcl"
    return one.requires


def test_it_sees_nothing_else(alone):
    ran = alone("-c", "import torch, numpy, scipy, dhel_kcl.losses, sys; print(dhel_kcl.__file__); import pandas")
    assert "installed" in ran.stdout
    assert "No module named 'pandas'" in ran.stderr


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in NEEDS_MORE])
def test_an_example_runs(alone, name):
    ran = alone(ROOT / "examples" / f"{name}.py")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(("name", "package"), NEEDS_MORE.items())
def test_an_example_that_needs_more_says_what(alone, name, package):
    assert f"No module named '{package}'" in alone(ROOT / "examples" / f"{name}.py").stderr


def test_importing_the_losses_imports_nothing_beside_torch(alone):
    """Nor NumPy's or SciPy's subpackages; how long it takes is in benchmarks/absolute.py."""
    code = (
        "import sys, torch, numpy.typing; before = set(sys.modules); import dhel_kcl.losses; first = set(sys.modules)\n"
        "from dhel_kcl.losses import *; DHELLoss(), KCLLoss()\n"
        "print(*(first - before)); print(*(set(sys.modules) - before))"
    )
    ran = alone("-c", code)
    assert ran.returncode == 0, ran.stderr
    package, every_loss = (set(line.split()) for line in ran.stdout.splitlines())
    assert package == {"dhel_kcl", "dhel_kcl.losses", "dhel_kcl.registry"}
    parts = ("dhel_kcl.losses", "dhel_kcl.kernels", "dhel_kcl.geometry")
    assert {name for name in every_loss if not name.startswith(parts)} == {"dhel_kcl", "dhel_kcl.registry"}


def test_the_command_line_works_and_says_which_extra_a_step_needs(alone):
    listed = alone("-m", "dhel_kcl")
    assert "identify" in listed.stdout
    told = alone("-m", "dhel_kcl", "identify", "dhel_kcl.losses:SimCLRLoss")
    assert told.stdout.startswith("SimCLR, τ = 0.5, times 1.00"), told.stderr
    for step in ("pretrain", "plan", "collect"):
        ran = alone("-m", "dhel_kcl", step, "--help")
        assert ran.returncode == 1
        assert "is not installed; pip install 'dhel-kcl[pipeline]' has all that this package needs" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1


def test_the_report_prints_and_its_figure_names_the_extra(alone):
    code = "from dhel_kcl.geometry import report; import torch; r = report(*torch.randn(2, 9, 4)); print(r); r.plot()"
    ran = alone("-c", code)
    assert "9 embeddings, d = 4" in ran.stdout
    assert "plot() needs matplotlib: pip install 'dhel-kcl[pipeline]'" in ran.stderr
