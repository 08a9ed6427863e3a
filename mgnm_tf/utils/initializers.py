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


def draw_normal(model: keras.Model, stddev: float) -> None:
    """Draws the weights of a model anew, from a normal distribution.

    All kernels, biases and tables but those of recurrent cells, as ReChorus
    does; scales and shifts of normalisations stay as they are.

    Args:
        model: a model with its weights made.
        stddev: the standard deviation.
    """
    for variable in model.trainable_variables:
        *layers, name = variable.path.split("/")
        recurrent = layers and layers[-1].endswith("_cell")
        if recurrent or name not in ("kernel", "bias", "embeddings"):
            continue
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        variable.assign(initializer(variable.shape, variable.dtype))
