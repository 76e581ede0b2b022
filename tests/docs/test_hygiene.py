"""Files for forges, containers and contributors: valid by their schemas, and their commands exist here."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.pipeline import ROOT

WORKFLOW = ROOT / ".github/workflows/tests.yml"
SCHEMAS = {
    WORKFLOW: "vendor.github-workflows",
    ROOT / ".github/ISSUE_TEMPLATE/problem.yml": "vendor.github-issue-forms",
    ROOT / "CITATION.cff": "vendor.citation-file-format",
}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def exists(command):
    """Whether the first words of a shell command name something of this repository or its environment."""
    first, *rest = command.split()
    if first == "make":
        return bool(rest) and rest[0] in TARGETS
    path = (
        Path(sys.executable).parent / first.removeprefix(".venv/bin/") if first.startswith(".venv/") else ROOT / first
    )
    return path.exists()


def test_the_package_has_the_author_and_the_paper_of_the_citation():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert [author["name"] for author in project["authors"]] == [author["name"] for author in citation["authors"]]
    (paper,) = citation["references"][0]["identifiers"]
    assert project["urls"] == {"Paper": paper["value"].replace("arXiv:", "https://arxiv.org/abs/")}


def validated(schema, path):
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, path]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_files_fit_their_schemas(path):
    result = validated(SCHEMAS[path], path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_workflow_that_does_not_fit_is_found(tmp_path):
    wrong = yaml.safe_load(WORKFLOW.read_text())
    del wrong["jobs"]["lint"]["runs-on"]
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(wrong))
    assert validated("vendor.github-workflows", tmp_path / "wrong.yml").returncode != 0


def test_the_workflows_commands_exist():
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert {"make lint", "make test-fast", ".ci/run"} <= set(commands)
    assert [command for command in commands if not exists(command)] == []
    assert not exists("make nothing")
    assert not exists(".venv/bin/nothing")


def test_the_workflow_tries_every_python_that_the_package_allows():
    versions = yaml.safe_load(WORKFLOW.read_text())["jobs"]["fast"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13"]


def test_a_contributors_commands_exist():
    block = re.search(r"```sh\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert len(commands) == 10
    assert [command for command in commands if not exists(command)] == []


def test_hooks_are_linters_of_the_environment():
    hooks = [
        hook
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repo["hooks"]
    ]
    assert [hook["entry"] for hook in hooks if not exists(hook["entry"])] == []
    linted = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert all(hook["entry"].removeprefix(".venv/bin/").split()[0] in linted for hook in hooks)


def test_the_image_is_built_by_commands_that_exist():
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    instructions = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert [name for name, _ in instructions] == ["FROM", "RUN", "WORKDIR", "ARG", "COPY", "RUN", "CMD"]
    made = re.findall(r"make[\", ]+([a-z-]+)", (ROOT / "Dockerfile").read_text())
    assert set(made) == {"install", "reproduce"} <= TARGETS
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".venv", "results/runs"} <= set(ignored)
    assert ".git" not in ignored  # DVC versions the results where there is a Git repository
