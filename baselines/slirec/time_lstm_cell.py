"""A recurrent cell whose gates know the time."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_positive_int


@register
class TimeLSTMCell(keras.layers.Layer):
    """An LSTM cell with two more gates, for `keras.layers.RNN`.

    ```
    i, j, f, o = p + h U
    c <- sigmoid(f + 1) * g_keep * c + sigmoid(i) * g_new * tanh(j)
    h <- sigmoid(o) * tanh(c)
    ```

    `p` and the gates g depend on the inputs alone. They are not computed
    here but once for all steps, by `TimeLSTM`, so that a step has one
    product.

    Args:
        units: width H of the states h and c.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: float, (batch, 6 * units): `p` for i, j, f and o, then
            `g_new` and `g_keep`.
        states: list of h and c, (batch, units) each.

    Returns:
        h, and the list of h and c.

    Raises:
        ValueError: `units` is smaller than 1.

    Example: with both gates open it is an LSTM.

    >>> import keras
    >>> import numpy as np
    >>> from baselines.slirec.time_lstm_cell import TimeLSTMCell
    >>> layer = keras.layers.RNN(TimeLSTMCell(4))
    >>> layer(np.ones((2, 5, 24), "float32")).shape
    TensorShape([2, 4])

    Reference: see `TimeLSTM`.
    """

    def __init__(self, units: int, **kwargs):
        check_positive_int(units, "units")
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, inputs_shape=None):
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, 4 * self.units),
            initializer="glorot_uniform",
        )
        self.built = True

    def call(self, inputs, states, training=False):
        state, carry = states
        split = 4 * self.units
        logits = inputs[:, :split] + ops.matmul(state, self.recurrent_kernel)
        enter, content, keep, leave = ops.split(logits, 4, axis=-1)
        gate_new, gate_keep = ops.split(inputs[:, split:], 2, axis=-1)
        carry = ops.sigmoid(keep + 1.0) * gate_keep * carry + ops.sigmoid(
            enter
        ) * gate_new * ops.tanh(content)
        state = ops.sigmoid(leave) * ops.tanh(carry)
        return state, [state, carry]

    def get_initial_state(self, batch_size=None):
        shape = (batch_size, self.units)
        return [ops.zeros(shape, self.compute_dtype) for _ in range(2)]

    def get_config(self):
        return {**super().get_config(), "units": self.units}
