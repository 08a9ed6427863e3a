"""How fast this machine multiplies matrices."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from benchmarks.measure import seconds_of
from benchmarks.settings import Settings

PRODUCTS = 8
"""Products of one call, so that starting it does not count."""


class Ceiling:
    """The machine's matrix product, measured again whenever it is asked for.

    Args:
        settings: a quick run takes smaller matrices.
        dtype: of the matrices. Defaults to `"float32"`.
    """

    def __init__(self, settings: Settings, dtype: str = "float32"):
        on_cpu = keras.backend.backend() == "tensorflow" and not _sees_gpu()
        self.size = 1024 if settings.quick else 2048 if on_cpu else 8192
        random = np.random.default_rng(0)
        matrix = random.normal(size=(self.size, self.size)) / self.size**0.5
        self.matrix = ops.convert_to_tensor(matrix, dtype)
        self.multiply = compiled(_multiply)
        self._call()

    def measure(self) -> float:
        """Returns GFLOP/s: the better of two calls."""
        flops = PRODUCTS * 2 * self.size**3
        return max(flops / seconds_of(self._call) / 1e9 for _ in range(2))

    def _call(self):
        # The sum comes back, so the products have been finished.
        ops.convert_to_numpy(self.multiply(self.matrix))


def compiled(function: Callable) -> Callable:
    """Returns the function, compiled by Keras's backend."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function)


def _multiply(matrix):
    product = matrix
    for _ in range(PRODUCTS):
        product = ops.matmul(product, matrix)
    return ops.sum(product)


def _sees_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
