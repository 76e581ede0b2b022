import copy
from collections import Counter

import pytest
import yaml

from dhel_kcl import registry
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.study import job_counts, layout
from dhel_kcl.study.choices import Setting
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.mistakes import ConfigError
from dhel_kcl.study.suite import Suite, dataset_title
from dhel_kcl.views.augment import Augment
from tests.pipeline import ROOT
from tests.unit.study.conftest import edited

DIGITS, CAUSES = Suite.load(ROOT, "digits"), Suite.load(ROOT, "digits_causes")
CIFAR10, LAPTOP = Suite.load(ROOT, "cifar10"), Suite.load(ROOT, "cifar10_laptop")
MAIN = """
simclr_m64_temperature-0.1 simclr_m64_temperature-0.3 simclr_m64_temperature-1.0 simclr_m64_selected
dcl_m64_temperature-0.1 dcl_m64_temperature-0.3 dcl_m64_temperature-1.0 dcl_m64_selected
dhel_m64_form-sum_temperature-0.1 dhel_m64_form-sum_temperature-0.3 dhel_m64_form-sum_temperature-1.0
dhel_m64_selected
kcl-gaussian_m64_kernel-gaussian_t-1.0_gamma-16.0 kcl-gaussian_m64_kernel-gaussian_t-2.0_gamma-16.0
kcl-gaussian_m64_kernel-gaussian_t-4.0_gamma-16.0 kcl-gaussian_m64_selected
kcl-log_m64_kernel-log_t-1.0_gamma-16.0 kcl-log_m64_kernel-log_t-2.0_gamma-16.0
kcl-log_m64_kernel-log_t-4.0_gamma-16.0 kcl-log_m64_selected
"""
ABLATIONS = """
dhel-anchor_m64_form-anchor_temperature-0.1 dhel-anchor_m64_form-anchor_temperature-0.3
dhel-anchor_m64_form-anchor_temperature-1.0 dhel-anchor_m64_selected
dhel-mean_m64_form-mean_temperature-0.1 dhel-mean_m64_form-mean_temperature-0.3
dhel-mean_m64_form-mean_temperature-1.0 dhel-mean_m64_selected
dcl-w2_m64_energy_weight-2.0_temperature-0.1 dcl-w2_m64_energy_weight-2.0_temperature-0.3
dcl-w2_m64_energy_weight-2.0_temperature-1.0 dcl-w2_m64_selected
kcl-imq_m64_kernel-imq_c-1.0_gamma-16.0 kcl-imq_m64_kernel-imq_c-2.0_gamma-16.0
kcl-imq_m64_kernel-imq_c-4.0_gamma-16.0 kcl-imq_m64_selected
"""
SPEC = {
    "dataset": "digits",
    "images": "memory",
    "loss": {"name": "simclr", "temperature": 0.1},
    "batch_size": 16,
    "backbone": {"name": "compact_resnet", "width": 16, "stages": 3},
    "projector_dim": 64,
    "augment": {
        "crop_scale": [0.6, 1.0],
        "pad": 0,
        "size": None,
        "flip": 0,
        "rotation": 15,
        "jitter": 1,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0,
        "hue": 0,
        "grey": 0,
        "blur": 0,
        "blur_kernel": 23,
        "blur_sigma": [0.2, 2.0],
    },
    "training": {
        "updates": 190,
        "learning_rate": 0.1,
        "reference_batch_size": 256,
        "momentum": 0.9,
        "weight_decay": 1e-06,
        "warmup": 0.01,
    },
    "precision": "fp32",
    "compile": False,
    "device": "cpu",
    "processes": 1,
    "threads": 1,
    "seed": 0,
}
"""Of the first run of the suite digits: another value would train its network anew."""


@pytest.mark.parametrize("name", suite_names(ROOT))
def test_every_suite_is_valid_and_builds_its_losses(name):
    suite = Suite.load(ROOT, name)
    assert len({run.folder for run in suite.runs}) == len(suite.runs)
    assert len(suite.runs) >= (2 if name == "cifar10_200_epochs" else 3)
    for method in suite.methods.values():
        for point in method.grid:
            registry.resolve("loss", point.loss["name"])(**{k: v for k, v in point.loss.items() if k != "name"})


def names(section, size=64, suite=DIGITS):
    return list(dict.fromkeys(run.name for run in suite.runs if (run.section, run.batch_size) == (section, size)))


def test_names_and_order_of_the_runs():
    """Another name would train a network anew; another order would reorder every table."""
    assert names("losses") == MAIN.split()
    assert names("losses", 16) == MAIN.replace("_m64_", "_m16_").split()
    assert names("losses", 128) == MAIN.replace("_m64_", "_m128_").split()
    assert names("ablations") == ABLATIONS.split()
    curves = [
        f"{weighted}_temperature-{t}_energy_weight-{w}"
        for weighted, weights in (
            ("simclr-weighted_m256", [1.0]),
            ("dcl-weighted_m256", [1.0]),
            ("dhel-weighted_m256_form-mean", [1.0, 2.0]),
        )
        for t in (0.1, 0.3, 1.0)
        for w in weights
    ]
    assert names("causes", 256, CIFAR10) == curves
    assert names("floors") == ["pixels", "random", "supervised"]
    assert list(dict.fromkeys(run.section for run in DIGITS.runs)) == ["losses", "ablations", "floors"]
    assert list(dict.fromkeys(run.section for run in CAUSES.runs)) == ["causes"]
    assert list(dict.fromkeys(run.section for run in LAPTOP.runs)) == ["losses", "final", "floors"]
    simclr = [run for run in DIGITS.runs if run.method == "simclr"]
    assert [run.batch_size for run in simclr] == 7 * [16] + 7 * [64] + 7 * [128]


def test_roles_and_seeds_of_the_runs():
    assert Counter((run.section, run.role) for run in DIGITS.runs) == {
        ("losses", "grid"): 5 * 3 * 3,
        ("losses", "selected"): 5 * 3 * 4,
        ("ablations", "grid"): 4 * 3,
        ("ablations", "selected"): 4 * 2,
        ("floors", "floor"): 7,
    }
    assert Counter((run.section, run.role) for run in LAPTOP.runs) == {
        ("losses", "grid"): 5 * 2 * 16,
        ("losses", "selected"): 5 * 2 * 2,
        ("final", "final"): 5 * 2 * 6,
        ("floors", "floor"): 7,
    }
    assert Counter((run.section, run.role) for run in CAUSES.runs) == {("causes", "point"): 738}
    seeds = [(run.role, run.seed) for run in DIGITS.runs if (run.method, run.batch_size) == ("dcl", 64)]
    assert seeds == [*3 * [("grid", 0)], *(("selected", seed) for seed in range(1, 5))]
    assert [run.seed for run in DIGITS.runs if run.section == "floors"] == [0, 0, 1, 2, 0, 1, 2]
    assert [run.trained for run in DIGITS.runs if run.section == "floors"] == [False, *6 * [True]]


def test_folders_of_the_runs():
    first = DIGITS.runs[0]
    assert first.folder == "results/runs/digits/digits/simclr_m16_temperature-0.1/seed0"
    assert DIGITS.by_folder[first.folder] is first


def test_specs():
    run = DIGITS.runs[0]
    assert DIGITS.pretrain_spec(run) == SPEC
    further = next(run for run in DIGITS.runs if run.name == "kcl-log_m128_selected")
    kcl = {"loss": {"name": "kcl", "kernel": "log"}, "batch_size": 128, "seed": 1}
    assert DIGITS.pretrain_spec(further) == SPEC | kcl
    assert DIGITS.evaluation_spec("digits") == {
        "dataset": "digits",
        "weight_decay": [1e-05],
        "scaling": ["unit"],
        "neighbours": 20,
        "histogram_bins": 100,
        "view_seed": 0,
        "training_pairs": 5000,
        "augmented": None,
        "images": "memory",
        "augment": SPEC["augment"],
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
    }


def test_losses_of_a_spec():
    losses = {run.name: run.loss for run in [*DIGITS.runs, *CIFAR10.runs] if run.batch_size in (64, 256)}
    weighted = losses["dhel-weighted_m256_form-mean_temperature-0.3_energy_weight-2.0"]
    assert weighted == {"name": "dhel", "form": "mean", "temperature": 0.3, "energy_weight": 2.0}
    assert Setting(weighted, {}).parameters == "form=mean temperature=0.3 energy_weight=2.0"
    imq = losses["kcl-imq_m64_kernel-imq_c-4.0_gamma-16.0"]
    assert imq == {"name": "kcl", "kernel": "imq", "c": 4.0, "gamma": 16.0}
    assert losses["supervised"] == {"name": "supervised"}


def test_methods_and_titles():
    methods = DIGITS.methods
    assert list(methods)[:6] == ["simclr", "dcl", "dhel", "kcl-gaussian", "kcl-log", "dhel-anchor"]
    imq = methods["kcl-imq"]
    assert (imq.section, imq.title, imq.batch_sizes, imq.loss) == ("ablations", "KCL IMQ", (64,), "kcl")
    assert imq.fixed == {"name": "kcl", "kernel": "imq"}
    assert [point.loss["c"] for point in imq.grid] == [1.0, 2.0, 4.0]
    assert DIGITS.title("dcl-w2") == "DCL, w = 2"
    assert DIGITS.title("supervised") == "supervised"
    assert dataset_title("stl10") == "STL-10"


def test_methods_stay_together_by_section():
    paper = Suite.load(ROOT, "paper")
    sections = [method.section for method in paper.methods.values()]
    assert sections == sorted(sections, key=["losses", "ablations", "causes"].index)
    assert len(paper.methods["simclr"].grid) == 6, "of the first data set, where they differ"
    assert len(paper.methods_of("stl10")["simclr"].grid) == 1


def test_the_order_of_the_grid_is_that_of_the_file(root, smoke):
    for entry in ({"temperature": 0.3, "form": "sum"}, {"form": "sum", "temperature": 0.3}):
        smoke(lambda content, entry=entry: content["losses"].update(dhel={"loss": "dhel", **entry}))
        run = next(run for run in Suite.load(root, "smoke").runs if run.method == "dhel")
        assert list(run.loss) == ["name", *entry]
        assert run.name == "_".join(["dhel_m16", *(f"{key}-{value}" for key, value in entry.items())])


def test_images_are_had_as_the_catalogue_says():
    paper = Suite.load(ROOT, "paper")
    assert {name: paper.evaluation_spec(name)["images"] for name in paper.datasets} == {
        "cifar10": "memory",
        "cifar100": "memory",
        "stl10": "memory",
        "imagenet100": "streamed",
    }
    assert {run.dataset for run in paper.runs if paper.pretrain_spec(run)["images"] == "streamed"} == {"imagenet100"}


def test_transfers_go_to_the_data_sets_that_are_named(root, smoke):
    """Their encoders' own left out, and those with other channels."""
    digits = yaml.safe_load((root / "config/suites/smoke.yaml").read_text())["datasets"]["digits"]
    split = {"train": 900, "validation": 100, "test": 50, "seed": 1}
    targets = {"digits": {}, "fashion_mnist": {"split": split, "size": 8}}
    smoke(lambda content: content.update(transfer={"batch_size": 16, "datasets": targets}))
    suite = Suite.load(root, "smoke")
    transferred = [run for run in suite.runs if suite.transfers(run)]
    assert {(run.role, run.section) for run in transferred} == {("selected", "losses")}
    assert {tuple(suite.transfers(run)) for run in transferred} == {("fashion_mnist",)}
    assert (suite.datasets, suite.all_datasets) == (["digits"], ["digits", "fashion_mnist"])
    assert suite.split("fashion_mnist").model_dump() == split
    assert suite.split("digits").model_dump() == digits["split"]
    spec = EvaluationSpec.of(suite.evaluation_spec("fashion_mnist"))
    assert (spec.augment, spec.augmented, spec.weight_decay) == (Augment(size=8), None, [1e-5])
    assert not any(DIGITS.transfers(run) for run in DIGITS.runs)


def test_the_papers_suite_joins_those_of_its_data_sets():
    """Runs, names and specs are theirs, so that nothing is computed twice."""
    paper = Suite.load(ROOT, "paper")
    assert paper.is_joint
    assert [part.name for part in paper.parts] == paper.datasets == ["cifar10", "cifar100", "stl10", "imagenet100"]
    assert paper.runs == [run for part in paper.parts for run in part.runs]
    for part in paper.parts:
        assert not part.is_joint
        assert part == Suite.load(ROOT, part.name)
        assert part.all_datasets == [part.name], "nothing of another data set"
        assert paper.evaluation_spec(part.name) == part.evaluation_spec(part.name)
        for run in part.runs:
            assert paper.pretrain_spec(run) == part.pretrain_spec(run)
            assert run.folder.startswith(f"results/runs/{part.name}/{part.name}/")
    assert [paper.has(section) for section in ("ablations", "causes", "transfer")] == [True, True, False]
    assert Counter(run.suite for run in paper.runs) == {"cifar10": 307, "cifar100": 227, "stl10": 37, "imagenet100": 18}


def test_what_is_left_out_is_not_run(root):
    """And what is left is the same runs with the same specs."""
    whole = Suite.load(root, "cifar10")
    edited(root, "leave_out: []", "leave_out: [ablations, causes]", "config/suites/cifar10.yaml")
    suite = Suite.load(root, "cifar10")
    assert [suite.has(section) for section in ("ablations", "causes")] == [False, False]
    assert suite.runs == [run for run in whole.runs if run.section not in ("ablations", "causes")]
    assert len(whole.runs) - len(suite.runs) == 80
    assert suite.pretrain_spec(suite.runs[0]) == whole.pretrain_spec(whole.runs[0])


def test_a_data_set_overrides_the_suite(root, smoke):
    override = {
        "training": {"learning_rate": 1.4},
        "batch_sizes": [32],
        "losses": {"simclr": {"loss": "simclr", "temperature": 0.7}},
        "probe": {"neighbours": 5},
    }

    def add(content):
        content["datasets"]["fashion_mnist"] = copy.deepcopy(content["datasets"]["digits"]) | override
        content["ablations"]["datasets"], content["causes"]["datasets"] = ["digits"], ["digits"]

    smoke(add)
    suite = Suite.load(root, "smoke")
    digits, fashion = suite.settings("digits"), suite.settings("fashion_mnist")
    assert fashion.training == digits.training.model_copy(update={"learning_rate": 1.4})
    assert fashion.probe == digits.probe.model_copy(update={"neighbours": 5})
    assert fashion.backbone == digits.backbone
    assert (digits.processes, fashion.batch_sizes) == (1, (32,))
    runs = {(run.method, run.batch_size, str(run.loss)) for run in suite.runs if run.dataset == "fashion_mnist"}
    assert {run[0] for run in runs} == {"simclr", "pixels", "random", "supervised"}
    assert ("simclr", 32, "{'name': 'simclr', 'temperature': 0.7}") in runs
    assert any(run.method == "kcl-gaussian" for run in suite.runs if run.dataset == "digits")
    assert suite.pretrain_spec(suite.runs[-1])["training"]["learning_rate"] == 1.4


def test_causes_run_every_point_on_every_seed_and_selects_none(root, smoke):
    curve = {"loss": "dcl", "temperature": [0.1, 1.0], "energy_weight": [1.0, 2.0]}
    section = {"batch_size": 16, "seeds": [0, 5], "losses": {"dcl-weighted": curve}}
    smoke(lambda content: content.update(causes=section))
    runs = [run for run in Suite.load(root, "smoke").runs if run.section == "causes"]
    assert len(runs) == 8
    assert {run.role for run in runs} == {"point"}
    assert {run.seed for run in runs} == {0, 5}


def test_a_learning_rate_is_tuned_like_a_losss_own_parameter(root, smoke):
    """It stands in names, parameters and the training, not in the loss."""
    grid = [run for run in Suite.load(root, "smoke").runs if (run.method, run.role) == ("dhel", "grid")]
    suite = Suite.load(root, "smoke")
    assert [run.name for run in grid] == [
        f"dhel_m16_form-sum_temperature-0.3_learning_rate-{rate}" for rate in (0.3, 1.0)
    ]
    assert [run.setting.parameters for run in grid] == [
        f"form=sum temperature=0.3 learning_rate={rate}" for rate in (0.3, 1.0)
    ]
    assert [suite.pretrain_spec(run)["training"]["learning_rate"] for run in grid] == [0.3, 1.0]
    assert {str(suite.pretrain_spec(run)["loss"]) for run in grid} == {
        "{'name': 'dhel', 'form': 'sum', 'temperature': 0.3}"
    }


@pytest.mark.parametrize("values", [[0.3, 1.0, 3.0], [0.1, 0.3, 1.0]])
def test_a_value_more_changes_no_run_that_there_is(root, smoke, values):
    """It is asked for besides them, and the selection is another job: of more candidates."""
    before = Suite.load(root, "smoke")
    smoke(lambda content: content["losses"]["dhel"].update(learning_rate=values))
    after = Suite.load(root, "smoke")
    specs = [{run.folder: suite.pretrain_spec(run) for run in suite.runs} for suite in (before, after)]
    assert specs[0].items() <= specs[1].items()
    new = (set(values) - {0.3, 1.0}).pop()
    added = f"results/runs/smoke/digits/dhel_m16_form-sum_temperature-0.3_learning_rate-{new}/seed0"
    assert specs[1].keys() - specs[0].keys() == {added}
    assert [len(suite.candidates("digits", "dhel", 16)) for suite in (before, after)] == [2, 3]


def test_selected_settings_are_trained_at_the_final_length_with_seeds_of_their_own(root, smoke):
    suite = Suite.load(root, "smoke")
    final = [run for run in suite.runs if run.section == "final"]
    assert [(run.name, run.seed, run.role) for run in final] == [
        ("simclr_m16_final", 3, "final"),
        ("dhel_m16_final", 3, "final"),
    ]
    assert [layout.selected(run) for run in final] == [
        f"results/runs/smoke/digits/{method}_m16_selected/selected.json" for method in ("simclr", "dhel")
    ]
    lengths = {run.section: job_counts.steps(suite, run) for run in suite.runs if run.method != "random"}
    assert lengths == {"losses": 6, "ablations": 6, "causes": 3, "final": 9, "floors": 9}
    assert suite.pretrain_spec(final[0])["training"].keys() & {"epochs", "updates"} == {"updates"}
    assert (suite.judged_section("digits"), suite.judged_seeds("digits")) == ("final", (3,))
    assert (DIGITS.judged_section("digits"), DIGITS.judged_seeds("digits")) == ("losses", (1, 2, 3, 4))
    smoke(lambda content: content["datasets"]["digits"].update(final={"training": {"epochs": 3}, "seeds": [7, 8]}))
    own = Suite.load(root, "smoke")
    assert own.judged_seeds("digits") == (7, 8)
    assert {job_counts.steps(own, run) for run in own.runs if run.role == "final"} == {18}
    smoke(lambda content: content["datasets"]["digits"].update(final=None))
    assert not [run for run in Suite.load(root, "smoke").runs if run.section == "final"]


def test_points_of_causes_differ_in_length_and_seeds(root, smoke):
    point = {"loss": "dcl", "temperature": 0.1}
    losses = {"short": point | {"updates": [6, 12]}, "long": point | {"updates": 40, "seeds": [8, 9]}}
    smoke(lambda content: content.update(causes={"batch_size": 16, "seeds": [5], "losses": losses}))
    suite = Suite.load(root, "smoke")
    runs = [run for run in suite.runs if run.section == "causes"]
    assert [(run.name, run.seed) for run in runs] == [
        ("short_m16_temperature-0.1_updates-6", 5),
        ("short_m16_temperature-0.1_updates-12", 5),
        ("long_m16_temperature-0.1_updates-40", 8),
        ("long_m16_temperature-0.1_updates-40", 9),
    ]
    assert [job_counts.steps(suite, run) for run in runs] == [6, 12, 40, 40]


def test_candidates_are_the_grid_of_one_loss_at_one_batch_size():
    runs = DIGITS.candidates("digits", "dhel", 128)
    assert [run.name for run in runs] == [f"dhel_m128_form-sum_temperature-{t}" for t in (0.1, 0.3, 1.0)]
    assert {(run.role, run.seed) for run in runs} == {("grid", 0)}


def test_digests(root, smoke):
    """A title changes what tables say, not what runs do."""
    before = Suite.load(root, "smoke")
    smoke(lambda content: content["losses"]["dhel"].update(title="another"))
    titled = Suite.load(root, "smoke")
    assert titled.digest() != before.digest()
    assert titled.runs_digest() == before.runs_digest()
    smoke(lambda content: content["probe"].update(weight_decay=1e-3))
    probed = Suite.load(root, "smoke")
    smoke(lambda content: content["datasets"]["digits"]["split"].update(seed=1))
    split = Suite.load(root, "smoke")
    smoke(lambda content: content["seeds"].update(selected=[1, 2]))
    seeded = Suite.load(root, "smoke")
    assert len({suite.runs_digest() for suite in (before, probed, split, seeded)}) == 4
    assert len({suite.digest() for suite in (before, titled, probed, split, seeded)}) == 5


def test_a_probe_may_be_chosen_from_several(root, smoke):
    smoke(lambda content: content["probe"].update(weight_decay=[1e-3, 1e-5], scaling=["unit", "standardised"]))
    spec = EvaluationSpec.of(Suite.load(root, "smoke").evaluation_spec("digits"))
    assert (spec.weight_decay, spec.scaling) == ([1e-3, 1e-5], ["unit", "standardised"])
    smoke(lambda content: content["probe"].update(weight_decay=1e-3, scaling="standardized"))
    with pytest.raises(ConfigError, match=r"probe.scaling.0: 'standardized' is unknown"):
        Suite.load(root, "smoke")


def test_swapped_values_change_the_digest_but_comments_do_not(root):
    path = root / "config/suites/smoke.yaml"
    text, before = path.read_text(), Suite.load(root, "smoke").digest()
    path.write_text("# a comment\n" + text)
    assert Suite.load(root, "smoke").digest() == before
    path.write_text(text.replace("brightness: 0.4", "brightness: 0.3").replace("momentum: 0.9", "momentum: 0.8"))
    assert Suite.load(root, "smoke").digest() != before
