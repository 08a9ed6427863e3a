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
