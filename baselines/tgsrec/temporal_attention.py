"""A node looks at the neighbours that it had, and at when it had them."""

import math

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class TemporalAttention(keras.layers.Layer):
    """One layer of TGSRec: attention over neighbours, then a small network.

    With the vector h of a node, those of its neighbours h_j, and time codes
    c_0 and c_j, D' = d + d_T:

    ```
    q = [h; c_0],   k_j = [h_j; c_j]
    a_j = softmax_j((W_q q) . (W_k k_j) / sqrt(D' / heads))   for each head
    o = LayerNorm(q + W_o [sum_j a_j W_v k_j for each head] + b_o)
    out = W_2 relu(W_1 [o; h] + b_1) + b_2
    ```

    The products of a kernel with every neighbour are not formed. W_k is moved
    to the query and W_v behind the sum, which gives the same numbers with one
    product for a node and not one for each neighbour.

    Args:
        num_heads: number of heads; divides D'. Defaults to `2`.
        dropout: share of the attention weights, and of the result of the
            attention, that training sets to zero. Defaults to `0.0`.
        seed: seed of the dropout. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        nodes: float, (batch, d).
        query_codes: float, (batch, d_T), the code of no time.
        neighbors: float, (batch, S, d).
        time_codes: float, (batch, S, d_T).
        valid_mask: bool, (batch, S), real neighbours; `None` for all.
        training: whether dropout acts.

    Returns:
        float, (batch, d).

    Masking: a node without neighbours has nothing added to q.

    Raises:
        ValueError: D' is not divisible by `num_heads`.

    Example:

    >>> import numpy as np
    >>> from baselines.tgsrec.temporal_attention import TemporalAttention
    >>> layer = TemporalAttention(num_heads=2)
    >>> out = layer(
    ...     np.ones((3, 4)), np.ones((3, 2)), np.ones((3, 5, 4)),
    ...     np.ones((3, 5, 2)), np.ones((3, 5), bool),
    ... )
    >>> out.shape
    TensorShape([3, 4])

    Reference: Fan et al., "Continuous-Time Sequential Recommendation with
    Temporal Graph Collaborative Transformer", CIKM 2021,
    https://arxiv.org/abs/2108.06625.

    Differences: the product W_o, the residual and the normalisation are those
    of the published code; the paper has none of them. There, a node without
    neighbours attends to S copies of the null node.
    """

    def __init__(
        self,
        num_heads: int = 2,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        check_positive_int(num_heads, "num_heads")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.seed = seed
        policy = {"dtype": self.dtype_policy}
        self.attention_dropout = keras.layers.Dropout(
            dropout, seed=seed, name="attention_dropout", **policy
        )
        self.output_dropout = keras.layers.Dropout(
            dropout, seed=seed, name="output_dropout", **policy
        )
        self.normalization = keras.layers.LayerNormalization(
            epsilon=1e-5, name="normalization", **policy
        )

    def build(self, nodes_shape, query_codes_shape):
        dim = nodes_shape[-1]
        width = dim + query_codes_shape[-1]
        check_heads(width, self.num_heads)
        head_dim = width // self.num_heads
        for name in ("query", "key", "value"):
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=(width, self.num_heads, head_dim),
                initializer=keras.initializers.RandomNormal(
                    stddev=math.sqrt(2.0 / (width + head_dim))
                ),
            )
            setattr(self, f"{name}_kernel", kernel)
        self.output_layer = self._dense("output", width)
        self.output_layer.build((None, width))
        self.normalization.build((None, width))
        self.hidden_layer = self._dense("hidden", dim, activation="relu")
        self.hidden_layer.build((None, width + dim))
        self.merge_layer = self._dense("merge", dim)
        self.merge_layer.build((None, dim))
        self.built = True

    def _dense(self, name, units, **options):
        return keras.layers.Dense(
            units,
            kernel_initializer="glorot_normal",
            name=name,
            dtype=self.dtype_policy,
            **options,
        )

    def call(
        self,
        nodes,
        query_codes,
        neighbors,
        time_codes,
        valid_mask=None,
        training=False,
    ):
        queries = ops.concatenate([nodes, query_codes], axis=-1)
        logits = self._logits(queries, neighbors, time_codes)
        if valid_mask is None:
            weights = ops.softmax(logits)
        else:
            weights = masked_softmax(logits, ops.expand_dims(valid_mask, 1))
        weights = self.attention_dropout(weights, training=training)
        seen = ops.concatenate(
            [
                ops.matmul(weights, neighbors),
                ops.matmul(weights, time_codes),
            ],
            axis=-1,
        )  # (batch, heads, D')
        values = ops.einsum("bhi,ihj->bhj", seen, self.value_kernel)
        values = ops.reshape(values, (-1, queries.shape[-1]))
        values = self.output_dropout(
            self.output_layer(values), training=training
        )
        if valid_mask is not None:
            values = zero_invalid(values, ops.any(valid_mask, axis=-1))
        attended = self.normalization(queries + values)
        merged = ops.concatenate([attended, nodes], axis=-1)
        return self.merge_layer(self.hidden_layer(merged))

    def _logits(self, queries, neighbors, time_codes):
        """Returns the logits of the attention, (batch, heads, S)."""
        dim = neighbors.shape[-1]
        queries = ops.einsum("bi,ihj->bhj", queries, self.query_kernel)
        queries = queries / math.sqrt(queries.shape[-1])
        queries = ops.einsum("bhj,ihj->bhi", queries, self.key_kernel)
        of_items = ops.matmul(
            queries[..., :dim], ops.transpose(neighbors, (0, 2, 1))
        )
        of_times = ops.matmul(
            queries[..., dim:], ops.transpose(time_codes, (0, 2, 1))
        )
        return of_items + of_times

    def compute_output_shape(self, nodes_shape):
        return nodes_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def check_heads(width: int, num_heads: int) -> None:
    """Checks that heads divide the width of nodes and time codes together.

    Raises:
        ValueError: they do not.
    """
    if width % num_heads:
        raise ValueError(
            "The width of nodes and time codes together must be divisible by "
            f"`num_heads`. Received: width {width}, num_heads={num_heads}"
        )
