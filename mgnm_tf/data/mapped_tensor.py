"""Arrays as tensors; those on disk stay there."""

import numpy as np
import tensorflow as tf

# What TensorFlow's kernels count on, in bytes; NumPy's header keeps it.
_ALIGNMENT = 64


class _Shared:
    """The memory of an array, which NumPy takes for writable.

    DLPack hands on no memory that is marked as read-only. TensorFlow never
    writes to a tensor that somebody else holds, too.

    Args:
        array: the array; it lives as long as this object.
    """

    def __init__(self, array: np.ndarray):
        self.array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {
            **array.__array_interface__,
            "data": (address, False),
        }


def tensor_of(array: np.ndarray) -> tf.Tensor:
    """Returns an array as a tensor.

    Args:
        array: an array of whole numbers. A memory-mapped one is not copied:
            the tensor reads the file, a page at a time, and may be larger
            than memory. Others are copied.
    """
    mapped = (
        isinstance(array, np.memmap)
        and array.size
        and array.flags.c_contiguous
        and array.ctypes.data % _ALIGNMENT == 0
    )
    if not mapped:
        return tf.constant(np.asarray(array))
    shared = np.asarray(_Shared(array))
    return tf.experimental.dlpack.from_dlpack(shared.__dlpack__())
