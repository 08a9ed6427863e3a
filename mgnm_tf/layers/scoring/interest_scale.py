"""The origin and the length of interest vectors."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.unit_vectors import unit_vectors
from mgnm_tf.utils.validation import check_range


@register
class InterestScale(keras.layers.Layer):
    """Gives interest vectors the length `1 / temperature`.

    ```
    y = (q + b) / (|q + b| * temperature)       b only with `use_bias`
    ```

    With items of length 1 (`ItemEmbedding(unit_norm=True)`) the inner product
    of interest and item is then `cosine / temperature`. Scores are bounded,
    so neither the length of an interest nor that of a frequent item decides,
    and gradients do not wait for lengths to grow.

    An interest that is a weighted mean of a history cannot say what everybody
    likes. The bias, one learned vector for all interests, can: it leans all
    of them towards the same items, the more the less a history says.

    Args:
        temperature: positive; `None` leaves the vectors as they are.
            Defaults to `None`.
        use_bias: whether a learned vector, zero at the start, is added
            first. Defaults to `False`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        interests: float, (..., d).

    Returns:
        Like `interests`; without a bias a zero vector stays zero.

    Raises:
        ValueError: `temperature` is not between 1e-3 and 1e3.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import InterestScale
    >>> layer = InterestScale(temperature=0.5)
    >>> print(layer(np.array([[3.0, 4.0]])).numpy().round(3))
    [[1.2 1.6]]
    """

    def __init__(
        self,
        temperature: float | None = None,
        use_bias: bool = False,
        **kwargs,
    ):
        if temperature is not None:
            check_range(temperature, "temperature", 1e-3, 1e3)
        super().__init__(**kwargs)
        self.temperature = temperature
        self.use_bias = use_bias

    def build(self, interests_shape):
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=interests_shape[-1:], initializer="zeros"
            )
        self.built = True

    def call(self, interests):
        if self.bias is not None:
            interests = interests + ops.cast(self.bias, interests.dtype)
        if self.temperature is None:
            return interests
        return unit_vectors(interests) / self.temperature

    def compute_output_shape(self, interests_shape):
        return interests_shape

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "use_bias": self.use_bias,
        }
