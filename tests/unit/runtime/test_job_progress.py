import io
import logging

import pytest

from dhel_kcl.runtime import job_progress
from dhel_kcl.runtime.job_progress import Estimate, JobProgress, duration, follow

KINDS = {1: ("train", 16), 2: ("train", 16), 3: ("train", 64), 4: ("evaluate",), 5: ("evaluate",)}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(event=None, message="", **values):
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, message, None, None)
    made.__dict__.update(values, event=event)
    return made


def test_nothing_is_known_before_the_first_job_has_finished():
    estimate = Estimate(KINDS, now=0.0)
    estimate.start(1, 0.0)
    assert estimate.seconds_left(5.0) is None
    assert (estimate.done, estimate.total) == (0, 5)


def test_the_time_left_is_that_of_the_kinds_over_how_many_run_at_once():
    estimate = Estimate(KINDS, now=0.0)
    for job, start, end in ((1, 0.0, 10.0), (4, 10.0, 12.0)):
        estimate.start(job, start)
        estimate.finish(job, end)
    # One more training of 10 s, one of an unknown kind, taken for the mean of trainings, and an evaluation of 2 s.
    assert estimate.seconds_left(12.0) == pytest.approx(22.0)
    estimate.start(2, 12.0)
    assert estimate.seconds_left(16.0) == pytest.approx(18.0)
    assert estimate.done == 2


def test_two_jobs_at_once_take_half_the_time():
    estimate = Estimate(KINDS, now=0.0)
    for job in (1, 2):
        estimate.start(job, 0.0)
    for job in (1, 2):
        estimate.finish(job, 10.0)
    assert estimate.seconds_left(10.0) == pytest.approx(30.0 / 2)


def test_a_failed_job_is_counted_and_can_be_tried_again():
    estimate = Estimate(KINDS, now=0.0)
    estimate.start(1, 0.0)
    estimate.fail(1)
    assert (estimate.failed, estimate.done) == (1, 0)
    estimate.start(1, 5.0)
    estimate.finish(1, 6.0)
    assert estimate.done == 1
    assert estimate.seconds_left(6.0) > 0


def test_one_line_on_a_terminal_that_gives_way_to_what_matters():
    stream, clock = Terminal(), iter(range(0, 1000, 10))
    progress = JobProgress(KINDS, stream)
    progress.clock = lambda: float(next(clock))
    progress.estimate.started = 0.0
    progress.handle(record("job_info", jobid=1))
    progress.handle(record("job_finished", job_id=1))
    assert stream.getvalue().endswith("\r\x1b[K1 of 5 jobs; 10 s gone, about 40 s left")
    progress.handle(record("job_error", jobid=2))
    assert stream.getvalue().endswith("\r\x1b[K"), "the line is cleared before the error is printed"
    progress.handle(record("job_info", jobid=3))
    assert "1 of 5 jobs, 1 failed; " in stream.getvalue().rsplit("\r", 1)[1]
    progress.end("See results/.")
    assert stream.getvalue().endswith("\r\x1b[K1 of 5 jobs in 40 s. See results/.\n")


def test_a_line_every_half_minute_in_a_file():
    stream, time = io.StringIO(), [0.0]
    progress = JobProgress(KINDS, stream)
    progress.clock = lambda: time[0]
    progress.estimate.started = progress.shown = 0.0
    for time[0], job in ((10.0, 1), (29.0, 2), (31.0, 3), (40.0, 4), (62.0, 5)):
        progress.handle(record("job_info", jobid=job))
    assert [line.split(";")[1] for line in stream.getvalue().splitlines()] == [
        " 31 s gone, time left not known yet",
        " 1 min gone, time left not known yet",
    ]


def test_the_log_of_a_stream_loses_what_the_line_stands_for_and_no_error(tmp_path):
    logger, stream = logging.Logger("snakemake-like"), io.StringIO()
    file = logging.FileHandler(tmp_path / "log")
    for handler in (logging.StreamHandler(stream), file):
        logger.addHandler(handler)
    follow(logger, KINDS).stream = io.StringIO()
    for event in job_progress.DROPPED:
        logger.handle(record(event, event, jobid=1, job_id=1))
    logger.handle(record(None, job_progress.CHATTER))
    logger.handle(record("job_error", "rule train failed", jobid=1))
    logger.handle(record(None, "a warning"))
    file.close()
    assert stream.getvalue().splitlines() == ["rule train failed", "a warning"]
    assert len((tmp_path / "log").read_text().splitlines()) == len(job_progress.DROPPED) + 3


def test_the_events_are_those_of_snakemake():
    from snakemake_interface_logger_plugins.common import LogEvent

    assert {*job_progress.DROPPED, "job_error"} <= {str(event) for event in LogEvent}


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (60, "1 min"), (200, "3 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
