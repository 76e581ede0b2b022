import re
import shutil

import pytest
from pydantic import ValidationError

from dhel_kcl.evidence import ledger
from dhel_kcl.study import choices, config, contradictions, job_counts, schema
from dhel_kcl.study.config import ConfigError
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT
from tests.unit.data.photographs import lay_out_photographs
from tests.unit.study.conftest import edited


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "projector_dim:",
            "projector_dimm:",
            "unknown key 'projector_dimm' (did you mean 'projector_dim'?); allowed: title",
        ),
        ("temperature: [0.3, 1.0]", "temprature: [0.3]", "losses.simclr: unknown key 'temprature' (did you mean 'temp"),
        ("temperature: [0.3, 1.0]", "temperature: []", "losses.simclr.temperature: is empty; give at least 1"),
        ("temperature: [0.3, 1.0]", "temperature: hot", "losses.simclr.temperature.0: 'hot' is not of type number"),
        ("temperature: [0.3, 1.0]", "temperature: 0", "losses.simclr.temperature.0: 0 is less than or equal to"),
        ("temperature: [0.3, 1.0]", "temperature: [0.3, 0.3]", "has non-unique elements"),
        (
            "loss: simclr",
            "loss: simcrl",
            "losses.simclr.loss: 'simcrl' is unknown (did you mean 'simclr'?); allowed: infonce",
        ),
        (
            "kernel: gaussian, t: 2.0",
            "kernel: gaussian, q: 2.0",
            "losses.kcl-gaussian: unknown key 'q'; allowed: loss, title",
        ),
        ("kernel: gaussian,", "", "losses.kcl-gaussian: the key 'kernel' is missing"),
        (
            "form: sum",
            "form: som",
            "losses.dhel.form.0: 'som' is unknown (did you mean 'sum'?); allowed: anchor, mean, sum",
        ),
        ("  digits:\n", "  digitz:\n", "datasets: 'digitz' is unknown (did you mean 'digits'?); allowed: digits"),
        ("batch_sizes: [16]", "batch_sizes: []", "batch_sizes: is empty"),
        ("batch_sizes: [16]", "batch_sizes: [1]", "batch_sizes.0: 1 is less than the minimum of 2"),
        ("batch_sizes: [16]", "batch_sizes: [32]", "ablations.batch_size: 16 is not one of batch_sizes [32]"),
        ("selected: [1]", "selected: [0]", "seeds.selected: contains the grid's seed 0"),
        ("precision: fp32", "precision: fp16", "precision: 'fp16' is unknown"),
        ("precision: fp32", "precision: 32", "precision: 32 is unknown (did you mean 'fp32'?); allowed: auto"),
        ("precision: fp32", "compile: 1", "compile: 1 is not of type boolean"),
        ("title: smoke test", "title: 3", "title: 3 is not of type string"),
        ("title: smoke test", 'title: "\\ud800"', "a text has half of a surrogate pair"),
        ("threads: 1", "threads: true", "threads: True is not of type integer"),
        ("momentum: 0.9", "momentum: true", "training.momentum: True is not of type number"),
        ("momentum: 0.9", "momentum: 1e999", "training.momentum: 1e999 is no finite number"),
        ("momentum: 0.9", "momentum: null", "training.momentum: None is not of type number"),
        ("epochs: 1,", "epochs: 1, updates: 9,", "training: give epochs or updates, one of the two"),
        ("view_seed: 0", "training_pairs: 1", "probe.training_pairs: one pair has no negatives; give 0 or at least 2"),
        ("epochs: 1,", "updates: 0,", "training.updates: 0 is less than the minimum of 1"),
        ("epochs: 1,", "updates: many,", "training.updates: 'many' is not of type integer"),
        ("epochs: 1,", 'updates: {"16": 0},', "training.updates.16: 0 is less than the minimum of 1"),
        ("epochs: 1,", 'updates: {"all": 9},', "training.updates: 'all' is no batch size"),
        ("epochs: 1,", 'updates: {"32": 9},', "digits.training.updates: has no number for batches of 16; add one"),
        ("training: {", "training: 3\ntransfer: {", "training: 3 is not of type object"),
        ("batch_sizes: [16]", "batch_sizes: 16", "batch_sizes: 16 is not of type list"),
        ("crop_scale: [0.6, 1.0]", "crop_scale: [0.6]", "augment.crop_scale: [0.6] is not a list of two numbers"),
        ("crop_scale: [0.6, 1.0]", "crop_scale: [0.6, 2]", "augment.crop_scale.1: 2 is greater than the maximum of 1"),
        ("contrast: 0.4}", "contrast: 0.4, blur_kernel: 4}", "augment.blur_kernel: 4 is even; give an odd number"),
        ("  simclr: {", "  SimCLR: {", "losses: 'SimCLR' is no name of a loss; use a-z, 0-9 and -"),
        ("threads: 1", "threads: 1\nthreads: 2", "key 'threads' occurs twice"),
        ("title: smoke test", "title: [smoke", "not valid YAML"),
        ("momentum: 0.9", "momentum: .nan", ".nan is no finite number"),
        ("threads: 1", "threads: 1.0", "threads: 1.0 is not of type integer"),
        ("selected: [1]", "selected: [99999999999999999999]", "an integer needs more than 64 bits"),
        ("title: smoke test", "title: &a smoke\nprecision: *a", "references (*name) are not allowed"),
        ("  simclr: {", "  1: {", "key 1 is not text, quote it"),
        ("width: 8", "width: 4", "backbone.width: 4 is not a multiple of 8"),
        ("crop_scale: [0.6, 1.0]", "crop_scale: [1.0, 0.6]", "crop_scale: 1.0 is above 0.6"),
        ("losses:", "losses: {}\nlosse:", "losses: is empty"),
        ("contrast: 0.4}", "contrast: 0.4, blur_sigma: [2, 1]}", "digits.augment.blur_sigma: 2 is above 1"),
        ("contrast: 0.4}", "contrast: 0.4}\n    processes: 3", "a batch of 16 cannot be shared by 3 processes"),
        ("contrast: 0.4}", "contrast: 0.4}\n    training: {epoch: 3}", "datasets.digits.training: unknown key 'epoch'"),
        (
            "  batch_size: 16\n",
            "  batch_size: 16\n  datasets: [cifar10]\n",
            "datasets: 'cifar10' is unknown; allowed: digits",
        ),
        (
            "seeds: {grid",
            "transfer: {batch_size: 16, datasets: {cifar10: {}}}\nseeds: {grid",
            "transfer.datasets.cifar10: the key 'split' is missing",
        ),
        (
            "seeds: {grid",
            "transfer: {batch_size: 16, datasets: {cifar10: {split: {validation: 1, test: 9}}}}\nseeds: {grid",
            "transfer.datasets.cifar10: has 3 channels, and none of the suite's datasets has as many",
        ),
        (
            "seeds: {",
            "transfer: {batch_size: 16, datasets: {fashion_mnist: {split: {validation: 1, test: 20000}}}}\nseeds: {",
            "transfer.datasets.fashion_mnist.split: fashion_mnist: the split asks for 20000 test images of 10000",
        ),
        (
            "seeds: {grid",
            "transfer: {batch_size: 16, datasets: {digits: {size: 8}}}\nseeds: {grid",
            "transfer.datasets.digits: is one of the suite's datasets, which have split and size there; leave it empty",
        ),
        (
            "seeds: {grid",
            "transfer: {batch_size: 16}\nseeds: {grid",
            "transfer: the key 'datasets' is missing",
        ),
        (
            "seeds: {grid",
            "transfer: {batch_size: 64, datasets: {digits: {}}}\nseeds: {grid",
            "transfer.batch_size: 64 is not one of batch_sizes [16]",
        ),
        (
            "seeds: {grid: 0, selected: [1]",
            "transfer: {batch_size: 16, datasets: {digits: {}}}\nseeds: {grid: 0, selected: []",
            "transfer: is of the runs of losses with seeds.selected, and there are none; add some or leave it out",
        ),
        (
            "ablations:",
            "leave_out: [ablation]\nablations:",
            "leave_out.0: 'ablation' is unknown (did you mean 'ablations'",
        ),
        ("    kcl-gaussian:", "    dhel:", "ablations.losses.dhel: the name is already used"),
        (
            "simclr: {loss: simclr,",
            "simclr: {loss: dcl,",
            "losses.simclr.loss: 'dcl' under a name that claims judge as 'simclr'; name it otherwise",
        ),
        (
            "title: DHEL,",
            "title: SimCLR,",
            "losses.dhel.title: 'SimCLR' is that of losses.simclr, too; choose another",
        ),
        ("crop_scale: [0.6, 1.0]", "crop_scale: [0.6, 1.0], pad: 2", "digits.augment.pad: 2 needs crop_scale [1, 1]"),
        ("crop_scale: [0.6, 1.0], rotation: 15", "pad: 8", "digits.augment.pad: 8 is not below the images' 8 pixels"),
        ("contrast: 0.4}", "contrast: 0.4, blur: 0.5}", "digits.augment.blur_kernel: 23 is not below 16, twice"),
        (
            "probe: {",
            "probe: {augmented: {augment: {pad: 9}}, ",
            "digits.probe.augmented.augment.pad: 9 is not below the images' 8 pixels",
        ),
        (
            "seeds: {grid",
            "transfer: {batch_size: 16, datasets: {imagenet100: {split: {validation: 1, test: 9}}}}\nseeds: {grid",
            "transfer.datasets.imagenet100: its images are of many sizes; the key 'size' is missing",
        ),
        ("  dhel: {loss: dhel,", "  random: {loss: dhel,", "losses.random: the name is that of a floor"),
        ("    kcl-gaussian: {", "    pixels: {", "ablations.losses.pixels: the name is already used; choose another"),
        ("  simclr: {", "  kcl-log: {", "losses.kcl-log.loss: 'simclr' under a name that claims judge as 'kcl'"),
        (
            "title: KCL Gaussian",
            "title: DHEL",
            "ablations.losses.kcl-gaussian.title: 'DHEL' is that of losses.dhel, too; choose another",
        ),
        (
            "form: mean, temperature: 0.3, learning_rate: [0.3, 1.0], updates: 3",
            "form: mean, temperature: 0.3, learning_rate: [0.3, 1.0], epochs: 3",
            "causes.losses: dcl-causes updates and dhel-causes epochs, which cannot be compared; give all lengths",
        ),
        ("validation: 40", "validation: 3000", "digits.split: digits: the split asks for more training, validation"),
        ("batch_sizes: [16]", "batch_sizes: [16, 512]", "batch_sizes: 512 is above the 100 training images; lower it"),
        ("floors: {batch_size: 16", "floors: {batch_size: 512", "floors.batch_size: 512 is above the 100 training"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_allowed_values(root, old, new, message):
    path = edited(root, old, new)
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert str(path) in str(error.value)
    assert message in str(error.value)


def own(photos, **changes):
    def change(content):
        settings = {"folder": str(photos), "size": 16, "split": {"train": 20, "validation": 10, "test": 10}}
        content["datasets"] = {"mine": settings | changes}
        for key in ("ablations", "causes"):
            content.pop(key, None)

    return change


def test_images_of_ones_own_need_a_folder_and_a_size_alone(root, smoke):
    lay_out_photographs(root / "photos", {"": 20})
    smoke(own(root / "photos"))
    loaded = Suite.load(root, "smoke")
    entry = loaded.dataset("mine")
    assert (entry.train, entry.classes, entry.channels, entry.side, entry.images) == (40, 2, 3, 16, "memory")
    assert loaded.evaluation_spec("mine")["augment"]["size"] is None
    smoke(own(root / "photos", size=128))
    loaded = Suite.load(root, "smoke")
    assert loaded.dataset("mine").images == "streamed"
    assert loaded.evaluation_spec("mine")["augment"]["size"] == 128
    smoke(own(root / "photos", size=128, augment={"size": 64, "flip": 0.5}))
    assert Suite.load(root, "smoke").evaluation_spec("mine")["augment"]["size"] == 64
    smoke(own(root / "photos", streamed=True, probe={"augmented": {"augment": {"flip": 0.5}}}))
    spec = Suite.load(root, "smoke").evaluation_spec("mine")
    assert spec["augment"]["size"] == spec["augmented"]["augment"]["size"] == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": None}, "datasets.mine.size: None is not of type integer"),
        ({"folder": 3}, "datasets.mine.folder: 3 is not of type string"),
        ({"sise": 3}, "datasets.mine: unknown key 'sise' (did you mean 'size'?); allowed: "),
        ({"split": {"train": 40, "validation": 10, "test": 10}}, "datasets.mine.split: mine: the split asks for more"),
        (
            {"streamed": True, "augment": {"rotation": 5}},
            "datasets.mine.augment: images that stay files go with neither",
        ),
        ({"streamed": True, "augment": {"pad": 2}}, "datasets.mine.augment.pad: 2 needs crop_scale [1, 1], no size"),
    ],
)
def test_mistakes_about_ones_own_images_are_named(root, smoke, changes, message):
    lay_out_photographs(root / "photos", {"": 20})
    smoke(own(root / "photos", **changes))
    with pytest.raises(ConfigError, match=re.escape(message)):
        config.load_suite(root, "smoke")


def test_a_folder_that_does_not_fit_is_named_and_one_that_is_not_here_when_it_is_counted(root, smoke):
    lay_out_photographs(root / "photos", {"": 20})
    (root / "photos/notes.txt").touch()
    smoke(own(root / "photos"))
    with pytest.raises(
        ConfigError, match=r"smoke\.yaml: datasets\.mine\.folder: .*notes\.txt lies beside class folders"
    ):
        config.load_suite(root, "smoke")
    smoke(own(root / "elsewhere"))
    suite = Suite.load(root, "smoke")
    with pytest.raises(
        ValueError, match=r"mine: its images, from .*elsewhere, cannot be counted: there is no such folder"
    ):
        job_counts.subset_sizes(suite, "mine")


@pytest.mark.parametrize("name", ["cifar10", "splits", "Mine", "my-images", "../mine", "1st"])
def test_names_that_are_no_names_for_ones_own_images_are_refused(root, smoke, name):
    def change(content):
        own(root / "photos")(content)
        content["datasets"][name] = content["datasets"].pop("mine")

    smoke(change)
    with pytest.raises(ConfigError, match=f"datasets.{name}: is (the|no) name"):
        config.load_suite(root, "smoke")


def test_two_data_sets_of_one_name_are_told(root, smoke):
    for suite, size in (("smoke", 16), ("other", 24), ("third", 16)):
        smoke(own(root / "photos", size=size)).rename(root / f"config/suites/{suite}_.yaml")
        shutil.copy(root / f"config/suites/{suite}_.yaml", root / "config/suites/smoke.yaml")
    suites = {name: config.load_suite(root, name) for name in ("smoke_", "third_", "other_")}
    message = (
        "other_.yaml: datasets.mine.size: suite smoke_ says 16 of the data set of the same name, and not 24; choose"
    )
    with pytest.raises(ConfigError, match=message):
        config.own_images(suites)
    del suites["other_"]
    assert config.own_images(suites)["mine"].size == 16


def test_files_that_can_be_no_suite_by_their_names_are_told(root):
    """They would be left out without a word, or be a rule twice."""
    path = root / "config/suites/mine.yml"
    path.touch()
    with pytest.raises(ConfigError, match=r"mine\.yml: is not read; rename it to mine\.yaml"):
        config.suite_names(root)
    path.unlink()
    shutil.copytree(ROOT / "workflow/rules", root / "workflow/rules")
    assert {"fetch_data", "pretrain_later", "record_evidence"} <= set(config.taken_names(root))
    assert not set(config.taken_names(root)) & set(config.suite_names(root))
    (root / "config/suites/fetch_data.yaml").touch()
    with pytest.raises(ConfigError, match=r"fetch_data\.yaml: fetch_data is the name of a rule or folder"):
        config.suite_names(root)


@pytest.mark.parametrize("name", ["My Suite", "my-suite", "1st"])
def test_names_of_files_that_are_no_names_are_told(root, name):
    (root / f"config/suites/{name}.yaml").touch()
    with pytest.raises(ConfigError, match=f"'{name}' is no name for a suite; use a-z, 0-9 and _"):
        config.suite_names(root)


@pytest.mark.parametrize("name", config.FOLDERS)
def test_names_of_folders_beside_those_of_suites_are_taken(root, name):
    (root / f"config/suites/{name}.yaml").touch()
    with pytest.raises(ConfigError, match=f"{name} is the name of a rule or folder of the workflow"):
        config.suite_names(root)


@pytest.mark.parametrize(
    ("updates", "shared"),
    [
        ({"16": 80, "32": 80, "64": 80}, "updates"),
        ({"16": 80, "32": 40, "64": 20}, "epochs"),
        ({"16": 2001, "32": 1000, "64": 500}, "epochs"),
        ({"16": 80, "32": 40, "64": 40}, ""),
    ],
)
def test_what_trainings_of_several_batch_sizes_share(updates, shared):
    assert schema.Length(updates=updates).shared([16, 32, 64]) == shared
    assert (schema.Length(epochs=4).shared([16, 32]), schema.Length(updates=9).shared([16])) == ("epochs", "updates")


def test_trainings_that_share_neither_epochs_nor_updates_are_refused(root, smoke):
    """C4 compares batch sizes, and says at equal what."""

    def change(content):
        content["batch_sizes"] = [16, 32, 64]
        content["training"] = {"updates": {"16": 80, "32": 40, "64": 40}}

    smoke(change)
    with pytest.raises(ConfigError, match=r"digits\.training\.updates: give equal numbers, or numbers in proportion"):
        config.load_suite(root, "smoke")


def test_a_data_set_with_losses_of_its_own_needs_batch_sizes(root, smoke):
    def change(content):
        content["datasets"]["digits"]["losses"] = content.pop("losses")
        for key in ("batch_sizes", "ablations", "final"):
            del content[key]

    smoke(change)
    with pytest.raises(ConfigError, match=r"datasets\.digits\.batch_sizes: is missing; say at which"):
        config.load_suite(root, "smoke")


def test_what_is_left_out_is_left_out_of_data_sets_too(root, smoke):
    def change(content):
        content["datasets"]["digits"]["final"] = dict(training={"updates": 5}, seeds=[7])
        content["leave_out"] = ["final"]

    smoke(change)
    assert {run.section for run in Suite.load(root, "smoke").runs} == {"losses", "ablations", "causes", "floors"}


def test_a_final_length_needs_no_updates_for_the_batch_size_of_causes(root, smoke):
    def change(content):
        content["causes"]["batch_size"] = 32
        content["final"]["training"] = {"updates": {"16": 9}}

    smoke(change)
    assert config.load_suite(root, "smoke").causes.batch_size == 32


def test_names_that_claims_judge_are_those_of_the_ledger():
    pairs = ledger.read().pairs
    assert set(contradictions.JUDGED) == {name for pair in pairs for name in (pair.of, pair.against)}


def test_a_loss_that_is_described_and_not_registered_is_told(root, monkeypatch):
    """Before anything runs, and where it has to stand."""
    monkeypatch.setitem(choices.LOSS_MODELS, "barlow", choices.Tempered)
    edited(root, "simclr: {loss: simclr,", "mine: {loss: barlow,")
    with pytest.raises(ConfigError, match=r"losses\.mine\.loss: 'barlow' stands in study/choices.py, but not among"):
        config.load_suite(root, "smoke")


def test_a_suite_that_is_not_there_is_told_which_are(root):
    told = r"smokey\.yaml: there is no such suite \(did you mean 'smoke'\?\); allowed: cifar10, "
    with pytest.raises(ConfigError, match=told):
        config.load_suite(root, "smokey")
    told = (
        r"nowhere/config/suites/smoke\.yaml is not there: run this in the repository's folder, or name it with --root"
    )
    with pytest.raises(ConfigError, match=told):
        config.load_suite(root / "nowhere", "smoke")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[cifar10,",
            "[cifar1,",
            "suites: 'cifar1' is unknown (did you mean 'cifar10'?); allowed: cifar10, cifar100, cif",
        ),
        ("[cifar10,", "[paper,", "suites: 'paper' is unknown; allowed: cifar10, cifar100, cifar10_200_epochs"),
        ("[cifar10,", "[rehearsal,", "suites: rehearsal and cifar100 both have cifar100; name one of the two"),
        ("[cifar10, cifar100, stl10, imagenet100]", "[]", "suites: is empty; give at least 1"),
        ("suites:", "training: {epochs: 3}\nsuites:", "unknown key 'training'; allowed: title, suites"),
    ],
)
def test_a_mistake_in_a_joint_suite_is_named(root, old, new, message):
    path = edited(root, old, new, "config/suites/paper.yaml")
    with pytest.raises(ConfigError) as error:
        config.load_suites(root, "paper")
    assert f"{path}: {message}" in str(error.value)


def test_a_mistake_in_a_joined_suite_is_named_there(root):
    path = edited(root, "batch_sizes: [256]", "batch_sizes: [1]", "config/suites/stl10.yaml")
    with pytest.raises(ConfigError, match=f"{path}: batch_sizes.0: 1 is less than the minimum of 2"):
        config.load_suites(root, "paper")


def test_global_settings(root):
    assert config.load_global(root).default_suite == "digits"
    edited(root, "default_suite", "default_siute", "config/config.yaml")
    with pytest.raises(ConfigError, match=r"config\.yaml: unknown key 'default_siute'"):
        config.load_global(root)


def test_config_cannot_execute_code(root):
    edited(root, "title: smoke test", "title: !!python/object/apply:os.system ['touch pwned']")
    with pytest.raises(ConfigError, match="not valid YAML"):
        config.load_suite(root, "smoke")


def test_defaults_fill_what_is_absent(root, smoke):
    def strip(content):
        for key in ("precision", "threads", "backbone", "projector_dim", "training", "floors", "probe", "ablations"):
            del content[key]
        del content["datasets"]["digits"]["augment"]

    smoke(strip)
    loaded = config.load_suite(root, "smoke")
    assert loaded.training.epochs == 200
    assert loaded.training.momentum == 0.9
    assert loaded.datasets["digits"].augment.crop_scale == (1.0, 1.0)
    assert loaded.datasets["digits"].split.train == 100
    assert loaded.datasets["digits"].training == loaded.training
    assert loaded.ablations is None


def test_a_data_set_has_a_length_of_its_own(root, smoke):
    """In place of the suite's, said in the same way or in the other."""
    smoke(lambda content: content["datasets"]["digits"].update(training={"updates": 7}))
    loaded = config.load_suite(root, "smoke")
    assert (loaded.training.epochs, loaded.training.updates) == (1, None)
    own = loaded.datasets["digits"].training
    assert (own.epochs, own.updates, own.warmup) == (None, 7, 0.01)


SIMCLR = {"loss": "simclr", "temperature": 0.3}


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"a": SIMCLR | {"epochs": 1, "updates": 6}}, "losses.a: give epochs or updates, one of the two"),
        ({"a": SIMCLR | {"epochs": 0}}, "losses.a.epochs.0: 0 is less than the minimum of 1"),
        ({"a": SIMCLR | {"learning_rate": "high"}}, "losses.a.learning_rate.0: 'high' is not of type number"),
        (
            {"a": SIMCLR, "b": {"loss": "simclr", "temperature": [0.1, 0.3], "energy_weight": 1}},
            "losses.b: temperature=0.3 energy_weight=1 is the training that a has as temperature=0.3; leave one",
        ),
        (
            {"a": SIMCLR | {"epochs": 2, "learning_rate": [0.5, 1]}, "b": SIMCLR | {"epochs": [1, 2]}},
            "losses.b: temperature=0.3 epochs=2 is the training that a has as temperature=0.3 epochs=2 learning_rate=1",
        ),
        (
            {"a": {"loss": "dhel", "form": ["mean", "sum"], "temperature": 0.3, "energy_weight": [1, 2]}},
            "losses.a: form=sum temperature=0.3 energy_weight=1 is the training that a has as form=mean",
        ),
    ],
)
def test_causes_must_not_count_a_training_twice(root, smoke, losses, message):
    path = smoke(lambda content: content.update(causes={"batch_size": 16, "seeds": [0], "losses": losses}))
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert f"{path}: causes.{message}" in str(error.value)


def test_points_of_causes_with_other_seeds_or_values_are_no_mistake(root, smoke):
    losses = {
        "a": SIMCLR,
        "b": SIMCLR | {"seeds": [5, 6]},
        "c": SIMCLR | {"learning_rate": 0.5},
        "mean": {"loss": "dhel", "form": "mean", "temperature": 0.3, "energy_weight": [1, 4]},
        "sum": {"loss": "dhel", "form": "sum", "temperature": 0.3},
        "log": {"loss": "kcl", "kernel": "log", "gamma": [1, 4]},
        "gaussian": {"loss": "kcl", "kernel": "gaussian", "gamma": [1, 4]},
    }
    smoke(lambda content: content.update(causes={"batch_size": 16, "seeds": [0], "losses": losses}))
    assert config.load_suite(root, "smoke").causes


@pytest.mark.parametrize(("key", "value"), [("epochs", 2), ("updates", [5, 6]), ("seeds", [7])])
@pytest.mark.parametrize("section", ["losses", "ablations.losses", "datasets.digits.losses"])
def test_lengths_and_seeds_of_an_entry_are_for_causes(root, smoke, section, key, value):
    def change(content):
        *outer, last = section.split(".")
        for name in outer:
            content = content[name]
        content[last] = {"mine": SIMCLR | {key: value}}

    path = smoke(change)
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert f"{path}: {section}.mine.{key}: is a key of entries of causes alone; remove it" in str(error.value)


@pytest.mark.parametrize(
    ("final", "message"),
    [
        ({"training": {"epochs": 2}}, "final: the key 'seeds' is missing"),
        ({"training": {"epochs": 2, "updates": 3}, "seeds": [3]}, "final.training: give epochs or updates"),
        ({"training": {}, "seeds": [3]}, "final.training: give epochs or updates"),
        (
            {"training": {"learning_rate": 1.0}, "seeds": [3]},
            "final.training: unknown key 'learning_rate'; allowed",
        ),
        ({"training": {"epochs": 2}, "seeds": [1]}, "final.seeds: contains 1, a seed of the grid or of seeds.selected"),
        ({"training": {"epochs": 2}, "seeds": [0]}, "final.seeds: contains 0, a seed of the grid"),
        (
            {"training": {"updates": {"32": 9}}, "seeds": [3]},
            "digits.final.training.updates: has no number for batches of 16; add one",
        ),
    ],
)
def test_mistakes_about_the_final_length_are_named(root, smoke, final, message):
    path = smoke(lambda content: content.update(final=final))
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert str(path) in str(error.value)
    assert message in str(error.value)


def alone(content):
    """A suite of causes alone."""
    for key in ("batch_sizes", "losses", "ablations", "seeds", "floors", "final"):
        content.pop(key, None)
    content["causes"] = {"batch_size": 16, "seeds": [4], "losses": {"simclr": SIMCLR}}


def test_a_suite_may_have_causes_alone(root, smoke):
    smoke(alone)
    suite = Suite.load(root, "smoke")
    assert [(run.section, run.role, run.name, run.seed) for run in suite.runs] == [
        ("causes", "point", "simclr_m16_temperature-0.3", 4)
    ]
    assert (suite.has("losses"), suite.has("causes"), suite.has("final")) == (False, True, False)
    smoke(lambda content: content.update(floors={"batch_size": 16, "seeds": [1]}))
    assert [run.method for run in Suite.load(root, "smoke").runs] == ["simclr", "pixels", "random", "supervised"]
    smoke(lambda content: content["floors"].update(supervised=False))
    assert [run.method for run in Suite.load(root, "smoke").runs] == ["simclr", "pixels", "random"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda content: [content.pop(key) for key in ("losses", "final", "causes")],
            "the key 'losses' is missing, or 'causes'",
        ),
        (lambda content: content.pop("batch_sizes"), "the key 'batch_sizes' is missing"),
        (lambda content: content.pop("seeds"), "the key 'seeds' is missing"),
        (
            lambda content: alone(content) or content["causes"].update(batch_size=512),
            "causes.batch_size: 512 is above the 100 training images",
        ),
        (
            lambda content: alone(content) or content.update(final={"training": {"epochs": 2}, "seeds": [1]}),
            "final: needs losses, whose selected settings it trains",
        ),
    ],
)
def test_what_a_suite_needs_is_said(root, smoke, change, message):
    path = smoke(change)
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert str(path) in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("written", ["1e-05", "1.0e-05", "1E-5", "+1.e-05", "0.00001", "'1e-05'"])
def test_a_number_with_an_exponent_is_a_number(root, written):
    """YAML 1.1 reads 1e-05 as text; `dvc exp run -S` writes it."""
    edited(root, "weight_decay: 1.0e-6", f"weight_decay: {written}")
    edited(root, "temperature: [0.3, 1.0]", "temperature: [3e-1, 1e0]")
    edited(root, "crop_scale: [0.6, 1.0]", "crop_scale: [6e-1, 1]")
    loaded = config.load_suite(root, "smoke")
    assert loaded.training.weight_decay == 1e-5
    assert [point.loss for point in loaded.losses["simclr"].grid] == [
        {"name": "simclr", "temperature": 0.3},
        {"name": "simclr", "temperature": 1.0},
    ]
    assert loaded.datasets["digits"].augment.crop_scale == (0.6, 1)


def test_a_number_with_an_exponent_is_no_integer_and_a_text_stays_one(root):
    edited(root, "title: smoke test", "title: 1e-05")
    assert config.load_suite(root, "smoke").title == "1e-05"
    edited(root, "threads: 1", "threads: 1e0")
    with pytest.raises(ConfigError, match="threads: '1e0' is not of type integer"):
        config.load_suite(root, "smoke")


def test_an_integer_stays_one(root):
    """The names of runs, and their specs, are as the numbers are written."""
    edited(root, "temperature: [0.3, 1.0]", "temperature: [1, 2.0]")
    loaded = config.load_suite(root, "smoke")
    assert str([point.loss for point in loaded.losses["simclr"].grid]) == (
        "[{'name': 'simclr', 'temperature': 1}, {'name': 'simclr', 'temperature': 2.0}]"
    )
    assert str(loaded.datasets["digits"].augment.rotation) == "15"


def test_every_mistake_is_named_the_outermost_first(root):
    edited(root, "title: smoke test", "titel: smoke test")
    edited(root, "width: 8", "width: 12")
    edited(root, "momentum: 0.9", "momentum: 1")
    edited(root, "loss: dhel", "loss: dehl")
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    lines = [line.split("smoke.yaml: ")[1] for line in str(error.value).splitlines()]
    assert lines[0] == "the key 'title' is missing"
    assert lines[1].startswith("unknown key 'titel' (did you mean 'title'?); allowed: title, precision")
    assert lines[2:] == [
        "backbone.width: 12 is not a multiple of 8",
        "training.momentum: 1 is greater than or equal to the maximum of 1",
        "losses.dhel.loss: 'dehl' is unknown (did you mean 'dhel'?); allowed: infonce, simclr, dcl, dhel, kcl",
    ]


def test_a_mistake_of_the_suite_is_not_repeated_for_each_data_set(root):
    edited(root, "epochs: 1", "epochs: 0")
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert str(error.value).endswith("smoke.yaml: training.epochs: 0 is less than the minimum of 1")
    assert len(str(error.value).splitlines()) == 1
    edited(root, "epochs: 0", "epochs: 1")
    another = "{split: {train: 100, validation: 40, test: 60, seed: 0}, augment: {flip: 0.5}}"
    edited(root, "  digits:\n", f"  fashion_mnist: {another}\n  digits:\n")
    config.load_suite(root, "smoke")
    edited(root, "title: DHEL,", "title: SimCLR,")
    with pytest.raises(ConfigError) as error:
        config.load_suite(root, "smoke")
    assert len(str(error.value).splitlines()) == 1


def test_a_config_can_not_be_changed(root):
    loaded = config.load_suite(root, "smoke")
    with pytest.raises(ValidationError, match="frozen"):
        loaded.training.epochs = 3
