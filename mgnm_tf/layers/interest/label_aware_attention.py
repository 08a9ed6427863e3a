"""The interests of a user as the positive of a training step sees them."""

import math

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_range

_LOG_SHARPEST = math.log(1e4)
"""Of the largest logit: so far apart, all the weight is in one place."""


@register
class LabelAwareAttention(keras.layers.Layer):
    """Weighs the interests `v_k` of a user by how near the positive `x` is.

    ```
    v = sum_k w_k v_k,   w = softmax_k(pow(v_k . x, power))
    ```

    The larger the power, the more the nearest interest gets; without a
    `power` it gets all: `v = v_k` with the k of the largest product, and no
    other interest is trained by this sample. For training alone: who scores
    an item by it must know that the item is the positive.

    Args:
        power: positive; the power p of a negative product is `-|product|^p`,
            so that a larger product always weighs more. `None`, the limit of
            large powers, chooses the nearest interest, the first one of
            equals. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        interests: float, (batch, K, d).
        positive: float, (batch, d), the vector of the positive.

    Returns:
        float, (batch, 1, d): one interest.

    Raises:
        ValueError: `power` is not between 1e-3 and 1e3.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import LabelAwareAttention
    >>> interests = np.array([[[1.0, 0.0], [0.0, 2.0]]])
    >>> positive = np.array([[3.0, 1.0]])
    >>> np.asarray(LabelAwareAttention()(interests, positive))
    array([[[1., 0.]]], dtype=float32)
    >>> print(LabelAwareAttention(1.0)(interests, positive).numpy().round(2))
    [[[0.73 0.54]]]

    Reference: Li et al., "Multi-Interest Network with Dynamic Routing for
    Recommendation at Tmall", CIKM 2019, label-aware attention. Cen et al.,
    "Controllable Multi-Interest Framework for Recommendation", KDD 2020,
    equation 6, take the nearest interest.

    Differences: the power of a negative product, for the paper's is not
    defined or, of an even power, prefers what is far. Powers are cut off at
    1e4, where one interest has all the weight.
    """

    def __init__(self, power: float | None = None, **kwargs):
        if power is not None:
            check_range(power, "power", 1e-3, 1e3)
        super().__init__(**kwargs)
        self.power = power
        self.built = True

    def call(self, interests, positive):
        if interests.shape[1] == 1:
            return interests
        products = ops.matmul(interests, ops.expand_dims(positive, -1))
        weights = self._weights(ops.cast(products[..., 0], "float32"))
        weights = ops.cast(weights, interests.dtype)
        return ops.matmul(ops.expand_dims(weights, 1), interests)

    def _weights(self, products):
        """Returns the weights of the interests, like `products` (B, K)."""
        if self.power is None:
            nearest = ops.argmax(products, axis=-1)
            return ops.one_hot(nearest, products.shape[-1], dtype="float32")
        size = ops.abs(products)
        # Powers of shares of the largest do not overflow, and above the
        # smallest share the gradient is finite.
        largest = ops.stop_gradient(ops.max(size, axis=-1, keepdims=True))
        largest = ops.maximum(largest, 1e-6)
        share = ops.power(ops.maximum(size / largest, 1e-6), self.power)
        # The exponent is cut off, for the power itself would overflow.
        exponent = ops.minimum(self.power * ops.log(largest), _LOG_SHARPEST)
        scale = ops.exp(exponent)
        return ops.softmax(scale * ops.sign(products) * share, axis=-1)

    def compute_output_shape(self, interests_shape, positive_shape):
        return (interests_shape[0], 1, interests_shape[-1])

    def get_config(self):
        return {**super().get_config(), "power": self.power}
