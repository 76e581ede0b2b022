import re

from dhel_kcl.study.config_reference import reference
from dhel_kcl.study.section import Section
from tests.pipeline import ROOT


def rows():
    lines = [line.strip("| ").split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    return {line[0].strip("`"): line[1:] for line in lines}


def test_the_committed_reference_is_that_of_the_models():
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_every_row_says_what_its_key_means():
    assert all(meaning for meaning, *_ in rows().values())


def test_rows_state_default_and_range():
    table = rows()
    assert table["training.momentum"] == ["Momentum of SGD.", "0.9", "number >= 0, < 1"]
    assert table["precision"][1:] == ['"auto"', "auto, fp32, bf16"]
    assert table["batch_sizes"][1:] == ["", "list of integer >= 2 (at least 1)"]
    assert table["datasets.<name>.split.train"][1:] == ["null", "null or integer >= 2"]
    assert table["datasets.<name>.training"][1:] == ["the suite's", "as `training`"]
    assert table["probe.augmented.augment"][1:] == ["required", "as `datasets.<name>.augment`"]
    assert table["losses.<name>.kernel"][2] == "gaussian, log, imq, riesz, gaussian_riesz"
    assert table["losses.<name>.learning_rate"][1:] == ["", "number > 0, or a list of such"]
    assert table["final.training"][1:] == ["required", "object"]
    assert table["causes.losses"][1:] == ["required", "as `losses`"]
    assert table["probe.scaling"][1:] == ['["unit"]', "unit, standardised, or a list of such"]
    assert table["form"][1:] == ['["sum"]', "anchor, mean, sum, or a list of such"]


def test_every_key_of_every_section_has_a_row():
    table, sections = rows(), [Section]
    while sections:
        section = sections.pop()
        sections += section.__subclasses__()
        for key in section.model_fields:
            assert any(re.search(rf"(^|\.){key}$", row) for row in table), f"{section.__name__}.{key}"
