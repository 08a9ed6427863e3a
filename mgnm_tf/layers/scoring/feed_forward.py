"""The network that turns vectors of user and item into one logit."""

from collections.abc import Sequence

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class FeedForward(keras.layers.Layer):
    """Hidden layers with batch normalisation, then one logit.

    ```
    h <- activation(dropout(normalise(h W + b)))    for each hidden layer
    logit = h w + b
    ```

    The input is given in parts that broadcast against each other, such as
    users (batch, 1, d) and items (batch, C, d). Their concatenation is never
    formed: the first product is linear, so each part meets its own rows of
    the kernel, and a user is multiplied once and not once for each item.

    Args:
        hidden_dims: widths of the hidden layers, at least one. Defaults to
            `(100, 64)`.
        activation: of the hidden layers. Defaults to `"relu"`.
        dropout: share of the hidden units that training sets to zero.
            Defaults to `0.0`.
        batch_normalization: whether hidden layers are normalised, with
            momentum 0.95 and epsilon 1e-4. Defaults to `True`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        parts: list of float tensors (..., d_i) whose leading axes broadcast.
        valid_mask: bool that broadcasts against the leading axes of the
            result: what the statistics of the normalisation are taken over;
            `None` for all.
        training: bool.

    Returns:
        float32, the leading axes of `parts`, broadcast.

    Parameters, with normalisation, hidden widths (100, 64) and x inputs:
    `100 x + 6957`; with (80, 40): `80 x + 3601`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import FeedForward
    >>> users, items = np.ones((2, 1, 4)), np.ones((2, 7, 3))
    >>> FeedForward()([users, items]).shape
    TensorShape([2, 7])
    """

    def __init__(
        self,
        hidden_dims: Sequence[int] = (100, 64),
        activation="relu",
        dropout: float = 0.0,
        batch_normalization: bool = True,
        **kwargs,
    ):
        if not hidden_dims:
            raise ValueError(
                "`hidden_dims` must name at least one width. Received: "
                f"hidden_dims={hidden_dims!r}"
            )
        for width in hidden_dims:
            check_positive_int(width, "hidden_dims")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(**kwargs)
        self.hidden_dims = tuple(hidden_dims)
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.batch_normalization = batch_normalization
        self._create_layers()

    def _create_layers(self):
        policy = {"dtype": self.dtype_policy}
        # The first kernel is a weight of this layer, because it is used in
        # parts.
        self.hidden_layers = [
            keras.layers.Dense(
                width,
                kernel_initializer=_initializer(),
                name=f"hidden_{i}",
                **policy,
            )
            for i, width in enumerate(self.hidden_dims[1:], start=1)
        ]
        self.normalizations = [
            keras.layers.BatchNormalization(
                momentum=0.95,
                epsilon=1e-4,
                name=f"normalization_{i}",
                **policy,
            )
            for i in range(len(self.hidden_dims))
            if self.batch_normalization
        ]
        self.dropouts = [
            keras.layers.Dropout(self.dropout, name=f"dropout_{i}", **policy)
            for i in range(len(self.hidden_dims))
        ]
        self.output_layer = keras.layers.Dense(
            1, kernel_initializer=_initializer(), name="output", **policy
        )

    def build(self, parts_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(
                sum(shape[-1] for shape in parts_shape),
                self.hidden_dims[0],
            ),
            initializer=_initializer(),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.hidden_dims[0],), initializer="zeros"
        )
        following = (*self.hidden_layers, self.output_layer)
        for i, width in enumerate(self.hidden_dims):
            if self.batch_normalization:
                self.normalizations[i].build((None, width))
            following[i].build((None, width))
        self.built = True

    def call(self, parts, valid_mask=None, training=False):
        hidden, begin = self.bias, 0
        kernel = ops.convert_to_tensor(self.kernel)
        for part in parts:
            end = begin + part.shape[-1]
            hidden = hidden + ops.matmul(part, kernel[begin:end])
            begin = end
        return self.after_first(hidden, valid_mask, training)

    def after_first(self, hidden, valid_mask=None, training=False):
        """Applies all that follows the first product.

        Args:
            hidden: float, (..., first hidden width), with the bias.
            valid_mask: see the arguments of the call.
            training: bool.

        Returns:
            float32, (...).
        """
        # As one list of rows, because a normalisation is tied to a rank.
        shape = ops.shape(hidden)[:-1]
        hidden = ops.reshape(hidden, (-1, self.hidden_dims[0]))
        if valid_mask is not None:
            valid_mask = ops.reshape(ops.broadcast_to(valid_mask, shape), (-1,))
        for i, dropout in enumerate(self.dropouts):
            if i:
                hidden = self.hidden_layers[i - 1](hidden)
            if self.batch_normalization:
                hidden = self.normalizations[i](
                    hidden, training=training, mask=valid_mask
                )
            hidden = self.activation(dropout(hidden, training=training))
        logits = ops.reshape(self.output_layer(hidden), shape)
        return ops.cast(logits, "float32")

    def compute_output_shape(self, parts_shape):
        shape = parts_shape[0][:-1]
        for other in parts_shape[1:]:
            shape = tuple(
                b if a == 1 else a
                for a, b in zip(shape, other[:-1], strict=True)
            )
        return shape

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dims": list(self.hidden_dims),
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "batch_normalization": self.batch_normalization,
        }


def _initializer():
    return keras.initializers.TruncatedNormal(stddev=0.01)
