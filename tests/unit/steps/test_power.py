import pytest

from dhel_kcl.steps import power
from tests.pipeline import ROOT
from tests.synthetic import results_of, suite_of, with_rates, write


def test_a_planned_suite_is_told_what_it_can_see(tmp_path, call, capsys):
    """From the runs of another one, which need no more than a seed beside the first."""
    noise = {name: 1.0 for name in ("test_accuracy", "z_effective_rank", "h_effective_rank")}
    pilot = results_of(tmp_path / "pilot", suite_of(tmp_path, with_rates), noise=noise)

    def see(suite="cifar10_laptop", results=pilot.folder):
        call(power, "--root", ROOT, "--suite", suite, "--pilot", results)

    see()
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in header.split("|")[1:3]] == ["statement", "data set"]
    cells = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]] for row in rows}
    assert cells["accuracy"][:3] == ["CIFAR-10", "confirmatory", "18"]
    assert cells["untuned-rate"][1:3] == ["confirmatory", "18"]
    assert "positive" not in cells
    with pytest.raises(ValueError, match=r"suite smoke can judge no statement: too few seeds, or losses of the ledger"):
        see(suite="smoke")
    with pytest.raises(FileNotFoundError, match=r"nowhere/runs\.csv is missing; give --pilot the folder of results"):
        see(results="results/nowhere")
    write(pilot.folder, pilot.runs[pilot.runs.role == "grid"])
    with pytest.raises(ValueError, match=r"pilot/runs\.csv has no two runs that differ in their seed alone"):
        see()
