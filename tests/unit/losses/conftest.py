import pytest

from dhel_kcl.losses import blocks


@pytest.fixture
def sized(monkeypatch):
    """Function that has batches computed plainly, or in blocks of 3 x 4."""

    def choose(large):
        monkeypatch.setattr(blocks, "LARGEST_PLAIN", 1 if large else 10**9)
        monkeypatch.setattr(blocks, "ROWS", 3)
        monkeypatch.setattr(blocks, "COLUMNS", 4)

    return choose
