"""Generated damage to files."""

from hypothesis import strategies as st

mutations = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6)


def mutated(content, changes, keep):
    """`content` with some bytes overwritten, cut to the share `keep`."""
    content = bytearray(content)
    for place, new in changes:
        start = int(place * len(content))
        content[start : start + len(new)] = new[: len(content) - start]
    return bytes(content[: round(keep * len(content))])
