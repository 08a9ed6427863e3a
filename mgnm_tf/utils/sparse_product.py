"""Products with a sparse square matrix."""

from collections.abc import Callable

import keras
from keras import ops

from mgnm_tf.types import Tensor


def sparse_product(
    rows: Tensor, columns: Tensor, values: Tensor, size: int
) -> Callable[[Tensor], Tensor]:
    """Returns the function that multiplies by a sparse matrix.

    On TensorFlow the product is that of its compressed sparse rows, 8 times
    as fast as gathering and adding up, which the other backends do. XLA does
    not compile it, and it has no gradient: whoever trains through it writes
    that as a product, too. Keras has no operation for it, hence these lines
    of TensorFlow.

    Args:
        rows: int32, (n,), ascending.
        columns: int32, (n,).
        values: float32, (n,), the entries that are not 0.
        size: number of rows and of columns of the matrix.

    Returns:
        A function from (size, d) to (size, d), float32.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=tf.cast(tf.stack([rows, columns], axis=1), "int64"),
            values=values,
            dense_shape=tf.constant([size, size], "int64"),
        )
        return lambda x: tf.raw_ops.SparseMatrixMatMul(a=matrix, b=x)

    def product(x: Tensor) -> Tensor:
        terms = ops.take(x, columns, axis=0) * ops.expand_dims(values, -1)
        return ops.segment_sum(terms, rows, num_segments=size)

    return product
