"""Functions that XLA compiles on every backend."""

from collections.abc import Callable

import keras


def compiled(function: Callable) -> Callable:
    """Lets XLA compile a function of tensors, written with `keras.ops`.

    XLA computes a chain of element-wise functions in one pass over its
    arguments, where TensorFlow writes each result to memory. Compiling takes
    about half a second for each combination of shapes, so this is for few
    shapes and much work. JAX compiles `predict` anyway.

    Args:
        function: takes and returns tensors, or lists, tuples and dicts of
            them. Variables of Keras that it reads are arguments too.

    Returns:
        A function of the same arguments; `function` itself on other backends
        than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)
