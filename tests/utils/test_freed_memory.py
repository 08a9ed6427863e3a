import ctypes
import platform

import pytest
import tensorflow as tf

from mgnm_tf.training.callbacks import KeepFreedMemory
from mgnm_tf.utils.freed_memory import keep_freed_memory

ON_GLIBC = platform.libc_ver()[0] == "glibc"


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
    """Whether so many bytes are asked of the system, and given back."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    libc.mallinfo2.restype = Counts
    before = libc.mallinfo2().hblks
    place = libc.malloc(ctypes.c_size_t(size))
    after = libc.mallinfo2().hblks
    libc.free(place)
    return after > before


@pytest.mark.skipif(not ON_GLIBC, reason="memory is not that of glibc")
@pytest.mark.parametrize("begin", ["train", "test"])
def test_a_data_set_of_a_generator_changes_nothing(begin):
    spec = tf.TensorSpec((), tf.int32)
    made = tf.data.Dataset.from_generator(lambda: [1], output_signature=spec)
    assert len(list(made)) == 1
    assert is_mapped(1 << 20), "TensorFlow does no longer set the limit"
    callback = KeepFreedMemory()
    getattr(callback, f"on_{begin}_batch_begin")(1)
    assert is_mapped(1 << 20)
    getattr(callback, f"on_{begin}_batch_begin")(0)
    assert not is_mapped(1 << 20)
    assert is_mapped(1 << 28)


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
