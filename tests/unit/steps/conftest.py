import pytest


@pytest.fixture
def call(monkeypatch):
    """Function that runs a step in this process, as if these arguments had been typed."""

    def run(step, *arguments):
        monkeypatch.setattr("sys.argv", [step.__name__, *map(str, arguments)])
        step.main()

    return run
