import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, sys, torch
from dhel_kcl.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
for step in range(6):
    if step == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    buffers = [torch.ones(2**21) for _ in range(16)]
    del buffers
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_step_finds_its_memory_where_the_last_one_left_it():
    def faults(argument):
        command = [sys.executable, "-c", STEPS, argument]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 1000 < faults("default")  # three steps touch 98,304 pages of 4 KiB
