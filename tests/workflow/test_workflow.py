"""The real workflow, run with the smoke suite as a user would run it: what it makes, and what it says of mistakes."""

import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.tables import tables_of
from dhel_kcl.files import read_json
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory import EXPERIMENTS
from tests import pipeline
from tests.pipeline import ROOT, checkout, edit, jobs, planned, run, snakemake


@pytest.fixture(scope="session")
def smoke(project):
    return project


@pytest.fixture
def copy(smoke, tmp_path):
    """A finished smoke run to do harm to."""
    return shutil.copytree(smoke, tmp_path / "copy", symlinks=True)


@pytest.fixture
def source(tmp_path):
    """The workflow's own files, to be edited."""
    folder = tmp_path / "source"
    for name in ("config", "profiles", "src", "workflow"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy2(ROOT / "Snakefile", folder)
    return folder


def test_every_artefact_is_there(smoke):
    suite = Suite.load(ROOT, "smoke")
    for figure in figures_of(suite):
        assert (smoke / f"paper_figures/smoke/{figure}.pdf").read_bytes().startswith(b"%PDF")
        assert (smoke / f"paper_figures/smoke/{figure}.png").read_bytes().startswith(b"\x89PNG")
    for table in tables_of(suite):
        rows = pd.read_csv(smoke / f"paper_figures/smoke/{table}.csv")
        assert len(rows)
        assert (smoke / f"paper_figures/smoke/{table}.md").read_text().count("\n") == len(rows) + 2
        assert r"\bottomrule" in (smoke / f"paper_figures/smoke/{table}.tex").read_text()
        assert (smoke / f"paper_figures/smoke/{table}.html").read_text().count("<tr") == len(rows) + 1


def test_tables_are_what_the_runs_recorded(smoke):
    suite, runs = Suite.load(ROOT, "smoke"), pd.read_csv(smoke / "results/smoke/runs.csv")
    assert len(runs) == len(suite.runs)
    for expected, row in zip(suite.runs, runs.itertuples(), strict=True):
        probe = read_json(smoke / expected.folder / "probe.json")
        assert row.test_accuracy == pytest.approx(probe["test"]["accuracy"], abs=1e-12)
        assert row.method == expected.method
    grid = runs[(runs.method == "simclr") & (runs.role == "grid")]
    chosen = read_json(smoke / "results/runs/smoke/digits/simclr_m16_selected/selected.json")
    best = grid.sort_values(["validation_accuracy", "validation_cross_entropy"], ascending=[False, True]).iloc[0]
    assert chosen["validation_accuracy"] == pytest.approx(best.validation_accuracy)
    assert grid[grid.selected].parameters.tolist() == [best.parameters]
    selected = runs[(runs.method == "simclr") & (runs.role == "selected")]
    assert selected.parameters.tolist() == [best.parameters]
    final = runs[(runs.method == "simclr") & (runs.section == "final")]
    assert final.parameters.tolist() == [best.parameters]
    assert final.epochs.tolist() == [9 * 16 / 100]
    table = pd.read_csv(smoke / "paper_figures/smoke/linear_evaluation.csv").set_index("loss")
    assert table.loc["SimCLR", "M = 16"] == f"{final.test_accuracy.item():.2f} (n=1)"
    metrics = read_json(smoke / "results/smoke/metrics.json")
    assert metrics["accuracy"]["SimCLR"] == pytest.approx(final.test_accuracy.item(), abs=0.005)


def test_provenance_names_code_config_and_machine(smoke):
    record = read_json(smoke / "results/smoke/provenance.json")
    suite = Suite.load(ROOT, "smoke")
    assert record["runs"]["config"] == suite.runs_digest()
    assert record["tidy"]["config"] == record["evidence"]["config"] == suite.digest()
    assert {"fetch digits", "split", "pretrain digits dhel", "evaluate digits", "select"} <= record["runs"][
        "code"
    ].keys()
    assert record["tidy"]["code"].keys() == {"collect"}
    assert {"judge", "figure spectra", "table geometry"} <= record["evidence"]["code"].keys()
    assert record["runs"]["made"]["threads"] == {"1": 15}
    command = [sys.executable, "-m", "dhel_kcl", "record", "--root", str(ROOT), "--suite", "smoke", "--check"]
    same = subprocess.run([*command, str(smoke / "results/smoke/provenance.json")], capture_output=True, text=True)
    assert same.returncode == 0, same.stderr
    other = smoke.parent / "other.json"
    for origin, step, message in (
        ("runs", "evaluate digits", "the runs (evaluate digits). Run `snakemake --cores all smoke`"),
        ("evidence", "figure spectra", "ledger, tables and figures (figure spectra). Run `make figures`"),
    ):
        text = (smoke / "results/smoke/provenance.json").read_text()
        other.write_text(text.replace(record[origin]["code"][step], "0"))
        different = subprocess.run([*command, str(other)], capture_output=True, text=True)
        assert different.returncode == 1
        assert f"computed with an earlier version of: {message}" in different.stderr


def test_a_second_run_has_nothing_to_do_from_another_folder_either(smoke):
    code, output = snakemake(smoke, "-n", "smoke", root=ROOT)
    assert code == 0
    assert "Nothing to be done" in output


def test_a_folder_with_what_git_holds_plans_the_whole_default_suite_and_the_theory(tmp_path):
    for name in ("results/digits", "results/theory", "paper_figures"):
        shutil.copytree(ROOT / name, tmp_path / name)
    code, output = snakemake(tmp_path, "-n", root=ROOT)
    suite, plan = Suite.load(ROOT, "digits"), planned(output)
    assert code == 0, output
    assert plan["pretrain_encoder"] + plan["pretrain_later"] == len([run for run in suite.runs if run.trained])
    assert plan["pretrain_later"] == len([run for run in suite.runs if run.section == "ablations"])
    assert plan["evaluate_encoder"] == len(suite.runs)
    assert plan["draw_figure"] == len(figures_of(suite))
    assert plan["tabulate_results"] == len(tables_of(suite))
    assert plan["compute_theory"] == plan["draw_theory"] == len(EXPERIMENTS)


def test_a_config_mistake_stops_at_parse_time(tmp_path, source):
    path = source / "config/suites/smoke.yaml"
    path.write_text(path.read_text().replace("temperature: 0.3", "temprature: 0.3"))
    code, output = snakemake(tmp_path / "out", "-n", "smoke", root=source)
    assert code != 0
    assert re.search(r"smoke\.yaml: losses\.dhel: unknown key 'temprature' \(did you mean 'temperature'\?\)", output)
    assert "Traceback" not in output


def test_the_package_of_another_clone_is_refused(source):
    """Whose code would run this clone's config, and be recorded."""
    code, output = run(source, sys.executable, "-m", "snakemake", "--cores", "1", "-n", root=ROOT)
    assert code == 1
    assert f"this is the workflow of {source}, and Python's package dhel_kcl is that of {ROOT}" in output


def test_an_unknown_default_suite_is_named(tmp_path):
    code, output = snakemake(tmp_path, "-n", "--config", "default_suite=nope", root=ROOT)
    assert code != 0
    assert re.search(r"default_suite: unknown suite 'nope'; allowed: .*digits, .*smoke", output)


def test_curves_that_could_not_be_written_are_refused_before_anything_runs(tmp_path, source):
    code, output = snakemake(tmp_path, "-n", "--config", "log=wandb", root=source)
    assert code != 0
    assert "--config: log: unknown program 'wandb'; allowed: tensorboard" in output
    (source / "src/sitecustomize.py").write_text("import sys\nsys.modules['tensorboard'] = None  # as if not there\n")
    code, output = snakemake(tmp_path, "-n", "--config", "log=tensorboard", root=source)
    assert code != 0
    assert "log: the package tensorboard is not installed; pip install 'dhel-kcl[live]' brings it" in output


def test_snakemake_looks_for_jobs_when_one_ends_and_not_all_the_time(copy):
    code, output = snakemake(copy, "--verbose", "--forcerun", "tabulate_results", "draw_figure", "--", "smoke")
    assert code == 0, output
    jobs = planned(output)["total"]
    assert jobs > 15
    assert jobs / 2 <= output.count("Ready jobs: ") <= jobs + 1


def test_damaged_data_stop_the_job_and_lose_nothing(copy):
    images = copy / "data/digits/images.npy"
    images.write_bytes(images.read_bytes()[:-1] + b"\x07")
    records = {path: path.read_bytes() for path in (copy / "results/runs").rglob("*.*") if path.is_file()}
    code, output = snakemake(copy, "--forcerun", "split_data", "--", "smoke")
    assert code != 0
    assert "images.npy does not have the content its manifest states; delete" in output, "the failed job's log"
    assert re.search(r"\d+ of \d+ jobs in .*The same command again computes only what is missing", output)
    assert "rule split_data:" not in output.replace("Error in rule split_data:", ""), "one line for all jobs"
    assert {path for path in records if not path.is_file() or path.read_bytes() != records[path]} == set()


def test_snakemake_lint_finds_only_what_is_meant():
    """No conda or container per rule: one locked Python environment serves all."""
    result = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True)
    lints = set(re.findall(r"^    \* (.*)", result.stdout + result.stderr, re.MULTILINE))
    assert lints == {"Specify a conda environment or container for each rule.:"}


def test_the_theory_is_computed_tabulated_recorded_and_reported(tmp_path):
    """With the cheapest of the experiments; the others differ in their module alone."""
    folder = checkout(tmp_path / "project")
    names = ", ".join(f'"{name}"' for name in EXPERIMENTS)
    edit(folder, "src/dhel_kcl/theory/__init__.py", f"({names})", '("minibatches",)')
    edit(
        folder,
        "src/dhel_kcl/theory/__init__.py",
        '("claims_summary", "verdicts", "gaps", "local_minima")',
        '("claims_summary", "verdicts")',
    )
    code, output = snakemake(folder, "theory")
    assert code == 0, output
    verdicts = pd.read_csv(folder / "paper_figures/theory/verdicts.csv")
    computed, committed = (read_json(root / "results/theory/minibatches.json") for root in (folder, ROOT))
    assert list(verdicts["statement"]) == [each["statement"] for each in computed] != []
    assert [each["statement"] for each in computed] == [each["statement"] for each in committed]
    assert list(verdicts["verdict"]) == [each["verdict"] for each in computed]
    record = read_json(folder / "results/theory/provenance.json")
    assert record["runs"]["code"].keys() == {"theory minibatches"}
    assert record["evidence"]["code"].keys() == {"tables", "figure minibatches"}
    assert record["runs"]["made"]["precision"] == {"fp64": 1}
    assert jobs(folder, "--", "theory") == set()

    code, output = snakemake(folder, "--report", "report.html", "theory")
    assert code == 0, output
    page = (folder / "report.html").read_text()
    assert "paper_figures/theory/minibatches.png" in page
    assert "paper_figures/theory/verdicts.html" in page

    check = [sys.executable, "-m", "dhel_kcl", "record", "--theory", "--check", "results/theory/provenance.json"]
    assert run(folder, *check)[0] == 0
    edit(folder, "src/dhel_kcl/theory/minibatches.py", "STARTS = 5", "STARTS = 4")
    code, output = run(folder, *check)
    assert code == 1
    assert "earlier version of: the runs (theory minibatches). Run" in output
    again = {"compute_theory minibatches", "tabulate_theory verdicts", "record_theory"}
    assert again <= jobs(folder, "--", "theory")


def test_no_step_but_fetching_data_uses_the_network(copy, tmp_path, monkeypatch):
    """Every Python process reports attempts to reach another host or to look one up."""
    attempts = tmp_path / "attempts"
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/sitecustomize.py").write_text(f"""
import sys

def report(event, arguments):
    local = event == "socket.connect" and isinstance(arguments[1], (str, bytes))  # a socket in the file system
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") and not local:
        with open({str(attempts)!r}, "a") as file:
            file.write(f"{{event}} {{arguments[1:]}} {{sys.argv}}\\n")

sys.addaudithook(report)
""")
    usual = pipeline.environment
    hooked = f"{tmp_path / 'hooks'}{os.pathsep}"
    monkeypatch.setattr(pipeline, "environment", lambda root: usual(root) | {"PYTHONPATH": hooked + str(root / "src")})
    code, _ = run(copy, sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert code == 1
    assert "socket.connect" in attempts.read_text()
    attempts.unlink()

    shutil.rmtree(copy / "results/runs/smoke/digits/simclr_m16_selected/seed1")
    forced = ["split_data", "collect_results"]  # and with them all that comes after: probes, selection, tables, figures
    code, output = snakemake(copy, "--printshellcmds", "--forcerun", *forced, "--", "smoke")
    assert code == 0, output
    assert re.search(r"rule pretrain_encoder:.*rule evaluate_encoder:", output, re.DOTALL)
    assert not attempts.exists(), attempts.read_text()
