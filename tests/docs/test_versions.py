"""environment.yml, pyproject.toml, requirements.lock and this installation name the same versions."""

import re
import tomllib
from importlib.metadata import version

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.pipeline import ROOT


def locked():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pin for name, pin in pins}


def released(installed):
    """The version, whatever it was built for: "2.14.1+cpu" and "2.14.1+cu130" are 2.14.1."""
    return Version(installed).public


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [Requirement(text) for text in [*project["dependencies"], *extras["pipeline"], *extras["test"]]]


def test_the_lock_satisfies_every_declared_dependency():
    pins = locked()
    for requirement in declared():
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_torch_and_torchvision_are_the_pinned_pair():
    assert locked()["torch"] == "2.14.1"
    assert locked()["torchvision"] == "0.29.1"


def test_the_lock_has_no_wheels_that_only_exist_for_one_system():
    assert not [name for name in locked() if re.match("nvidia|cuda|triton", name)]


def test_the_environment_is_the_lock():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lines = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert "--constraint requirements.lock" in lines
    assert "--editable .[pipeline,test]" in lines
    for name, pin in (line.split("==") for line in lines if "==" in line):
        assert locked()[name] == pin
    python = next(entry for entry in dependencies if str(entry).startswith("python=")).removeprefix("python=")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert python in Requirement(f"python{project['requires-python']}").specifier


def test_this_installation_is_the_lock():
    for requirement in declared():
        assert released(version(requirement.name)) == locked()[canonicalize_name(requirement.name)], requirement.name


def test_a_build_for_cpus_alone_is_the_locked_version():
    """By pip's rules too, so that PyTorch's index of such builds can serve."""
    pin = locked()["torch"]
    assert released(f"{pin}+cpu") == pin
    assert f"{pin}+cpu" in Requirement(f"torch=={pin}").specifier
