"""The C library's memory, for programs that ask for the same large buffers in every step."""

import ctypes
import platform
import resource
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""
LARGEST_MMAP_THRESHOLD = 32 * 2**20


def keep_freed_memory() -> None:
    """Let this process keep what it frees, where the C library is glibc; elsewhere do nothing.

    By default glibc returns the activations of a training step to the kernel, and the next step waits for the same
    pages to be handed out and zeroed again. Peak memory grows by a few percent.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)


def resident_peak() -> int:
    """Bytes of main memory that this process held at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
