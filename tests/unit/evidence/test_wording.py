"""How effects are written."""

import math

import pytest

from dhel_kcl.evidence.wording import signed, with_interval


@pytest.mark.parametrize(
    ("value", "text"), [(1.25, "+1.2"), (-0.31, "-0.3"), (0.04, "0.0"), (-0.04, "0.0"), (0.0, "0.0"), (0.06, "+0.1")]
)
def test_what_is_rounded_to_nothing_has_no_sign(value, text):
    assert signed(value, 1) == text


def test_an_effect_is_written_with_its_interval_where_that_is_known():
    assert with_interval(1.2, -0.4, 2.04, 1) == "+1.2 (-0.4 to +2.0)"
    assert with_interval(-0.004, -0.1, 0.1, 2) == "0.00 (-0.10 to +0.10)"
    assert with_interval(1.2, math.nan, math.nan, 1) == "+1.2"
