"""Files with a few bytes changed, cut or added, for tests that damage is found and named."""

import os

from hypothesis import strategies as st

CASES = int(os.environ.get("TORTURE_CASES", "10000"))
"""How many of them `make torture` tries of each kind."""


@st.composite
def damaged_content(draw, content):
    """The content after a few bytes were changed, or cut, or added."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        kind = draw(st.sampled_from(["change", "cut", "add"]))
        if kind == "cut":
            del changed[at : at + draw(st.sampled_from([1, 7, len(changed)]))]
        elif kind == "add":
            changed[at:at] = draw(st.binary(min_size=1, max_size=9))
        elif changed:
            changed[at] = draw(st.integers(0, 255))
    return bytes(changed)
