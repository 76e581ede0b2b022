from contextlib import closing

from dhel_kcl.runtime.progress_bar import ProgressBar
from dhel_kcl.training.progress import Progress
from dhel_kcl.training.schedule import Schedule


def shown_for(capsys, shown):
    progress = Progress(Schedule(images=6, batch_size=2, steps=6, peak=1.0, warmup=0.0, seed=0), None)
    progress.record({"loss": 0.5}, 0.1)  # before the bar: a run that goes on
    with closing(ProgressBar(progress, shown)) as bar:
        for _ in range(5):
            progress.record({"loss": 0.5}, 0.1)
            bar(progress)
    return capsys.readouterr().err


def test_the_bar_begins_where_the_run_is_and_ends_with_the_last_loss(capsys):
    said = shown_for(capsys, shown=True)
    assert "| 1/6 [" in said.split("\r")[1]
    assert "| 6/6 [" in said.split("\r")[-1]
    assert "epoch=2, loss=0.5000" in said.split("\r")[-1]


def test_processes_that_are_not_the_first_show_nothing(capsys):
    assert shown_for(capsys, shown=False) == ""
