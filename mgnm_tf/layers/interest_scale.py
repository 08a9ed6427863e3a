"""The length of interest vectors."""

import keras

from mgnm_tf.serialization import register
from mgnm_tf.utils.unit_vectors import unit_vectors
from mgnm_tf.utils.validation import check_range


@register
class InterestScale(keras.layers.Layer):
    """Gives interest vectors the length `1 / temperature`.

    With items of length 1 (`ItemEmbedding(unit_norm=True)`) the inner product
    of interest and item is then `cosine / temperature`. Scores are bounded,
    so neither the length of an interest nor that of a frequent item decides,
    and gradients do not wait for lengths to grow.

    Args:
        temperature: positive; `None` leaves the vectors as they are.
            Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        interests: float, (..., d).

    Returns:
        Like `interests`; a zero vector stays zero.

    Raises:
        ValueError: `temperature` is not between 1e-3 and 1e3.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import InterestScale
    >>> layer = InterestScale(temperature=0.5)
    >>> print(layer(np.array([[3.0, 4.0]])).numpy().round(3))
    [[1.2 1.6]]
    """

    def __init__(self, temperature: float | None = None, **kwargs):
        if temperature is not None:
            check_range(temperature, "temperature", 1e-3, 1e3)
        super().__init__(**kwargs)
        self.temperature = temperature
        self.built = True

    def call(self, interests):
        if self.temperature is None:
            return interests
        return unit_vectors(interests) / self.temperature

    def compute_output_shape(self, interests_shape):
        return interests_shape

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}
