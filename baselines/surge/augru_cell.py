"""A recurrent cell whose update depends on attention."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int

VARIANTS = ("surge", "dien")


@register
class AUGRUCell(keras.layers.Layer):
    """A GRU cell with attentional update gate, for `keras.layers.RNN`.

    ```
    u, r = sigmoid(p_u + h U_u + b_u), sigmoid(p_r + h U_r + b_r)
    c = tanh(p_c + (r * h) U_c + b_c)
    keep = (1 - a) u            "surge": attention 0 is an ordinary GRU step
    keep = 1 - a (1 - u)        "dien": attention 0 leaves the state as it is
    h <- keep * h + (1 - keep) * c
    ```

    `p = x W`, the products of the inputs, are not computed here but once for
    all steps by the layer before: a `Dense(3 * units, use_bias=False)`. So
    sequences that differ in attention alone share them.

    Args:
        units: width of the state h.
        variant: `"surge"` or `"dien"`. Defaults to `"surge"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: float, (batch, 3 * units + 1): `p_u`, `p_r`, `p_c` and the
            attention a, side by side.
        states: list of one tensor, (batch, units).

    Returns:
        The state, (batch, units), and the list of it.

    Raises:
        ValueError: `variant` is unknown, or `units` is smaller than 1.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from baselines.surge.augru_cell import AUGRUCell
    >>> layer = keras.layers.RNN(AUGRUCell(4))
    >>> layer(np.ones((2, 5, 3 * 4 + 1), "float32")).shape
    TensorShape([2, 4])

    Reference: Zhou et al., "Deep interest evolution network for
    click-through rate prediction", AAAI 2019, equation 6; the released code
    of it and of SURGE is `"surge"`.

    Differences: u keeps the state where it is 1, in both variants, as in
    TensorFlow 1; the paper writes 1 - u for it. W and U are drawn each by
    itself, there as one matrix.
    """

    def __init__(self, units: int, variant: str = "surge", **kwargs):
        check_positive_int(units, "units")
        check_choice(variant, "variant", VARIANTS)
        super().__init__(**kwargs)
        self.units = units
        self.variant = variant
        self.state_size = units
        self.output_size = units

    def build(self, inputs_shape=None):
        self.gate_kernel = self.add_weight(
            name="gate_kernel",
            shape=(self.units, 2 * self.units),
            initializer="glorot_uniform",
        )
        self.gate_bias = self.add_weight(
            name="gate_bias", shape=(2 * self.units,), initializer="ones"
        )
        self.candidate_kernel = self.add_weight(
            name="candidate_kernel",
            shape=(self.units, self.units),
            initializer="glorot_uniform",
        )
        self.candidate_bias = self.add_weight(
            name="candidate_bias", shape=(self.units,), initializer="zeros"
        )
        self.built = True

    def call(self, inputs, states, training=False):
        (state,) = states
        split = 2 * self.units
        gates = ops.sigmoid(
            inputs[:, :split]
            + ops.matmul(state, self.gate_kernel)
            + self.gate_bias
        )
        update, reset = gates[:, : self.units], gates[:, self.units :]
        candidate = ops.tanh(
            inputs[:, split:-1]
            + ops.matmul(reset * state, self.candidate_kernel)
            + self.candidate_bias
        )
        attention = inputs[:, -1:]
        if self.variant == "surge":
            keep = (1.0 - attention) * update
        else:
            keep = 1.0 - attention * (1.0 - update)
        state = keep * state + (1.0 - keep) * candidate
        return state, [state]

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), self.compute_dtype)]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "variant": self.variant,
        }
