"""What a tree shows was computed from what is in it: plans of the real workflow after edits, copies and losses."""

import csv
import re
import shutil
import sys

import pytest

from dhel_kcl.evidence.tidy import DIGITS
from dhel_kcl.files import read_json, sha256
from dhel_kcl.presentation.table_files import FORMATS
from dhel_kcl.study.suite import Suite
from tests.pipeline import COMBINED, ROOT, dvc, edit, git, jobs, planned, run, snakemake

SUITE = Suite.load(ROOT, "smoke")
TRAINED = {f"{run.name}/{run.seed}" for run in SUITE.runs if run.trained}
RUNS = {f"{run.name}/{run.seed}" for run in SUITE.runs}
SETTINGS = {f"{run.method}_m{run.batch_size}" for run in SUITE.runs if run.role == "grid"}


LATER = {f"{run.name}/{run.seed}" for run in SUITE.runs if run.section in ("final", "causes")}
DHEL = "dhel_m16_form-sum_temperature-0.3_learning_rate"


def pretrained(runs):
    """Jobs that train runs; those at the final length and of causes wait for the others."""
    return {f"pretrain_{'later' if name in LATER or '_final/' in name else 'encoder'} {name}" for name in runs}


def chain(*runs, settings=()):
    """Jobs that runs consist of, and all that gathers them."""
    steps = pretrained(runs) | {f"evaluate_encoder {name}" for name in runs}
    return steps | {f"select_setting {name}" for name in settings} | COMBINED


def test_a_bare_clone_plans_the_whole_grid(project, tmp_path):
    git(project, "clone", "--quiet", str(project), str(tmp_path / "bare"))
    plan = jobs(tmp_path / "bare")
    assert plan >= chain(*TRAINED, settings=SETTINGS) | {f"evaluate_encoder {name}" for name in RUNS} | {"fetch_data"}


def test_a_clone_with_pulled_results_has_nothing_to_do(pulled):
    assert jobs(pulled) == set()
    code, output = dvc(pulled, "status")
    assert code == 0
    assert "up to date" in output
    assert git(pulled, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "temperature: [0.3, 1.0]",
            "temperature: [0.3, 0.9]",
            chain(
                "simclr_m16_temperature-0.9/0", "simclr_m16_selected/1", "simclr_m16_final/3", settings={"simclr_m16"}
            ),
        ),
        (
            "learning_rate: [0.3, 1.0]}",
            "learning_rate: [0.3, 1.0, 3.0]}",
            chain(f"{DHEL}-3.0/0", "dhel_m16_selected/1", "dhel_m16_final/3", settings={"dhel_m16"}),
        ),
        (
            "momentum: 0.9, weight_decay: 1.0e-6, warmup: 0.01",
            "momentum: 0.01, weight_decay: 1.0e-6, warmup: 0.9",
            chain(*TRAINED, settings=SETTINGS),
        ),
        (
            "  dhel: {",
            "  dcl: {loss: dcl, temperature: 0.3}\n  dhel: {",
            chain("dcl_m16_temperature-0.3/0", "dcl_m16_selected/1", "dcl_m16_final/3", settings={"dcl_m16"}),
        ),
        (
            "selected: [1]",
            "selected: [1, 2]",
            chain("simclr_m16_selected/2", "dhel_m16_selected/2"),
        ),
        (
            "batch_sizes: [16]",
            "batch_sizes: [16, 20]",
            chain(
                "simclr_m20_temperature-0.3/0",
                "simclr_m20_temperature-1.0/0",
                "simclr_m20_selected/1",
                "simclr_m20_final/3",
                f"{DHEL.replace('16', '20')}-0.3/0",
                f"{DHEL.replace('16', '20')}-1.0/0",
                "dhel_m20_selected/1",
                "dhel_m20_final/3",
                settings={"simclr_m20", "dhel_m20"},
            )
            | {"plan_suite"},
        ),
        (
            "final: {training: {updates: 9}, seeds: [3]}",
            "final: {training: {updates: 9}, seeds: [3, 4]}",
            chain("simclr_m16_final/4", "dhel_m16_final/4"),
        ),
        ("title: SimCLR", "title: simCLR", COMBINED),
        ("title: smoke test", "title: smoke test  # a comment", set()),
    ],
    ids=[
        "one value",
        "a learning rate more",
        "two values swapped",
        "a loss",
        "a seed",
        "a batch size",
        "a final seed",
        "a title",
        "a comment",
    ],
)
def test_a_config_edit_reruns_exactly_what_depends_on_it(clone, old, new, expected):
    edit(clone, "config/suites/smoke.yaml", old, new)
    plan = jobs(clone)
    pixels = {"evaluate_encoder pixels/0"} if "evaluate_encoder supervised/0" in expected else set()
    assert plan - pixels == expected


def of_loss(name):
    return {f"{run.name}/{run.seed}" for run in SUITE.runs if run.loss["name"] == name}


@pytest.mark.parametrize(
    ("file", "old", "new", "runs"),
    [
        ("src/dhel_kcl/losses/dhel_loss.py", "negatives, temperature)", "negatives, 2 * temperature)", of_loss("dhel")),
        ("src/dhel_kcl/kernels/gaussian.py", "(-t * r2)", "(-2 * t * r2)", of_loss("kcl")),
        ("src/dhel_kcl/training/backbones/compact_resnet.py", "nn.ReLU()", "nn.GELU()", TRAINED),
        ("src/dhel_kcl/views/crops.py", "TRIES = 10", "TRIES = 5", TRAINED),
    ],
    ids=["a loss", "a kernel", "the model", "the augmentation"],
)
def test_an_edit_of_the_science_retrains_exactly_what_uses_it(clone, file, old, new, runs):
    edit(clone, file, old, new)
    plan = jobs(clone)
    trained = {job for job in plan if job.startswith("pretrain")}
    assert trained == pretrained(runs)
    assert {f"evaluate_encoder {name}" for name in runs} | COMBINED <= plan


def test_an_edit_of_a_figure_draws_that_figure(clone):
    edit(clone, "src/dhel_kcl/evidence/figures/spectra.py", "log", "linear")
    assert jobs(clone) == {"draw_figure spectra", "record_provenance", "all"}


def test_an_edit_of_a_figure_makes_no_run_look_stale(clone):
    """In a bare clone the figure is drawn anew from the committed tables, and the record of the runs stays."""
    edit(clone, "src/dhel_kcl/evidence/figures/spectra.py", "log", "linear")
    record = clone / "results/smoke/provenance.json"
    before = read_json(record)
    check = (sys.executable, "-m", "dhel_kcl", "record", "--root", ".", "--suite", "smoke", "--check", str(record))
    code, output = run(clone, *check)
    assert code == 1
    assert "earlier version of: ledger, tables and figures (figure spectra). Run `make figures`" in output
    for gone in (".snakemake", "results/runs", "data"):
        shutil.rmtree(clone / gone)
    code, output = snakemake(clone, "--config", "from_tables=True", "--forceall")
    assert code == 0, output
    assert run(clone, *check)[0] == 0
    after = read_json(record)
    assert after["evidence"] != before["evidence"]
    assert after | {"evidence": before["evidence"]} == before
    tables = [path for path in (clone / "paper_figures/smoke").glob("*.md") if "earlier code" in path.read_text()]
    assert tables == []


def test_tables_of_runs_of_earlier_code_say_so(clone):
    edit(clone, "src/dhel_kcl/losses/dhel_loss.py", "negatives, temperature)", "negatives, 2 * temperature)")
    code, output = snakemake(clone, "--config", "from_tables=True", "--forceall")
    assert code == 0, output
    for extension in ("md", "tex", "html"):
        for path in (clone / "paper_figures/smoke").glob(f"*.{extension}"):
            assert "Computed with earlier code (revision " in path.read_text(), path
    code, output = run(
        clone,
        *(sys.executable, "-m", "dhel_kcl", "record", "--root", ".", "--suite", "smoke"),
        *("--check", "results/smoke/provenance.json"),
    )
    assert code == 1
    assert "earlier version of: the runs (pretrain digits dhel, pretrain digits dhel-causes). Run" in output


def test_what_comes_with_git_alone_is_rebuilt_when_its_input_changes(pulled, tmp_path):
    """Nothing records there how it was made."""
    git(pulled, "clone", "--quiet", str(pulled), str(tmp_path / "bare"))
    target = ("--", "paper_figures/published.csv")
    (tmp_path / "bare/paper_figures/published.csv").touch()
    for extension in FORMATS:
        (tmp_path / f"bare/paper_figures/published.{extension}").touch()
    assert jobs(tmp_path / "bare", *target) == set()
    edit(tmp_path / "bare", "src/dhel_kcl/evidence/published.csv", "Lee et al.", "Lee et al., ICML")
    assert jobs(tmp_path / "bare", *target) == {"tabulate_published"}
    assert "plan_suite" in jobs(tmp_path / "bare"), "planned speeds are those of the machine that trains"


def test_an_edit_of_plumbing_reruns_nothing(clone):
    """Help texts, messages and the command line of every step."""
    for path in [*(clone / "src/dhel_kcl/steps").glob("*.py"), *(clone / "src/dhel_kcl/runtime").glob("*.py")]:
        path.write_text(path.read_text() + "\nEDITED = True\n")
    edit(clone, "src/dhel_kcl/steps/pretrain.py", "prepared data set", "prepared data set.")
    assert jobs(clone) == set()


def test_curves_are_asked_for_or_not_without_running_anything_anew(clone):
    asked, run = ("--config", "log=tensorboard"), "smoke/digits/simclr_m16_temperature-0.3/seed0"
    assert jobs(clone, *asked) == set()
    code, output = snakemake(clone, *asked, "--forcerun", "pretrain_encoder", "--", f"results/runs/{run}/log.csv")
    assert code == 0, output
    assert len(list((clone / "scratch" / run).glob("*tfevents*"))) == 1
    assert jobs(clone, "--", f"results/runs/{run}/log.csv") == set()


def test_an_edit_of_comments_and_docstrings_does_nothing(clone):
    for path in (clone / "src/dhel_kcl").rglob("*.py"):
        text = path.read_text()
        assert text.startswith('"""')
        path.write_text(text.replace('"""', '"""Edited: ', 1) + "\n# A comment.\n")
    assert jobs(clone) == set()


def test_a_committed_edit_that_was_not_reproduced_is_found(clone, tmp_path):
    edit(clone, "src/dhel_kcl/losses/dhel_loss.py", "negatives, temperature)", "negatives, 2 * temperature)")
    git(clone, "commit", "--quiet", "--all", "--message", "edit")
    check = (sys.executable, "-m", "dhel_kcl", "record", "--root", ".", "--suite", "smoke", "--check")
    code, output = run(clone, *check, "results/smoke/provenance.json")
    assert code == 1
    assert "earlier version of: the runs (pretrain digits dhel, pretrain digits dhel-causes). Run" in output
    assert "Run `snakemake --cores all smoke`" in output
    other = tmp_path / "other"
    git(clone, "clone", "--quiet", str(clone), str(other))
    assert dvc(other, "pull", "--remote", "store")[0] == 0
    assert pretrained(of_loss("dhel")) <= jobs(other)
    assert "src" in dvc(other, "status")[1]


def test_results_without_records_are_refused_until_pulled_again(clone):
    shutil.rmtree(clone / ".snakemake/metadata")
    for code, output in (snakemake(clone), dvc(clone, "repro")):
        assert code != 0
        assert "nothing in .snakemake/metadata says how it was made. Go back to the last versioned results" in output
    assert "deleted:" in dvc(clone, "status")[1]
    assert dvc(clone, "pull", "--force")[0] == 0
    assert jobs(clone) == set()


def test_results_copied_in_by_hand_are_refused(pulled, tmp_path):
    git(pulled, "clone", "--quiet", str(pulled), str(tmp_path / "bare"))
    folder = "results/runs/smoke/digits/dhel_m16_selected"
    shutil.copytree(pulled / folder, tmp_path / "bare" / folder)
    for code, output in (snakemake(tmp_path / "bare"), dvc(tmp_path / "bare", "repro")):
        assert code != 0
        assert re.search(rf"{folder}/\S+ is there, but nothing in .snakemake/metadata says how it was made", output)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda runs: shutil.copytree(
                runs / "simclr_m16_temperature-1.0/seed0", runs / "simclr_m16_temperature-0.3/seed0", dirs_exist_ok=True
            ),
            "was made with another config or code",
        ),
        (
            lambda runs: shutil.copy2(
                runs / "dhel_m16_selected/seed1/log.csv", runs / "simclr_m16_temperature-0.3/seed0/log.csv"
            ),
            "log.csv is not the file that training wrote",
        ),
    ],
    ids=["of another config", "one file"],
)
def test_results_copied_over_recorded_ones_reach_no_table(clone, harm, message):
    """Snakemake has records for these paths, and dates may be copied too: only the run folders themselves can tell."""
    harm(clone / "results/runs/smoke/digits")
    before = (clone / "results/smoke/runs.csv").read_bytes()
    forced = ("--forcerun", "collect_results", "--rerun-triggers", "params", "--")
    code, output = snakemake(clone, *forced, "results/smoke/runs.csv")
    assert code != 0
    assert message in output
    assert "delete it and run again to rebuild it, or restore it with `dvc checkout`" in output
    assert not (clone / "results/smoke/runs.csv").exists() or (clone / "results/smoke/runs.csv").read_bytes() == before


def test_a_leftover_run_reaches_no_table(clone):
    edit(clone, "config/suites/smoke.yaml", "temperature: [0.3, 1.0]", "temperature: 0.3")
    code, output = snakemake(clone, "results/smoke/runs.csv")
    assert code == 0, output
    assert (clone / "results/runs/smoke/digits/simclr_m16_temperature-1.0/seed0/probe.json").is_file()
    with (clone / "results/smoke/runs.csv").open() as file:
        rows = [row["parameters"] for row in csv.DictReader(file) if row["method"] == "simclr"]
    assert rows == 3 * ["temperature=0.3"]


def test_a_selection_that_chooses_the_same_again_trains_nothing_again(clone):
    """Its further runs are made anew from their finished checkpoints, and say of themselves what they said."""
    runs = [clone / f"results/runs/smoke/digits/dhel_m16_{name}" for name in ("selected/seed1", "final/seed3")]
    assert snakemake(clone, "--forcerun", "pretrain_encoder", "pretrain_later", "--", "smoke")[0] == 0  # checkpoints
    before = [read_json(run / "provenance.json") for run in runs]
    edit(clone, "config/suites/smoke.yaml", "learning_rate: [0.3, 1.0]}", "learning_rate: [0.3, 1.0, 1.0e-9]}")
    (clone / "docs/analysis_plan.md").write_text("another plan")
    other = sha256(clone / "docs/analysis_plan.md")
    code, output = snakemake(clone, "--", "results/smoke/runs.csv")
    assert code == 0, output
    assert len(read_json(runs[0].parent / "selected.json")["candidates"]) == 3
    for folder, record in zip(runs, before, strict=True):
        same, name = read_json(folder / "provenance.json"), folder.relative_to(clone / "results/runs/smoke")
        assert same["plan"] == record["plan"] != other
        assert same["sha256"] == record["sha256"]
        assert "resuming after step" in (clone / "logs/smoke" / name / "pretrain.log").read_text()
    with (clone / "results/smoke/runs.csv").open() as file:
        rows = [row["parameters"] for row in csv.DictReader(file) if row["plan"] == other[:DIGITS]]
    assert [parameters.split("=")[-1] for parameters in rows] == ["1e-09"], "the new point alone was trained by it"


DIFFER = {"results/smoke/costs.csv", "results/runs/smoke/plan.csv", "results/smoke/provenance.json"}
DIFFER |= {f"paper_figures/smoke/{table}.{extension}" for table in ("costs", "runs") for extension in FORMATS}
DIFFER_BY_NAME = {"provenance.json"}
"""What holds times, revisions or the machine's state, and so differs between two runs: cost tables, provenance. And
log.csv differs in its column views_per_second, runs.csv in git_revision; logs/ holds progress bars."""


def artefacts(folder):
    """{path: content} of everything that two runs must agree in."""
    found = {}
    for top in ("data", "results", "paper_figures"):
        for path in sorted(path for path in (folder / top).rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            if name in DIFFER or path.name in DIFFER_BY_NAME:
                continue
            content = path.read_bytes()
            if path.name in ("log.csv", "runs.csv"):
                rows = list(csv.DictReader(content.decode().splitlines()))
                content = [{k: row[k] for k in row if k not in ("views_per_second", "git_revision")} for row in rows]
            found[name] = content
    return found


def trainings(output):
    """How many Snakemake plans."""
    return sum(planned(output)[rule] for rule in ("pretrain_encoder", "pretrain_later"))


def test_computing_everything_anew_on_one_core_gives_the_same_bytes(project, clone):
    """Against a run on two cores, whose steps were children of one process; without hooks each imports for itself.
    Nothing is taken over: not even the checkpoints that the finished runs left."""
    before = artefacts(clone)
    shutil.copytree(project / "scratch", clone / "scratch")
    code, output = snakemake(clone, "--cores", "1", "--forceall", "--no-hooks")
    assert code == 0, output
    assert trainings(output) == len(TRAINED)
    after = artefacts(clone)
    assert len(before) > 100
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
    logs = [path.read_text() for path in (clone / "logs").rglob("pretrain.log")]
    assert len(logs) == len(TRAINED)
    assert len(list((clone / "scratch").rglob("last.pt"))) == len(TRAINED) - 1  # the random encoder has no step
    assert not any("resuming" in text for text in logs)


def test_dvc_repro_force_says_that_it_recomputes_nothing_and_what_does(clone):
    code, output = dvc(clone, "repro", "--force")
    assert code == 0
    assert "Nothing to be done" in output
    assert "To compute everything anew: snakemake --cores all --forceall, and then dvc repro" in output
    code, output = snakemake(clone, "-n", "--forceall")
    assert trainings(output) == len(TRAINED)
