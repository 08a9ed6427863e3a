"""Attention over a sequence, asked by a candidate."""

from collections.abc import Sequence

import keras
from keras import ops

from mgnm_tf.layers.scoring.feed_forward import FeedForward
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import masked_softmax


@register
class TargetAttention(keras.layers.Layer):
    """How much each key matters to a query, by a small network.

    ```
    k' = k W
    alpha = softmax over keys of net([k' ; q ; k' - q ; k' * q])
    ```

    `net` is a `FeedForward`. Leading axes of keys and queries broadcast
    against each other. The first product of the network is split: only the
    term of `k' * q` is computed for each pair, those of keys and queries
    once for each of them.

    Args:
        hidden_dims: hidden widths of the network. Defaults to `(80, 40)`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        keys: float, (..., n, k).
        queries: float, (..., n or 1, d).
        valid_mask: bool that broadcasts against the result; `None` for all.
        training: bool, whether the normalisation in the network learns.

    Returns:
        float, (..., n): weights that sum to 1 over valid keys; zeros where
        no key is valid.

    Parameters, with widths (80, 40): `k d + 320 d + 3601`. The output bias
    of the network does nothing, because a softmax follows.

    Example: one user, 7 candidates, a history of 5.

    >>> import numpy as np
    >>> from mgnm_tf.layers import TargetAttention
    >>> history, candidates = np.ones((1, 1, 5, 4)), np.ones((1, 7, 1, 4))
    >>> TargetAttention()(history, candidates).shape
    TensorShape([1, 7, 5])

    Reference: the attention of the DeepRec models (A2SVD's and SLi_Rec's
    released code), which follows Zhou et al., "Deep interest network for
    click-through rate prediction", KDD 2018, section 4.3.
    """

    def __init__(self, hidden_dims: Sequence[int] = (80, 40), **kwargs):
        super().__init__(**kwargs)
        self.network = FeedForward(
            hidden_dims, name="network", dtype=self.dtype_policy
        )

    def build(self, keys_shape, queries_shape):
        dim = queries_shape[-1]
        self.key_kernel = self.add_weight(
            name="key_kernel",
            shape=(keys_shape[-1], dim),
            initializer=keras.initializers.TruncatedNormal(stddev=0.01),
        )
        self.network.build([(None, 4 * dim)])
        self.built = True

    def call(self, keys, queries, valid_mask=None, training=False):
        keys = ops.matmul(keys, self.key_kernel)
        of_key, of_query, of_difference, of_product = ops.split(
            ops.cast(self.network.kernel, self.compute_dtype), 4
        )
        hidden = (
            ops.matmul(keys, of_key + of_difference)
            + (ops.matmul(queries, of_query - of_difference))
            + ops.matmul(keys * queries, of_product)
            + self.network.bias
        )
        logits = self.network.after_first(hidden, valid_mask, training)
        if valid_mask is None:
            weights = ops.softmax(logits, axis=-1)
        else:
            weights = masked_softmax(logits, valid_mask)
        return ops.cast(weights, self.compute_dtype)

    def compute_output_shape(self, keys_shape, queries_shape):
        return tuple(
            b if a == 1 else a
            for a, b in zip(keys_shape[:-1], queries_shape[:-1], strict=True)
        )

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dims": list(self.network.hidden_dims),
        }
