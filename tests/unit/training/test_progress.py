import copy
import csv
import io
import time
from dataclasses import replace

import pytest
import torch

from dhel_kcl.training.progress import Diverged, Progress
from dhel_kcl.training.schedule import Schedule

SCHEDULE = Schedule(images=7, batch_size=2, steps=6, peak=1.0, warmup=0.0, seed=0)
"""Three steps an epoch."""


def progress_after(steps, minimum=0.5):
    progress = Progress(SCHEDULE, minimum)
    for step in range(steps):
        progress.record({"loss": 1.0 + step, "alignment": 10.0 * step}, rate=0.1 * (step + 1))
    return progress


def test_an_epoch_ends_in_a_row_with_its_means():
    progress = progress_after(6)
    assert progress.finished
    assert [list(row) for row in progress.rows] == [
        ["epoch", "step", "loss", "alignment", "gap", "learning_rate", "views_per_second"]
    ] * 2
    first, second = progress.rows
    assert (first["epoch"], first["step"], first["loss"], first["alignment"], first["gap"]) == (1, 3, 2.0, 10.0, 1.5)
    assert (second["epoch"], second["step"], second["loss"], second["alignment"]) == (2, 6, 5.0, 40.0)
    assert second["learning_rate"] == pytest.approx(0.6)


def test_the_last_epoch_ends_with_the_run():
    """Of five updates at three an epoch: a row of the two that are left, with their means."""
    progress = Progress(replace(SCHEDULE, steps=5), None)
    for step in range(5):
        progress.record({"loss": 1.0 + step}, rate=0.1)
    assert progress.finished
    assert [(row["epoch"], row["step"], row["loss"]) for row in progress.rows] == [(1, 3, 2.0), (2, 5, 4.5)]


def test_the_gap_is_empty_where_no_least_value_is_known():
    assert progress_after(3, minimum=None).rows[0]["gap"] is None


def test_each_step_says_where_the_run_is():
    """All that a progress bar and a live curve show."""
    progress, seen = Progress(SCHEDULE, None), []
    for step in range(6):
        progress.record({"loss": 1.0 + step, "alignment": 0.5}, rate=0.1)
        seen.append((progress.done, progress.epoch, progress.ends_epoch, progress.finished, progress.views))
        assert progress.values == {"loss": 1.0 + step, "alignment": 0.5}
        assert (progress.rate, progress.steps) == (0.1, 6)
    assert seen == [
        (1, 1, False, False, 4), (2, 1, False, False, 8), (3, 1, True, False, 12),
        (4, 2, False, False, 16), (5, 2, False, False, 20), (6, 2, True, True, 24),
    ]  # fmt: skip


def test_speed_is_that_of_the_epoch_and_seconds_those_of_the_run(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    progress = Progress(SCHEDULE, None)
    progress.start()
    clock[0] += 5  # until the first views are there
    progress.start_epoch()
    for second in (1, 1, 2, 10, 10):
        clock[0] += second
        progress.record({"loss": 1.0}, 0.1)
    assert progress.rows[0]["views_per_second"] == pytest.approx(3 * 4 / 4)
    assert progress.views_per_second == pytest.approx(2 * 4 / 20)
    assert progress.seconds == pytest.approx(29)
    later = Progress(SCHEDULE, None)
    later.load_state_dict(copy.deepcopy(progress.state_dict()))
    clock[0] += 1000  # while nothing ran
    later.start()
    later.start_epoch()
    clock[0] += 3
    later.record({"loss": 1.0}, 0.1)
    assert later.rows[1]["views_per_second"] == pytest.approx(4 / 3)
    assert later.seconds == pytest.approx(32)


@pytest.mark.parametrize("kept", range(7))
def test_what_is_saved_and_loaded_goes_on_as_if_nothing_was(kept, tmp_path):
    """After any step, through the file that tensors and plain values alone may stand in."""
    whole, first, later = progress_after(6), progress_after(kept), Progress(SCHEDULE, 0.5)
    torch.save(first.state_dict(), tmp_path / "state")
    later.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert (later.done, later.values, later.rate) == (first.done, first.values, first.rate)
    for step in range(kept, 6):
        later.record({"loss": 1.0 + step, "alignment": 10.0 * step}, rate=0.1 * (step + 1))
    for row in (*whole.rows, *later.rows):
        del row["views_per_second"]
    assert later.rows == whole.rows


def test_a_loss_that_is_not_finite_is_refused_with_where_it_was():
    progress = progress_after(4)
    for loss in (float("nan"), float("inf")):
        message = (
            rf"the loss became {loss} in epoch 2, step 2, learning rate 0\.7; the last finite values were loss 4, align"
        )
        with pytest.raises(Diverged, match=message):
            progress.record({"loss": loss, "alignment": 0.0}, rate=0.7)
    assert progress.done == 4
    with pytest.raises(ArithmeticError, match=r"in epoch 1, step 1, learning rate 0\.1; no step was finite"):
        progress_after(0).record({"loss": float("nan")}, rate=0.1)


def test_weights_that_are_not_finite_are_those_of_the_last_step():
    progress = progress_after(3)
    progress.require_finite(True)
    message = r"the weights became NaN or infinite in epoch 1, step 3, learning rate 0\.3; the last finite values were"
    with pytest.raises(Diverged, match=message):
        progress.require_finite(False)


def test_the_log_is_written_in_full_precision(tmp_path):
    progress = progress_after(6, minimum=None)
    progress.rows[0]["loss"] = 0.1 + 0.2
    progress.write_log(tmp_path / "log.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "log.csv").read_text())))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[0]["loss"]) == 0.1 + 0.2
    assert rows[0]["gap"] == ""
    progress_after(0).write_log(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text().splitlines() == ["epoch", '""']
