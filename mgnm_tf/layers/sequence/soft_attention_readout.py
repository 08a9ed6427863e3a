"""The vector of a session: a weighted sum beside its newest state."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import zero_invalid


@register
class SoftAttentionReadout(keras.layers.Layer):
    """Sums the states of a session, weighted by what its newest one asks.

    ```
    a_i = q . sigmoid(W_1 h_n + b_1 + W_2 h_i + b_2)          (equation 6)
    s   = W_3 [sum_i a_i h_i ; h_n] + b_3                     (equation 7)
    ```

    The weights a are not normalised: a state that comes twice counts twice.
    With a vector c of the whole session (the star of SGNN-HN) the sigmoid
    is that of `W_1 h_n + b_1 + W_2 h_i + b_2 + W_c c + b_c`.

    Args:
        use_context: whether there is a vector of the session. Defaults to
            `False`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        states: float, (batch, length, d).
        valid_mask: bool, (batch, length), True first (right padding).
        context: float, (batch, d), c; with `use_context` alone.

    Returns:
        float, (batch, d).

    Masking: padding changes nothing; a session without a valid position has
    a vector of zeros.

    Parameters: `4 d^2 + 4 d`, with `use_context` `5 d^2 + 5 d`. All are drawn
    uniformly between -1 / sqrt(d) and 1 / sqrt(d).

    Raises:
        ValueError: a vector of the session is missing, or there is one
            without `use_context`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import SoftAttentionReadout
    >>> states = np.ones((2, 3, 4), "float32")
    >>> mask = np.array([[True, True, False], [True, False, False]])
    >>> SoftAttentionReadout()(states, valid_mask=mask).shape
    TensorShape([2, 4])

    Reference: Wu et al., "Session-based recommendation with graph neural
    networks", AAAI 2019, section 3.4, https://arxiv.org/abs/1811.00855.

    Differences: the paper has one bias in the sigmoid and none in W_3; this
    is the published code.
    """

    def __init__(self, use_context: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.use_context = use_context

    def build(self, states_shape, valid_mask_shape=None, context_shape=None):
        dim = states_shape[-1]
        self.query = self._dense(dim, dim, "query")
        self.key = self._dense(dim, dim, "key")
        self.context = None
        if self.use_context:
            self.context = self._dense(dim, dim, "context")
        self.weight = self._dense(dim, 1, "weight", use_bias=False)
        self.merge = keras.layers.Dense(
            dim,
            kernel_initializer=uniform_of_width(dim),
            bias_initializer=uniform_of_width(dim),
            name="merge",
            dtype=self.dtype_policy,
        )
        self.merge.build((None, 2 * dim))
        self.built = True

    def _dense(self, dim, units, name, use_bias=True):
        """Returns a built `Dense` for vectors of width `dim`."""
        layer = keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=uniform_of_width(dim),
            bias_initializer=uniform_of_width(dim),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, dim))
        return layer

    def call(self, states, valid_mask, context=None):
        if self.use_context != (context is not None):
            raise ValueError(
                "`context` goes with `use_context`. Received: "
                f"use_context={self.use_context} and "
                f"{'no' if context is None else 'a'} context"
            )
        newest = last_valid(states, valid_mask)
        asked = self.query(newest)
        if self.use_context:
            asked = asked + self.context(context)
        logits = ops.sigmoid(self.key(states) + ops.expand_dims(asked, 1))
        weights = zero_invalid(self.weight(logits), valid_mask)
        total = ops.sum(weights * states, axis=1)
        merged = self.merge(ops.concatenate([total, newest], axis=-1))
        return zero_invalid(merged, ops.any(valid_mask, axis=-1))

    def compute_output_shape(
        self, states_shape, valid_mask_shape=None, context_shape=None
    ):
        return (states_shape[0], states_shape[2])

    def get_config(self):
        return {**super().get_config(), "use_context": self.use_context}
