"""An LSTM over events that happen at irregular times."""

import keras
from keras import ops

from baselines.slirec.time_lstm_cell import TimeLSTMCell
from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_positive_int

CHANNELS = ("age", "interval")


@register
class TimeLSTM(keras.layers.Layer):
    """An LSTM with a gate for the age of an event and one for its interval.

    For an event with item x, age s and interval t since the event before:

    ```
    p = tanh(s w_s + b_s),  q = tanh(t w_t + b_t)
    g_new  = sigmoid(x K_s + p R_s + c_s)
    g_keep = sigmoid(x K_t + q R_t + c_t)
    i, j, f, o = x W + h U + b,  and p O_s + q O_t added to o
    ```

    and the step of `TimeLSTMCell`. Only `h U` is computed step by step.

    Args:
        units: width H of the states.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, n, x).
        times: float, (batch, n, 2): s and t of each event, on a scale of the
            order of 1, such as logarithms.
        valid_mask: bool, (batch, n); `None` for all.

    Returns:
        The states h of all steps, (batch, n, H).

    Masking: an invalid step leaves the state as it is, and its output is
    zero.

    Parameters: `6 x H + 8 H^2 + 10 H`.

    Raises:
        ValueError: `units` is smaller than 1.

    Example:

    >>> import numpy as np
    >>> from baselines.slirec.time_lstm import TimeLSTM
    >>> items = np.ones((2, 5, 3), "float32")
    >>> times = np.zeros((2, 5, 2), "float32")
    >>> TimeLSTM(4)(items, times).shape
    TensorShape([2, 5, 4])

    Reference: Yu et al., "Adaptive user modeling with long and short-term
    preferences for personalized recommendation", IJCAI 2019, section 4.2,
    https://doi.org/10.24963/ijcai.2019/585. As in the released code, what is
    called a bias of the gates and the channels starts at random.
    """

    def __init__(self, units: int, **kwargs):
        check_positive_int(units, "units")
        super().__init__(**kwargs)
        self.units = units
        self.recurrence = keras.layers.RNN(
            TimeLSTMCell(units, name="cell", dtype=self.dtype_policy),
            return_sequences=True,
            zero_output_for_mask=True,
            name="recurrence",
            dtype=self.dtype_policy,
        )

    def build(self, items_shape, times_shape=None):
        dim, units = items_shape[-1], self.units
        self.kernel = self._weight("kernel", (dim, 4 * units))
        self.bias = self._weight("bias", (4 * units,), "zeros")
        shapes = {
            "scale": (units,),
            "offset": (units,),
            "item_kernel": (dim, units),
            "gate_kernel": (units, units),
            "gate_bias": (units,),
            "output_kernel": (units, units),
        }
        for channel in CHANNELS:
            for name, shape in shapes.items():
                name = f"{channel}_{name}"
                setattr(self, name, self._weight(name, shape))
        self.recurrence.build((None, None, 6 * units))
        self.built = True

    def _weight(self, name, shape, initializer="glorot_uniform"):
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def call(self, items, times, valid_mask=None):
        # One product for the items of all steps.
        kernels = [self.kernel, self.age_item_kernel, self.interval_item_kernel]
        projected = ops.matmul(items, ops.concatenate(kernels, axis=-1))
        split = 4 * self.units
        logits = projected[..., :split] + self.bias
        gates = ops.split(projected[..., split:], 2, axis=-1)
        leave = 0.0
        for i, channel in enumerate(CHANNELS):
            scale, offset, gate_kernel, gate_bias, output_kernel = (
                getattr(self, f"{channel}_{name}")
                for name in (
                    "scale",
                    "offset",
                    "gate_kernel",
                    "gate_bias",
                    "output_kernel",
                )
            )
            feature = ops.tanh(times[..., i : i + 1] * scale + offset)
            gates[i] = ops.sigmoid(
                gates[i] + ops.matmul(feature, gate_kernel) + gate_bias
            )
            leave = leave + ops.matmul(feature, output_kernel)
        split = 3 * self.units
        inputs = ops.concatenate(
            [logits[..., :split], logits[..., split:] + leave, *gates], axis=-1
        )
        return self.recurrence(inputs, mask=valid_mask)

    def compute_output_shape(self, items_shape, times_shape=None):
        return (*items_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
