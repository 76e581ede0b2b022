import pytest

from tests import pretraining


@pytest.fixture
def train(pretrain_spec, digits_folder, split_file, monkeypatch):
    """Function that runs the step `pretrain` in this process; returns its exit status and what it said."""

    def call(folder, *more, content=pretrain_spec):
        return pretraining.here(monkeypatch, pretraining.options(content, digits_folder, split_file, folder, *more))

    return call
