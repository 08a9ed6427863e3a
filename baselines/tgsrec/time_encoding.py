"""A vector for a span of time."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class TimeEncoding(keras.layers.Layer):
    """Turns spans of time into cosines of many frequencies.

    ```
    phi(x)_i = cos(w_i x + b_i),   w_i = 10^(-9 i / (d_T - 1)),   b_i = 0
    ```

    Frequencies w and phases b start there and are trained. Computed in
    float32.

    Args:
        time_dim: width d_T.
        time_scale: the unit of x, in seconds: 1, or 86400 for days. The
            gradient of a frequency is as large as the span, and float32 knows
            an angle to 7 digits: from spans of 10^6 units on, the highest
            frequency differs from device to device. Defaults to `1.0`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        gaps: int, (...), seconds. Integers keep their value under a float16
            policy, floats do not.

    Returns:
        float, (..., d_T).

    Raises:
        ValueError: `time_dim` is below 1, or `time_scale` is not above 0.

    Example:

    >>> import numpy as np
    >>> from baselines.tgsrec.time_encoding import TimeEncoding
    >>> np.asarray(TimeEncoding(2)(np.array([0, 3]))).round(2)
    array([[ 1.  ,  1.  ],
           [-0.99,  1.  ]], dtype=float32)

    Reference: Fan et al., "Continuous-Time Sequential Recommendation with
    Temporal Graph Collaborative Transformer", CIKM 2021; Xu et al.,
    "Inductive Representation Learning on Temporal Graphs", ICLR 2020.

    Differences: the papers pair cosine and sine and divide by the root of
    d_T; this is the form of the published code.
    """

    def __init__(self, time_dim: int, time_scale: float = 1.0, **kwargs):
        check_positive_int(time_dim, "time_dim")
        if not check_range(time_scale, "time_scale"):
            raise ValueError(
                "`time_scale` must be above 0. Received: "
                f"time_scale={time_scale}"
            )
        super().__init__(**kwargs)
        self.time_dim = time_dim
        self.time_scale = time_scale
        self.build()

    def build(self, gaps_shape=None):
        last = max(self.time_dim - 1, 1)
        powers = [10 ** (-9 * i / last) for i in range(self.time_dim)]
        # Not cast to the compute dtype: float16 does not reach 1e-9.
        self.frequencies = self.add_weight(
            name="frequencies",
            shape=(self.time_dim,),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(
                powers, dtype
            ),
            autocast=False,
        )
        self.phases = self.add_weight(
            name="phases",
            shape=(self.time_dim,),
            initializer="zeros",
            autocast=False,
        )
        self.built = True

    def call(self, gaps):
        spans = ops.expand_dims(ops.cast(gaps, "float32"), -1)
        if self.time_scale != 1.0:
            spans = spans / self.time_scale
        frequencies = ops.cast(self.frequencies, "float32")
        angles = spans * frequencies + ops.cast(self.phases, "float32")
        return ops.cast(ops.cos(angles), self.compute_dtype)

    def compute_output_shape(self, gaps_shape):
        return (*gaps_shape, self.time_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "time_dim": self.time_dim,
            "time_scale": self.time_scale,
        }
