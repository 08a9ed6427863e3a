"""The vectors of a sequence as one, by an attention nobody asks."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import masked_softmax


@register
class AttentivePooling(keras.layers.Layer):
    """Sums the vectors of a sequence, weighted by what each says of itself.

    ```
    a_i = activation(x_i W + b) . q
    pooled = sum_i softmax_i(a_i) x_i
    ```

    Without `activation` there is no b either, and a_i is x_i . (W q): the
    product W q is formed first.

    Args:
        activation: `None`, or the name of an activation. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, n, d).
        valid_mask: bool, (batch, n), what is summed; `None` for all.

    Returns:
        float, (batch, d).

    Masking: invalid positions get no weight; a row without a valid position
    is zero.

    Parameters: `d^2 + d`, and d more with `activation`.

    Example: equal vectors are their own mean.

    >>> import numpy as np
    >>> from mgnm_tf.layers import AttentivePooling
    >>> pooled = AttentivePooling()(np.full((1, 3, 2), 0.5))
    >>> np.asarray(pooled).round(4)
    array([[0.5, 0.5]], dtype=float32)

    Reference: Yu et al., "Adaptive user modeling with long and short-term
    preferences for personalized recommendation", IJCAI 2019, section 4.1;
    the authors' code has the activation tanh, DeepRec's has none.

    Differences: neither code keeps padding out of the softmax.
    """

    def __init__(self, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.has_activation = activation not in (None, "linear")

    def build(self, items_shape):
        dim = items_shape[-1]
        initializer = keras.initializers.TruncatedNormal(stddev=0.01)
        self.kernel = self.add_weight(
            name="kernel", shape=(dim, dim), initializer=initializer
        )
        self.query = self.add_weight(
            name="query", shape=(dim, 1), initializer=initializer.clone()
        )
        if self.has_activation:
            self.bias = self.add_weight(
                name="bias", shape=(dim,), initializer="zeros"
            )
        self.built = True

    def call(self, items, valid_mask=None):
        if self.has_activation:
            hidden = self.activation(ops.matmul(items, self.kernel) + self.bias)
            logits = ops.matmul(hidden, self.query)
        else:
            logits = ops.matmul(items, ops.matmul(self.kernel, self.query))
        logits = ops.cast(logits[..., 0], "float32")
        if valid_mask is None:
            weights = ops.softmax(logits, axis=-1)
        else:
            weights = masked_softmax(logits, valid_mask)
        weights = ops.cast(weights, items.dtype)
        return ops.einsum("bn,bnd->bd", weights, items)

    def compute_output_shape(self, items_shape):
        return (items_shape[0], items_shape[2])

    def get_config(self):
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
        }
