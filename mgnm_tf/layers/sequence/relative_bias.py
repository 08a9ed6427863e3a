"""What attention adds for how far apart two events are."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.rows import take_rows
from mgnm_tf.utils.validation import check_positive_int

BUCKETS = 128
"""Number of classes of time gaps; the last one has no end."""

_BASE = 0.301
"""A class is this much of a natural logarithm wide."""


@register
class RelativeBias(keras.layers.Layer):
    """Learns one number for each distance in places and in time.

    ```
    r_ij = p[i - j] + t[floor(log(max(|time_i - time_j|, 1)) / 0.301)]
    ```

    It has `max_length` parameters, and 128 more with `use_time`.

    Args:
        max_length: the longest history. Defaults to `100`.
        use_time: whether times count. Defaults to `True`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        row_places: int, (batch or 1, rows): places i, 0 is the oldest.
        places: int, (length,): places j.
        row_times: int, (batch, rows), in seconds; `None` without `use_time`.
        times: int, (batch, length), in seconds; `None` without `use_time`.

    Returns:
        float32, (batch or 1, rows, length). Where j is later than i, it
        means nothing.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import RelativeBias
    >>> places = np.arange(3)
    >>> RelativeBias(use_time=False)(places[None], places).shape
    TensorShape([1, 3, 3])

    Reference: see `TransductionUnit`.
    """

    def __init__(self, max_length: int = 100, use_time: bool = True, **kwargs):
        check_positive_int(max_length, "max_length")
        super().__init__(**kwargs)
        self.max_length = max_length
        self.use_time = use_time
        self.build()

    def build(self, *shapes):
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.place_bias = self.add_weight(
            name="place_bias",
            shape=(self.max_length,),
            dtype="float32",
            initializer=normal,
        )
        self.time_bias = None
        if self.use_time:
            self.time_bias = self.add_weight(
                name="time_bias",
                shape=(BUCKETS,),
                dtype="float32",
                initializer=normal.clone(),
            )
        self.built = True

    def call(self, row_places, places, row_times=None, times=None):
        distance = row_places[:, :, None] - places
        distance = ops.clip(distance, 0, self.max_length - 1)
        bias = take_rows(self.place_bias, distance)
        if not self.use_time:
            return bias
        gap = ops.abs(row_times[:, :, None] - times[:, None, :])
        gap = ops.cast(ops.maximum(gap, 1), "float32")
        bucket = ops.cast(ops.log(gap) / _BASE, "int32")
        bucket = ops.minimum(bucket, BUCKETS - 1)
        return bias + take_rows(self.time_bias, bucket)

    def compute_output_shape(
        self,
        row_places_shape,
        places_shape,
        row_times_shape=None,
        times_shape=None,
    ):
        batch = (row_times_shape or row_places_shape)[0]
        return (batch, row_places_shape[1], places_shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "use_time": self.use_time,
        }
