"""A GRU whose input stands beside a context, part by part."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_positive_int


@register
class ContextGRU(keras.layers.Layer):
    """One step of a GRU over [x ; c], with the product of x taken out.

    ```
    (r, z, n) = x W + c V + b
    r, z = sigmoid(r + h U_r), sigmoid(z + h U_z)
    h <- h + z (tanh(n + (r * h) U_n) - h)
    ```

    x is known for all steps before the first one, and its product `project`
    is computed for all of them at once; the context c, such as what was read
    from a memory, is not. Leading axes broadcast: one state can meet many
    inputs. Computed in float32.

    Args:
        units: width u of the state.
        input_dim: width of x.
        context_dim: width of c.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        projected: float, (..., 3u), from `project`.
        context: float, (..., context width).
        state: float, (..., u).

    Returns:
        float32, (..., u): the new state.

    Masking: a step that `project` was told is invalid leaves the state as it
    is, to the last bit.

    Example:

    >>> import numpy as np
    >>> from baselines.mimn.context_gru import ContextGRU
    >>> gru = ContextGRU(units=5, input_dim=4, context_dim=3)
    >>> projected = gru.project(np.ones((2, 4)))
    >>> gru(projected, np.ones((2, 3)), np.zeros((2, 5))).shape
    TensorShape([2, 5])

    Reference: Cho et al., "Learning phrase representations using RNN
    encoder-decoder for statistical machine translation", EMNLP 2014.

    Differences: z is the share that is renewed, the paper's and TensorFlow
    1's gate is 1 - z. As in TensorFlow 1, the biases of the gates start so
    that r and 1 - z are large. Each part of a kernel is drawn by itself.
    """

    def __init__(self, units: int, input_dim: int, context_dim: int, **kwargs):
        check_positive_int(units, "units")
        check_positive_int(input_dim, "input_dim")
        check_positive_int(context_dim, "context_dim")
        super().__init__(**kwargs)
        self.autocast = False
        self.units = units
        self.input_dim = input_dim
        self.context_dim = context_dim
        self.build()

    def build(self, *shapes):
        units = self.units

        def add(name, *shape, initializer="glorot_uniform"):
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                dtype="float32",
                autocast=False,
            )

        self.input_kernel = add("input_kernel", self.input_dim, 3 * units)
        self.context_kernel = add("context_kernel", self.context_dim, 3 * units)
        self.gate_kernel = add("gate_kernel", units, 2 * units)
        self.state_kernel = add("state_kernel", units, units)
        self.bias = add(
            "bias",
            3 * units,
            initializer=lambda shape, dtype=None: ops.cast(
                _for_each_unit([1.0, -1.0, 0.0], units), dtype
            ),
        )
        self.built = True

    def project(self, inputs, valid_mask=None):
        """Returns what the inputs contribute, float32 (..., 3u).

        Args:
            inputs: float, (..., input width).
            valid_mask: bool, (...); `None` for all.
        """
        inputs = ops.cast(inputs, "float32")
        projected = ops.matmul(inputs, self.input_kernel) + self.bias
        if valid_mask is None:
            return projected
        # No state reaches this far: z is 0.
        closed = _for_each_unit([0.0, -1e4, 0.0], self.units)
        return projected + ops.where(valid_mask[..., None], 0.0, closed)

    def call(self, projected, context, state):
        units = self.units
        projected, context, state = (
            ops.cast(x, "float32") for x in (projected, context, state)
        )
        projected = projected + ops.matmul(context, self.context_kernel)
        gates = ops.sigmoid(
            projected[..., : 2 * units] + ops.matmul(state, self.gate_kernel)
        )
        reset, renewal = ops.split(gates, 2, axis=-1)
        candidate = ops.tanh(
            projected[..., 2 * units :]
            + ops.matmul(reset * state, self.state_kernel)
        )
        return state + renewal * (candidate - state)

    def compute_output_shape(self, projected_shape, context_shape, state_shape):
        return (*projected_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "input_dim": self.input_dim,
            "context_dim": self.context_dim,
        }


def _for_each_unit(values, units):
    return ops.repeat(ops.convert_to_tensor(values), units)
