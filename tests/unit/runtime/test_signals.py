import os
import signal

import pytest

from dhel_kcl.runtime.signals import REQUESTS, StopRequest


@pytest.fixture(autouse=True)
def a_terminal_whose_end_is_heard():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_the_end_of_a_terminal_stays_ignored_where_it_is():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop()


@pytest.mark.parametrize("number", REQUESTS)
def test_a_request_to_stop_is_remembered_and_ends_nothing(number):
    with StopRequest() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.received == number.name


def test_after_the_block_signals_do_what_they_did_before():
    before = [signal.getsignal(number) for number in REQUESTS]
    with StopRequest():
        assert all(signal.getsignal(number) != handler for number, handler in zip(REQUESTS, before, strict=True))
    assert [signal.getsignal(number) for number in REQUESTS] == before


def test_a_process_that_ends_by_a_request_is_not_cut_short_by_another():
    before = {number: signal.getsignal(number) for number in REQUESTS}
    try:
        with pytest.raises(SystemExit), StopRequest() as stop:
            raise SystemExit(75)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == "SIGTERM"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
