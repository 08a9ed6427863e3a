import ctypes
import platform
import subprocess
import sys

import pytest

from mgnm_tf.training import callbacks
from mgnm_tf.utils.freed_memory import keep_freed_memory

M_MMAP_THRESHOLD = -3


class Counts(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33; `hblks` counts what was mapped."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks"),
            *("fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def is_mapped(size):
    """Whether a piece goes back to the system when it is freed."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    libc.mallinfo2.restype = Counts
    before = libc.mallinfo2().hblks
    place = libc.malloc(ctypes.c_size_t(size))
    after = libc.mallinfo2().hblks
    libc.free(place)
    return after > before


def in_a_fresh_process():
    # As TensorFlow does, once in a process, for a data set of a generator.
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 128 << 10)
    assert is_mapped(24 << 20)
    assert keep_freed_memory()
    assert not is_mapped(24 << 20)
    assert is_mapped(256 << 20)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="memory is not that of glibc"
)
def test_freed_memory_is_kept():
    code = f"from {__name__} import *; in_a_fresh_process()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()


def test_every_pass_says_so_once(monkeypatch):
    said = []
    monkeypatch.setattr(callbacks, "keep_freed_memory", lambda: said.append(1))
    callback = callbacks.KeepFreedMemory()
    for batch in range(3):
        callback.on_train_batch_begin(batch)
        callback.on_test_batch_begin(batch)
    assert len(said) == 2
