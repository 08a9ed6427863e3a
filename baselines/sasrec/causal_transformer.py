"""A transformer block in which an item sees itself and the older ones."""

import math

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import FORBIDDEN
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

NORMALIZATIONS = ("before", "query", "after")


@register
class CausalTransformer(keras.layers.Layer):
    """Self-attention to the past, then a feed-forward net of width d.

    ```
    a = softmax_{j <= i}(q_i . k_j / sqrt(d / H))     in each of H heads
    A(x; z)_i = sum_j a_ij v_j                 q from x;  k and v from z
    F(x) = ReLU(x W_1 + b_1) W_2 + b_2

    "before":  y = x + A(LN(x); LN(x)),      out = y + F(LN(y))
    "query":   y = LN(x) + A(LN(x); x),      out = LN(y) + F(LN(y))
    "after":   y = LN(x + A(x; x)),          out = LN(y + F(y))
    ```

    It has 5 (d^2 + d) + 4 d parameters. The heads stand side by side without
    another product behind them.

    Args:
        num_heads: number of heads H; divides d. Defaults to `1`.
        dropout: share of the outputs of A and of F that training sets to
            zero. Defaults to `0.0`.
        normalization: where the layer normalisation LN stands, `"before"`,
            `"query"` or `"after"`, see above. It adds 1e-8 to the variance,
            with `"after"` 1e-5, as ReChorus. Defaults to `"before"`.
        return_sequences: whether every position is returned, or only the
            last valid one, for which alone the rest is computed. Defaults to
            `True`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        valid_mask: bool, (batch, length), True first (right padding).
        training: whether dropout acts.
        return_sequences: in the place of the constructor's; `None` is that.

    Returns:
        float, (batch, length, d), or (batch, d) without `return_sequences`.

    Raises:
        ValueError: an argument is out of its range, or d is not divisible by
            `num_heads`.

    Masking: no position sees a later one, so what stands at invalid ones
    changes nothing; they are 0, and so is the result of a row without valid
    positions.

    Example:

    >>> import numpy as np
    >>> from baselines.sasrec.causal_transformer import CausalTransformer
    >>> items = np.ones((2, 3, 4), "float32")
    >>> mask = np.array([[True, True, True], [True, False, False]])
    >>> CausalTransformer(num_heads=2)(items, valid_mask=mask).shape
    TensorShape([2, 3, 4])

    Reference: Kang and McAuley, "Self-Attentive Sequential Recommendation",
    ICDM 2018, https://arxiv.org/abs/1808.09781, section III.B.

    Differences: queries, keys and values have biases, as in the published
    code, where `"query"` is from; the paper writes `"before"`. Dropout acts
    where the paper has it; the code has it on the weights of the attention
    and inside F as well, and not on A.
    """

    def __init__(
        self,
        num_heads: int = 1,
        dropout: float = 0.0,
        normalization: str = "before",
        return_sequences: bool = True,
        **kwargs,
    ):
        check_positive_int(num_heads, "num_heads")
        check_range(dropout, "dropout", 0.0, 1.0)
        check_choice(normalization, "normalization", NORMALIZATIONS)
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.normalization = normalization
        self.return_sequences = return_sequences

    def build(self, items_shape, valid_mask_shape=None):
        dim = items_shape[-1]
        if dim % self.num_heads:
            raise ValueError(
                "The width of the items must be divisible by `num_heads`. "
                f"Received: width {dim}, num_heads={self.num_heads}"
            )
        shape = (None, None, dim)
        policy = {"dtype": self.dtype_policy}
        self.attention_norm, self.output_norm = (
            keras.layers.LayerNormalization(
                epsilon=1e-5 if self.normalization == "after" else 1e-8,
                name=f"{name}_norm",
                **policy,
            )
            for name in ("attention", "output")
        )
        self.query = keras.layers.Dense(dim, name="query", **policy)
        # Keys and values in one product.
        self.key_value = keras.layers.Dense(
            2 * dim,
            kernel_initializer=keras.initializers.VarianceScaling(
                # That of `query`, whose kernel is half as wide.
                1.5,
                "fan_avg",
                "uniform",
            ),
            name="key_value",
            **policy,
        )
        self.hidden = keras.layers.Dense(
            dim, activation="relu", name="hidden", **policy
        )
        self.output_layer = keras.layers.Dense(dim, name="output", **policy)
        for layer in (
            self.attention_norm,
            self.query,
            self.key_value,
            self.output_norm,
            self.hidden,
            self.output_layer,
        ):
            layer.build(shape)
        self.attention_dropout, self.output_dropout = (
            keras.layers.Dropout(self.dropout, name=f"{name}_dropout", **policy)
            for name in ("attention", "output")
        )
        self.built = True

    def call(
        self, items, valid_mask=None, training=False, return_sequences=None
    ):
        if return_sequences is None:
            return_sequences = self.return_sequences
        return self._transform(items, valid_mask, training, return_sequences)

    def _transform(
        self, items, valid_mask, training, return_sequences, **between
    ):
        """Does all of `call`; `between` is handed to `_attend`."""
        if valid_mask is None:
            valid_mask = ops.ones(ops.shape(items)[:2], "bool")
        if return_sequences:
            places = ops.arange(ops.shape(items)[1])
            seen = ops.greater_equal(places[:, None], places)  # (m, m)
            rows = items
        else:
            seen = valid_mask[:, None, None, :]
            rows = last_valid(items, valid_mask)[:, None]
        keys, queries = items, rows
        if self.normalization == "before":
            keys = queries = self.attention_norm(items)
            if not return_sequences:
                queries = self.attention_norm(rows)
        elif self.normalization == "query":
            queries = rows = self.attention_norm(rows)
        attended = rows + self.attention_dropout(
            self._attend(queries, keys, seen, **between), training=training
        )
        output = self._feed_forward(attended, training)
        if return_sequences:
            return zero_invalid(output, valid_mask)
        return zero_invalid(output[:, 0], ops.any(valid_mask, axis=-1))

    def _attend(self, queries, keys, seen):
        """Returns the heads side by side, (batch, queries, d)."""
        queries, keys, values = self._project(queries, keys)
        queries, keys, values = map(self._heads, (queries, keys, values))
        logits = ops.einsum("bihd,bjhd->bhij", queries, keys)
        weights = ops.cast(self._weights(logits, seen), values.dtype)
        return self._join(ops.einsum("bhij,bjhd->bihd", weights, values))

    def _project(self, queries, keys):
        """Returns queries, divided by the root of their width, keys, values.

        Each is (batch, length, d), the heads side by side.
        """
        dim = keys.shape[-1]
        queries = self.query(queries) / math.sqrt(dim // self.num_heads)
        keys_values = self.key_value(keys)
        return queries, keys_values[..., :dim], keys_values[..., dim:]

    def _weights(self, logits, seen):
        """Returns the weights of the attention, float32 like `logits`."""
        logits = ops.cast(logits, "float32")
        logits = logits + ops.where(seen, 0.0, FORBIDDEN)
        # `softmax` warns where there is but one item.
        if logits.shape[-1] == 1:
            return ops.ones_like(logits)
        return ops.softmax(logits)

    def _join(self, heads):
        """Turns (batch, length, H, d / H) into (batch, length, d)."""
        dim = heads.shape[-2] * heads.shape[-1]
        return ops.reshape(heads, (-1, ops.shape(heads)[1], dim))

    def _heads(self, vectors):
        """Turns (batch, length, d) into (batch, length, H, d / H)."""
        return ops.reshape(
            vectors,
            (
                -1,
                ops.shape(vectors)[1],
                self.num_heads,
                vectors.shape[-1] // self.num_heads,
            ),
        )

    def _feed_forward(self, attended, training):
        """Returns what follows the attention, residual and norm included."""
        if self.normalization == "before":
            inputs = self.output_norm(attended)
        elif self.normalization == "query":
            inputs = attended = self.output_norm(attended)
        else:
            inputs = attended = self.attention_norm(attended)
        output = attended + self.output_dropout(
            self.output_layer(self.hidden(inputs)), training=training
        )
        if self.normalization == "after":
            return self.output_norm(output)
        return output

    def compute_output_shape(self, items_shape, valid_mask_shape=None):
        if self.return_sequences:
            return items_shape
        return (items_shape[0], items_shape[2])

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "normalization": self.normalization,
            "return_sequences": self.return_sequences,
        }
