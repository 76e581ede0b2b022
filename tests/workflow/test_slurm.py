"""The Slurm profile, run against a stand-in for Slurm: what it asks for, and that a pre-empted training goes on."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from dhel_kcl.runtime import origins
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from tests import slurm_stub
from tests.pipeline import ROOT, checkout, edit, environment


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, digits_folder, split_file):
    """A training of the smoke suite on one GPU, pre-empted once, in a project whose path has a space."""
    folder = tmp_path_factory.mktemp("slurm")
    project, bin_folder = checkout(folder / "a project"), folder / "bin"
    slurm_stub.install(bin_folder)
    shutil.copytree(digits_folder, project / "data/digits")
    (project / "data/splits/smoke").mkdir(parents=True)
    shutil.copy(split_file, project / "data/splits/smoke/digits.npz")
    edit(project, "config/suites/smoke.yaml", "epochs: 1,", "epochs: 60,")
    run = next(run for run in Suite.load(project, "smoke").runs if run.method == "dhel")
    log = project / f"logs/{run.folder.removeprefix('results/runs/')}/pretrain.log"
    (bin_folder / "preempt").write_text(f"{log}\nstep/s")
    environ = environment(project)
    environ |= {"PATH": f"{bin_folder}{os.pathsep}{environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm"]
    command += ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
    command += ["--set-resources", "pretrain_encoder:gpu=1", "pretrain_encoder:runtime=240"]
    command += ["--", f"{run.folder}/provenance.json"]
    result = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True)
    jobs = [
        json.loads((bin_folder / f"{n}.job").read_text()) for n in range(1, len(list(bin_folder.glob("*.job"))) + 1)
    ]
    return {"project": project, "run": run, "log": log, "bin": bin_folder, "jobs": jobs, "result": result}


def test_a_preempted_training_is_submitted_again_and_goes_on(cluster):
    assert cluster["result"].returncode == 0, cluster["result"].stderr
    assert (cluster["bin"] / "preempted").is_file()
    names = [job["comment"].split("_wildcards")[0] for job in cluster["jobs"]]
    assert names == ["rule_pretrain_encoder", "rule_pretrain_encoder"]
    assert "SIGTERM: checkpoint" in cluster["result"].stderr, "what the first attempt said is shown"
    assert cluster["log"].read_text().startswith("resuming after step ")
    assert (cluster["project"] / cluster["run"].folder / "encoder.safetensors").is_file()
    states = [(cluster["bin"] / f"{n}.state").read_text() for n in (1, 2)]
    assert states == ["FAILED", "COMPLETED"]


def test_a_job_planned_by_another_config_is_refused(cluster, tmp_path):
    """Each job parses the workflow anew on its node, when its turn comes."""
    project = cluster["project"]
    suites = [Suite.load(project, name) for name in suite_names(project)]
    now = origins.of_study(suites)
    assert [job["planned"] for job in cluster["jobs"]] == [now, now]
    edit(project, "config/suites/smoke.yaml", "epochs: 60,", "epochs: 59,")
    try:
        job = ["--mode", "remote", "--cores", "1", "--target-jobs", "split_data:suite=smoke,dataset=digits"]
        environ = environment(project) | {origins.PLANNED: now}
        command = [sys.executable, "-m", "snakemake", "--nolock", *job]
        result = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True)
    finally:
        edit(project, "config/suites/smoke.yaml", "epochs: 59,", "epochs: 60,")
    assert result.returncode != 0
    assert "config or source changed after this job was planned" in result.stderr


def test_jobs_ask_for_what_their_rules_need(cluster):
    training, again = cluster["jobs"]
    assert training["gpus"] == "1"
    assert training["time"] == "240"
    assert training["nodes"] == "1"
    assert training["signal"] == "TERM@120", "to all processes of the step: Snakemake ends by any other signal"
    assert "requeue" in training
    assert training["mem"] == "8000"
    assert training | {"wrap": ""} == again | {"wrap": ""}


def test_a_failed_jobs_log_is_kept_where_the_guide_says(cluster):
    kept = [path.relative_to(cluster["project"]).parts for path in (cluster["project"] / "logs/slurm").rglob("*.log")]
    assert [(*parts[:3], parts[-1]) for parts in kept] == [("logs", "slurm", "rule_pretrain_encoder", "1.log")]
    assert "logs/slurm" in (ROOT / "docs/scale.md").read_text()
