import platform
import resource
import subprocess
import sys

import pytest

STEPS = """
import ctypes, resource, torch
from dhel_kcl.runtime.allocator import keep_freed_memory
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a huge page would count as one
keep_freed_memory()
faults = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
for step in range(6):
    buffers = [torch.ones(2**21) for _ in range(16)]
    del buffers
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[1] - faults[0], faults[6] - faults[3])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_step_finds_its_memory_where_the_last_one_left_it():
    """A step touches 128 MiB, page by page. By default later steps do so again, in most runs."""
    result = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    first, later = map(int, result.stdout.split())
    pages = 2**27 // resource.getpagesize()
    assert first > 0.9 * pages
    assert later < 0.03 * pages


def test_the_peak_of_memory_is_what_was_held_not_what_is():
    text = """
from dhel_kcl.runtime.allocator import resident_peak
before = resident_peak()
held = bytearray(b"1") * 200_000_000
del held
print(before, resident_peak())
"""
    result = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    before, after = map(int, result.stdout.split())
    assert before < 150_000_000
    assert 200_000_000 <= after < 400_000_000
