"""The code in docs/losses.md, as it stands there."""

import doctest
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from tests.pipeline import ROOT

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/losses.md").read_text(), flags=re.MULTILINE | re.DOTALL)
SESSIONS = [block for block in BLOCKS if block.startswith(">>>")]
SCRIPTS = [block for block in BLOCKS if block.startswith("# train.py")]
CODE = [block for block in BLOCKS if block not in SESSIONS + SCRIPTS]


class BaseMethod(torch.nn.Module):
    """Stands for solo-learn's: the training step gives each view's projection and the online classifier's loss."""

    def __init__(self, cfg):
        super().__init__()
        self.projector = torch.nn.Linear(5, 4)

    def training_step(self, batch, batch_idx):
        return {"z": [self.projector(view) for view in batch], "loss": torch.tensor(1.0)}


def test_every_block_is_run():
    assert (len(SESSIONS), len(SCRIPTS), len(CODE)) == (1, 1, 3)


def test_session():
    test = doctest.DocTestParser().get_doctest(SESSIONS[0], {}, "docs/losses.md", None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_loops_of_others():
    names = {"BaseMethod": BaseMethod}
    for block in CODE:
        exec(compile(block, "docs/losses.md", "exec"), names)
    assert names["loss"].shape == ()
    method = names["DHEL"](SimpleNamespace(method_kwargs=SimpleNamespace(temperature=0.3)))
    z1, z2 = torch.rand(8, 5), torch.rand(8, 5)
    loss = method.training_step([z1, z2], 0)
    projected = method.projector(z1), method.projector(z2)
    assert loss.item() == pytest.approx(names["DHELLoss"](temperature=0.3)(*projected).item() + 1)
    loss.backward()
    assert method.projector.weight.grad.abs().sum() > 0


def test_script_on_two_processes(tmp_path):
    """The same loss in both. Takes 10 to 20 s, of which starting torchrun is most."""
    (tmp_path / "train.py").write_text(SCRIPTS[0])
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    values = re.findall(r"loss (\d+\.\d{6})", run.stdout)
    assert len(values) == 2
    assert values[0] == values[1]
