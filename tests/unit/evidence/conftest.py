import numpy as np
import pytest

from dhel_kcl.evidence.tidy import Results
from dhel_kcl.evidence.verdicts import judge
from tests.synthetic import BOOK, PRESENT, results_of, runs_of, suite_of, with_causes, write

PARTS = {
    "a loss": lambda runs: runs.method != "simclr",
    "a batch size": lambda runs: runs.batch_size != 16,
    "the selected seeds": lambda runs: runs.role != "selected",
    "the grid": lambda runs: runs.role != "grid",
    "all losses": lambda runs: runs.section != "losses",
    "the floors": lambda runs: runs.section != "floors",
}
"""What may be missing of a suite that is partly done."""


def several(content):
    """Data sets with other batch sizes, losses and seeds, and every optional section."""
    content["confirmatory"] = True
    split = {"split": {"train": 1000, "validation": 40, "test": 60}}
    losses = {name: content["losses"][name] for name in ("dcl", "dhel")}
    fixed = {name: entry | {"temperature": 0.3} for name, entry in losses.items()}
    content["datasets"] = {
        "cifar10": split,
        "cifar100": split | {"batch_sizes": [32, 256]},
        "stl10": split | {"batch_sizes": [256], "losses": fixed, "seeds": {"selected": [1, 2]}},
    }
    content["batch_sizes"] = [16, 32, 64]
    content["ablations"] |= {"datasets": ["cifar10"]}
    curve = {"temperature": [0.1, 1.0], "energy_weight": [1.0, 2.0], "learning_rate": [0.1, 0.3]}
    curves = {"dcl-w": {"loss": "dcl"} | curve, "dhel-w": {"loss": "dhel", "form": "mean"} | curve}
    curves["kcl-w"] = {"loss": "kcl", "kernel": "log", "gamma": [1.0, 4.0]}
    content["causes"] = {"datasets": ["cifar10"], "batch_size": 32, "seeds": [0, 1, 2, 3, 4], "losses": curves}
    content["transfer"] = {"batch_size": 32, "datasets": {"cifar10": {}, "cifar100": {}, "stl10": {}}}
    content["probe"] |= {"augmented": {"augment": {"flip": 0.5}}, "scaling": ["unit", "standardised"]}
    content["losses"]["infonce"] = {"loss": "infonce", "title": "InfoNCE", "temperature": 0.2}


ACCURACY = {"cifar10": 88.0, "cifar100": 60.0, "stl10": 84.0}


def truth_of_several(run, loss):
    weight, temperature = loss.get("energy_weight", 1.0), loss.get("temperature", 1.0)
    geometry = {
        "z_alignment": 0.2 * (weight / temperature) ** 0.5,
        "z_effective_rank": 20 + 5 * np.log(weight / temperature),
    }
    return geometry | {"test_accuracy": ACCURACY[run.dataset], "transfer_cifar10": 70.0, "transfer_cifar100": 50.0}


def complete(results):
    """The results with claims.csv."""
    judge(results, BOOK, PRESENT).to_csv(results.folder / "claims.csv", index=False)
    return results


@pytest.fixture(scope="session")
def results_of_several(tmp_path_factory):
    """Of a suite with every table and figure, whose data set stl10 is not run at all."""
    folder = tmp_path_factory.mktemp("several")
    suite = suite_of(folder, several)
    results = results_of(folder / "results", suite, truth_of_several, without=lambda run: run.dataset == "stl10")
    results.runs["transfer_stl10"] = 1.0
    results.runs.to_csv(results.folder / "runs.csv", index=False)
    return complete(results)


@pytest.fixture(scope="session")
def results_without(tmp_path_factory):
    """Results of the digits with causes, without some of the runs."""
    made = {}

    def with_all_losses(content):
        all_losses = content["losses"]
        with_causes([0, 1, 2, 3, 4])(content)
        content |= {"losses": all_losses, "batch_sizes": [16, 64, 128], "confirmatory": True}

    def without(missing):
        if missing not in made:
            folder = tmp_path_factory.mktemp("partly_done")
            suite = suite_of(folder, with_all_losses)
            runs = runs_of(suite, lambda run, values: {}, {"test_accuracy": 0.5, "z_effective_rank": 0.5})
            write(folder, runs[PARTS[missing](runs)])
            made[missing] = complete(Results(folder, suite))
        return made[missing]

    return without
