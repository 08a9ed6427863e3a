"""Arrays as tensors; those on disk stay there."""

import numpy as np
import tensorflow as tf

from mgnm_tf.data.batches.batch_plan import ALIGNMENT


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


def tensor_of(array: np.ndarray, share: bool = False) -> tf.Tensor:
    """Returns an array as a tensor.

    Args:
        array: an array of whole numbers. A memory-mapped one is not copied:
            the tensor reads the file, a page at a time, and may be larger
            than memory. Others are copied.
        share: whether one in memory is not copied either, if it is aligned;
            nobody may write to it then. Defaults to `False`.
    """
    shared = (
        (share or isinstance(array, np.memmap))
        and array.size
        and array.flags.c_contiguous
        # NumPy's header keeps it in files.
        and array.ctypes.data % ALIGNMENT == 0
    )
    if not shared:
        return tf.constant(np.asarray(array))
    writable = np.asarray(_Shared(array))
    return tf.experimental.dlpack.from_dlpack(writable.__dlpack__())
