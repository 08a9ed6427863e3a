"""The vector of a session, asked for at several levels of the last items."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.unit_vectors import unit_vectors
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

SHARPNESS = 2.0
"""What the published code multiplies by before either softmax."""


@register
class AttenMixerReadout(keras.layers.Layer):
    """Reads a session with queries made of its last 1, ..., L items.

    ```
    Q_l   = W_l (h_n + h_{n-1} + ... + h_{n-l+1}) + b_l        (6)
    Q     = Q / |Q|                   per feature, over the levels
    A_lgs = softmax_s(2 sigmoid(q_lg . k_sg))      head g, position s
    P_gs  = (sum_l A_lgs^p)^(1/p)                  L_p pooling
    a     = LayerNorm([sum_s softmax_s(2 P_gs) v_sg]_g)
    s     = W_m [a ; h_n] + b_m
    ```

    q, k and v are linear maps of Q and of the states, split into heads of
    d / h numbers. Level 1 asks with the last item, the instance; the others
    with groups of items, the concepts. Any encoder can stand in front; its
    states should have length 1.

    It has `Q + 3 (d^2 + d) + 2 d + 2 d^2 + d` parameters, with
    `Q = L (d^2 + d)`, or `d^2 L (L + 1) / 2 + L d` with `query="concat"`;
    2 d fewer without `layer_norm`.

    Args:
        num_levels: number L of levels. Defaults to `7`.
        num_heads: number h of heads, a divisor of d. Defaults to `8`.
        pooling_power: the power p; 1 adds the maps up, a high one keeps the
            highest weight of each position. Defaults to `4.0`.
        query: `"sum"`, or `"concat"`: `Q_l = W_l [h_n ; ... ; h_{n-l+1}]`,
            which knows the order of the last l items. Defaults to `"sum"`.
        query_items: `"newest"`; `"all"` asks at every level with the sum of
            the whole session, without priority for what came last, and needs
            `query="sum"`. Defaults to `"newest"`.
        query_normalization: what has length 1: `"level"`, each feature over
            the levels (with one level only signs are left, and W_1 does not
            learn); `"feature"`, each query; `None`, nothing. Defaults to
            `"level"`.
        head_split: `"heads"`, or `"released"`: queries and keys are cut into
            heads without a transposition, which mixes levels, and positions,
            with heads. Defaults to `"heads"`.
        mask_first_softmax: whether padding stays out of the first softmax,
            too. Otherwise the padded length decides how flat it is. Defaults
            to `True`.
        layer_norm: whether a is normalised. Defaults to `True`.
        dropout: share of the final weights that training sets to zero.
            Defaults to `0.1`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        states: float, (batch, m, d).
        valid_mask: bool, (batch, m), True first (right padding).
        training: whether dropout acts.

    Returns:
        float, (batch, d), of any length.

    Masking: what stands at invalid positions changes nothing, and neither
    does their number, unless `head_split` or `mask_first_softmax` are those
    of the published code. After an empty session all states count as zero.

    Raises:
        ValueError: an argument is out of its range, or `num_heads` does not
            divide d.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import AttenMixerReadout
    >>> layer = AttenMixerReadout(num_levels=3, num_heads=2)
    >>> mask = np.array([[True, True, False]])
    >>> layer(np.ones((1, 3, 8)), valid_mask=mask).shape
    TensorShape([1, 8])

    Reference: Zhang et al., "Efficiently leveraging multi-level user intent
    for session-based recommendation via Atten-Mixer network", WSDM 2023,
    https://arxiv.org/abs/2206.12781.

    Differences from the paper: its eq. 7 has a scaled softmax where the
    published code has `softmax(2 sigmoid(.))`, a second softmax behind the
    pooling, biases, the normalisation of the queries and that of a; they are
    the code's here. From the published code: queries are sums (the code has
    "concat"), heads are heads, and padding is out of the first softmax; the
    three arguments bring its form back. Where a session is shorter than l the
    code reads zeros in a spare column of padding; here they are zeros in any
    padding.
    """

    def __init__(
        self,
        num_levels: int = 7,
        num_heads: int = 8,
        pooling_power: float = 4.0,
        query: str = "sum",
        query_items: str = "newest",
        query_normalization: str | None = "level",
        head_split: str = "heads",
        mask_first_softmax: bool = True,
        layer_norm: bool = True,
        dropout: float = 0.1,
        **kwargs,
    ):
        check_positive_int(num_levels, "num_levels")
        check_positive_int(num_heads, "num_heads")
        check_range(pooling_power, "pooling_power", 1.0, 64.0)
        check_choice(query, "query", ("sum", "concat"))
        check_choice(query_items, "query_items", ("newest", "all"))
        if query_normalization is not None:
            check_choice(
                query_normalization,
                "query_normalization",
                ("level", "feature"),
            )
        check_choice(head_split, "head_split", ("heads", "released"))
        check_range(dropout, "dropout", 0.0, 1.0)
        if query_items == "all" and query != "sum":
            raise ValueError(
                "`query_items='all'` needs `query='sum'`: a session has no "
                "fixed number of items to set side by side."
            )
        super().__init__(**kwargs)
        self.num_levels = num_levels
        self.num_heads = num_heads
        self.pooling_power = pooling_power
        self.query = query
        self.query_items = query_items
        self.query_normalization = query_normalization
        self.head_split = head_split
        self.mask_first_softmax = mask_first_softmax
        self.layer_norm = layer_norm
        self.dropout = dropout

    def build(self, states_shape):
        dim = states_shape[-1]
        if dim % self.num_heads:
            raise ValueError(
                "`num_heads` must divide the width of the states. Received: "
                f"num_heads={self.num_heads}, width {dim}"
            )

        def linear(inputs, name):
            layer = keras.layers.Dense(
                dim,
                kernel_initializer=uniform_of_width(dim),
                bias_initializer=uniform_of_width(dim),
                name=name,
                dtype=self.dtype_policy,
            )
            layer.build((None, inputs))
            return layer

        widths = [dim] * self.num_levels
        if self.query == "concat":
            widths = [dim * (level + 1) for level in range(self.num_levels)]
        self.of_level = [
            linear(width, f"level_{index + 1}")
            for index, width in enumerate(widths)
        ]
        self.of_query = linear(dim, "query")
        self.of_key = linear(dim, "key")
        self.of_value = linear(dim, "value")
        self.output_layer = linear(2 * dim, "output")
        self.norm = None
        if self.layer_norm:
            self.norm = keras.layers.LayerNormalization(
                epsilon=1e-8, name="norm", dtype=self.dtype_policy
            )
            self.norm.build((None, dim))
        self.weight_dropout = keras.layers.Dropout(
            self.dropout, name="weight_dropout", dtype=self.dtype_policy
        )
        self.built = True

    def queries(self, states, valid_mask):
        """Returns the queries of the levels, (batch, L, d)."""
        states = zero_invalid(states, valid_mask)
        if self.query_items == "all":
            groups = [ops.sum(states, axis=1)] * self.num_levels
        else:
            groups = self._groups(states, valid_mask)
        queries = ops.stack(
            [
                layer(group)
                for layer, group in zip(self.of_level, groups, strict=True)
            ],
            axis=1,
        )
        if self.query_normalization == "feature":
            return unit_vectors(queries)
        if self.query_normalization == "level":
            return ops.swapaxes(unit_vectors(ops.swapaxes(queries, 1, 2)), 1, 2)
        return queries

    def _groups(self, states, valid_mask):
        """Returns for each level its last states as one vector."""
        places = ops.expand_dims(places_from_newest(valid_mask), 1)
        levels = ops.expand_dims(ops.arange(self.num_levels, dtype="int32"), -1)
        if self.query == "sum":
            chosen = ops.logical_and(places >= 0, places <= levels)
        else:
            chosen = ops.equal(places, levels)
        picked = ops.matmul(ops.cast(chosen, states.dtype), states)
        newest = [picked[:, level] for level in range(self.num_levels)]
        if self.query == "sum":
            return newest
        return [
            ops.concatenate(newest[: level + 1], axis=-1)
            for level in range(self.num_levels)
        ]

    def attention(self, queries, states, valid_mask):
        """Returns the weights of the positions, float32 (batch, h, m).

        They sum to 1 over the valid positions of each head.
        """
        states = zero_invalid(states, valid_mask)
        queries = self._heads(self.of_query(queries), self.num_levels)
        keys = self._heads(self.of_key(states), ops.shape(states)[1])
        # In float32, which alone can hold a small weight to the fourth.
        logits = ops.cast(
            ops.matmul(queries, ops.swapaxes(keys, -1, -2)), "float32"
        )
        logits = SHARPNESS * ops.sigmoid(logits)
        over_heads = valid_mask[:, None]
        if self.mask_first_softmax:
            maps = masked_softmax(logits, over_heads[:, None])
        else:
            maps = ops.softmax(logits, axis=-1)
        pooled = self._pool(maps, over_heads)
        return masked_softmax(SHARPNESS * pooled, over_heads)

    def _pool(self, maps, valid_mask):
        """Pools float32 maps (batch, h, L, m) over the levels."""
        # Divided by the highest one, powers do not vanish; the root of 0,
        # which has no gradient, is taken nowhere.
        highest = ops.stop_gradient(ops.max(maps, axis=2))
        highest = ops.where(valid_mask, highest, 1.0)
        relative = maps / ops.expand_dims(highest, 2)
        total = ops.sum(relative**self.pooling_power, axis=2)
        total = ops.where(valid_mask, total, 1.0)
        return highest * total ** (1.0 / self.pooling_power)

    def _heads(self, vectors, length):
        """Cuts (batch, length, d) into (batch, h, length, d / h)."""
        width = vectors.shape[-1] // self.num_heads
        if self.head_split == "released":
            return ops.reshape(vectors, (-1, self.num_heads, length, width))
        vectors = ops.reshape(vectors, (-1, length, self.num_heads, width))
        return ops.swapaxes(vectors, 1, 2)

    def call(self, states, valid_mask, training=False):
        weights = self.attention(
            self.queries(states, valid_mask), states, valid_mask
        )
        weights = self.weight_dropout(weights, training=training)
        dim = states.shape[-1]
        values = ops.reshape(
            self.of_value(states),
            (-1, ops.shape(states)[1], self.num_heads, dim // self.num_heads),
        )
        read = ops.einsum(
            "bhs,bshd->bhd", ops.cast(weights, values.dtype), values
        )
        read = ops.reshape(read, (-1, dim))
        if self.norm is not None:
            read = self.norm(read)
        last = last_valid(states, valid_mask)
        return self.output_layer(ops.concatenate([read, last], axis=-1))

    def compute_output_shape(self, states_shape):
        return (states_shape[0], states_shape[2])

    def get_config(self):
        return {
            **super().get_config(),
            "num_levels": self.num_levels,
            "num_heads": self.num_heads,
            "pooling_power": self.pooling_power,
            "query": self.query,
            "query_items": self.query_items,
            "query_normalization": self.query_normalization,
            "head_split": self.head_split,
            "mask_first_softmax": self.mask_first_softmax,
            "layer_norm": self.layer_norm,
            "dropout": self.dropout,
        }
