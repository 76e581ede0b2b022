"""The step `identify`: what can be named, and what is said of what cannot."""

import contextlib
import sys

import pytest

from dhel_kcl.runtime import cli
from dhel_kcl.steps import identify

MINE = """
from dhel_kcl.losses import DHELLoss
loss = DHELLoss(0.3)
class Configured:
    def __init__(self, temperature): ...
    def compute(self, z0, z1): return DHELLoss(0.7)(z0, z1)
class Holder:
    loss = loss
temperature = 0.3
def returns_two(z0, z1): return loss(z0, z1), 0
"""


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """Function that runs the step in a folder with modules of one's own; gives what it prints."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "broken.py").write_text("import not_there")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "leave", lambda: None)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def said(*arguments):
        monkeypatch.setattr(sys, "argv", ["dhel-kcl identify", *arguments])
        with contextlib.suppress(SystemExit):
            cli.run(identify.main)
        written = capsys.readouterr()
        return written.out or written.err

    yield said
    for name in ("mine", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("target", "first"),
    [
        ("mine:loss", "DHEL, sum, τ = 0.3, times 1.00, plus 0.00"),
        ("mine:Holder.loss", "DHEL, sum, τ = 0.3, times 1.00, plus 0.00"),
        ("dhel_kcl.losses:SimCLRLoss", "SimCLR, τ = 0.5, times 1.00, plus 0.00"),
    ],
)
def test_it_says_which_loss_and_how_it_was_called(said, target, first):
    lines = said(target, "--batch-sizes", "5", "7").splitlines()
    assert lines[0] == first
    assert lines[1].startswith("called as f(z0, z1) on raw embeddings; largest deviation ")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("mine", "name the loss as package.module:callable; got 'mine'"),
        ("nowhere:loss", "nowhere:loss cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("mine:DHEL", "mine:DHEL cannot be imported: AttributeError: module 'mine' has no attribute 'DHEL'"),
        ("broken:loss", "broken:loss cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
        ("mine:temperature", "mine:temperature is a float, which cannot be called"),
        ("mine:Configured", "a module of your own: `loss = Configured(...)`"),
        ("mine:Configured.compute", "missing 1 required positional argument"),
        ("mine:returns_two", "f(z0, z1): ValueError: returns a tuple, not a scalar"),
    ],
)
def test_what_cannot_be_identified_is_one_error(said, target, error):
    text = said(target)
    assert text.startswith("error: ")
    assert error in text


@pytest.mark.parametrize("size", ["2", "six", "-4"])
def test_a_batch_size_is_a_number_of_at_least_3(said, size):
    assert f"a batch size is a whole number, at least 3; got '{size}'" in said("mine:loss", "--batch-sizes", size)
