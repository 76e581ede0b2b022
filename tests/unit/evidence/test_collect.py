import numpy as np
import pandas as pd
import pytest

from dhel_kcl.evidence.collect import over_seeds, summary
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT


def test_over_seeds_counts_and_averages():
    key = {"dataset": "d", "section": "losses", "method": "m", "batch_size": 16}
    runs = [pd.DataFrame({"space": "z", "index": [1, 2], "value": [1.0, x]}).assign(**key) for x in (0.2, 0.4)]
    result = over_seeds(runs, ["space", "index"], "value")
    assert result["mean"].tolist() == pytest.approx([1.0, 0.3])
    assert result["std"].tolist() == pytest.approx([0.0, np.std([0.2, 0.4], ddof=1)])
    assert result["seeds"].tolist() == [2, 2]


def test_summary_averages_the_selected_runs_only():
    row = {"dataset": "digits", "section": "losses", "method": "dhel", "batch_size": 16, "z_effective_rank": np.nan}
    runs = pd.DataFrame([row | {"selected": s, "test_accuracy": a} for s, a in ((True, 80), (True, 90), (False, 0))])
    assert summary(runs, Suite.load(ROOT, "digits")) == {"DHEL, M = 16": {"test accuracy (%)": 85.0}}
