"""What the C library does with memory that is freed."""

import ctypes
import platform

# Of <malloc.h>.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3

_LIMITS = {
    _TRIM_THRESHOLD: 1 << 30,
    _TOP_PAD: 1 << 26,
    _MMAP_THRESHOLD: 1 << 25,
}
"""The last one is the greatest that glibc takes."""


def keep_freed_memory() -> bool:
    """Lets the process keep what it frees in pieces of up to 32 MiB.

    A step of a training asks for the same tensors again and again. Where glibc
    gives them back to the system, each page is cleared anew. Its own limit
    adapts; but TensorFlow 2.21 sets it to 128 KiB, for good, whenever it makes
    a data set of a generator, and every distributed data set is one.

    Returns:
        Whether there is glibc here, and it has taken the limits.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(name, value) for name, value in _LIMITS.items()])
