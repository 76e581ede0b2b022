"""The code in docs/losses.md as it stands there; examples/, which docs/examples.md shows, as they stand there."""

import doctest
import math
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize

from dhel_kcl.losses.dcl_loss import dcl
from dhel_kcl.losses.dhel_loss import DHELLoss, dhel
from dhel_kcl.losses.identification import identify
from dhel_kcl.losses.infonce_loss import infonce
from tests.pipeline import ROOT
from tests.unit.losses.test_identification import NTXentLoss, positive_in_the_denominator

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = (ROOT / "docs/losses.md").read_text()


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


SESSIONS = [block for block in blocks(PAGE) if block.startswith(">>>")]
CODE = [block for block in blocks(PAGE) if block not in SESSIONS]


class BaseMethod(torch.nn.Module):
    """Stands for solo-learn's: the training step gives what `forward` gives of each view, and the online classifier's
    loss."""

    def __init__(self, cfg):
        super().__init__()

    def forward(self, view):
        return {"feats": view}

    def training_step(self, batch, batch_idx):
        found = [self(view) for view in batch]
        return {key: [each[key] for each in found] for key in found[0]} | {"loss": torch.tensor(1.0)}


class SimCLR(BaseMethod):
    """Stands for solo-learn's, which has the projector, and whose training step is its whole loss."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.projector = torch.nn.Linear(5, 4)

    def forward(self, view):
        found = super().forward(view)
        return found | {"z": self.projector(found["feats"])}

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx)["loss"]


def test_every_block_is_run():
    assert (len(SESSIONS), len(CODE)) == (4, 1)


@pytest.mark.parametrize("session", SESSIONS)
def test_session(session):
    test = doctest.DocTestParser().get_doctest(session, {}, "docs/losses.md", None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_in_a_method_of_solo_learn():
    names = {"BaseMethod": BaseMethod, "SimCLR": SimCLR, "DHELLoss": DHELLoss}
    exec(compile(CODE[0], "docs/losses.md", "exec"), names)
    method = names["DHEL"](SimpleNamespace(method_kwargs=SimpleNamespace(temperature=0.3)))
    z1, z2 = torch.rand(8, 5), torch.rand(8, 5)
    loss = method.training_step([z1, z2], 0)
    projected = method.projector(z1), method.projector(z2)
    assert loss.item() == pytest.approx(DHELLoss(temperature=0.3)(*projected).item() + 1)
    loss.backward()
    assert method.projector.weight.grad.abs().sum() > 0


def test_what_identify_is_said_to_say_it_says():
    said = re.search(r"NTXentLoss\n(.*)\ncalled as .*\n.*\n(.*)\n```", PAGE)
    assert said.groups() == (str(identify(NTXentLoss())), str(identify(positive_in_the_denominator)))


@pytest.mark.parametrize(("loss", "ends_there"), [(infonce, False), (dhel, True), (dcl, True)])
def test_a_learned_temperature_ends_at_its_bound_where_the_loss_falls_without_bound(loss, ends_there):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(64, 8, generator=generator)
    z0, z1 = z.clone().requires_grad_(), (z + 0.5 * torch.randn(64, 8, generator=generator)).requires_grad_()
    log_scale = torch.tensor(math.log(1 / 0.07), requires_grad=True)
    optimizer = torch.optim.Adam([z0, z1, log_scale], lr=0.05)
    for _step in range(100):
        value = loss(normalize(z0), normalize(z1), temperature=(-log_scale).exp())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        with torch.no_grad():
            log_scale.clamp_(max=math.log(100))
    assert (log_scale.item() > math.log(99)) == ends_there


def test_the_page_shows_the_examples():
    shown = blocks((ROOT / "docs/examples.md").read_text())
    assert sorted(shown) == sorted(path.read_text() for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(path):
    assert len(path.read_text().splitlines()) < 40


def run(path, *start):
    """What an example prints, run from elsewhere."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, *start, path]
    ran = subprocess.run(command, cwd=path.parents[1], env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem != "several_processes"], ids=lambda p: p.stem)
def test_an_example_runs_and_what_it_asserts_holds(path):
    printed = run(path, "-W", "error")
    if path.stem == "anchor_form":  # trainings differ between processors
        anchor, mean = (list(map(int, re.findall(r"\d+", line.replace("of 32", "")))) for line in printed.splitlines())
        quoted = re.search(r"effective rank of (\d+) and the passages one of (\d+), `mean` gives\s+both (\d+)", PAGE)
        assert [*anchor[:2], *mean[:2]] == pytest.approx([*map(int, quoted.groups()), int(quoted[3])], abs=2)
        shares = (
            r"in (\d+) % of cases with `anchor` and (\d+) % with `mean`, a passage's query in (\d+) % and\s+(\d+) %"
        )
        quoted = re.search(shares, PAGE)
        found = [anchor[2], mean[2], anchor[3], mean[3]]
        assert found == pytest.approx([*map(int, quoted.groups())], abs=4)


def test_the_example_of_several_processes_gives_the_same_loss_in_each():
    """Takes 10 to 20 s, of which starting torchrun is most."""
    start = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    values = re.findall(r"loss (\d+\.\d{6})", run(ROOT / "examples/several_processes.py", *start))
    assert len(values) == 2
    assert values[0] == values[1]
