"""Initial values of weights."""

import keras


def get_initializer(
    initializer: float | str, seed: int | None = None
) -> keras.initializers.Initializer:
    """Returns an initializer.

    Args:
        initializer: the name of an initializer of Keras, or the standard
            deviation of a normal draw.
        seed: seed of that draw. Defaults to `None`.
    """
    if isinstance(initializer, str):
        return keras.initializers.get(initializer)
    return keras.initializers.RandomNormal(stddev=initializer, seed=seed)


def uniform_of_width(width: int) -> keras.initializers.Initializer:
    """Returns the uniform draw between -1 / sqrt(width) and 1 / sqrt(width).

    PyTorch's draw for recurrent cells, and that of all weights, biases and
    tables, of SR-GNN and the models that follow it. A new object at each
    call: Keras asks for an initializer of its own for each weight.

    Args:
        width: the width of what the weights are multiplied with.
    """
    bound = width**-0.5
    return keras.initializers.RandomUniform(-bound, bound)
