"""Attention without a softmax, whose output a gate of the input weighs."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class TransductionUnit(keras.layers.Layer):
    """One layer of HSTU: an item sees itself and the older ones.

    ```
    U, V, Q, K = SiLU(LN(x) W_1)                        of width d each
    A_ij = SiLU(q_i . k_j + r_ij) / max_length, j <= i  in each of H heads
    y = x + (U * LN(A V)) W_2 + b_2
    ```

    The heads share r, the bias of relative places and times. LN has no
    weights and adds 1e-6 to the variance. It has 5 d^2 + d parameters.

    Args:
        num_heads: number of heads H; divides d. Defaults to `1`.
        dropout: share of what W_2 reads that training sets to zero. Defaults
            to `0.0`.
        max_length: what the weights of the attention are divided by.
            Defaults to `100`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        bias: float, (batch or 1, rows, length): r; rows is `length`, or 1
            without `return_sequences`.
        valid_mask: bool, (batch, length), True first (right padding).
        training: whether dropout acts.
        return_sequences: whether every position is returned, as it is where
            nothing is said, or only the last valid one, for which alone the
            rest is computed.

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
    >>> from mgnm_tf.layers import TransductionUnit
    >>> items = np.ones((2, 3, 4), "float32")
    >>> bias = np.zeros((1, 3, 3), "float32")
    >>> TransductionUnit(num_heads=2)(items, bias).shape
    TensorShape([2, 3, 4])

    Reference: Zhai et al., "Actions Speak Louder than Words: Trillion-
    Parameter Sequential Transducers for Generative Recommendations", ICML
    2024, https://arxiv.org/abs/2402.17152, equations 1 to 3. Code:
    facebookresearch/generative-recommenders.
    """

    def __init__(
        self,
        num_heads: int = 1,
        dropout: float = 0.0,
        max_length: int = 100,
        **kwargs,
    ):
        check_positive_int(num_heads, "num_heads")
        check_range(dropout, "dropout", 0.0, 1.0)
        check_positive_int(max_length, "max_length")
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.max_length = max_length

    def build(self, items_shape, bias_shape=None, valid_mask_shape=None):
        dim = items_shape[-1]
        if dim % self.num_heads:
            raise ValueError(
                "The width of the items must be divisible by `num_heads`. "
                f"Received: width {dim}, num_heads={self.num_heads}"
            )
        policy = {"dtype": self.dtype_policy}
        self.input_norm, self.attention_norm = (
            keras.layers.LayerNormalization(
                epsilon=1e-6, center=False, scale=False, name=name, **policy
            )
            for name in ("input_norm", "attention_norm")
        )
        # The gate and the query of a row, the values and the keys of all.
        self.gate_query, self.value_key = (
            keras.layers.Dense(
                2 * dim,
                activation="silu",
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
                name=name,
                **policy,
            )
            for name in ("gate_query", "value_key")
        )
        self.output_layer = keras.layers.Dense(dim, name="output", **policy)
        self.output_dropout = keras.layers.Dropout(
            self.dropout, name="output_dropout", **policy
        )
        shape = (None, None, dim)
        for layer in (
            self.input_norm,
            self.attention_norm,
            self.gate_query,
            self.value_key,
            self.output_layer,
        ):
            layer.build(shape)
        self.built = True

    def call(
        self,
        items,
        bias,
        valid_mask=None,
        training=False,
        return_sequences=True,
    ):
        if valid_mask is None:
            valid_mask = ops.ones(ops.shape(items)[:2], "bool")
        dim = items.shape[-1]
        rows, seen = items, valid_mask[:, None]
        if return_sequences:
            places = ops.arange(ops.shape(items)[1])
            earlier = ops.greater_equal(places[:, None], places)
            seen = ops.logical_and(seen, earlier[None])
        else:
            rows = last_valid(items, valid_mask)[:, None]
        gate_query = self.gate_query(self.input_norm(rows))
        value_key = self.value_key(self.input_norm(items))
        gate, query = gate_query[..., :dim], gate_query[..., dim:]
        value, key = (
            self._heads(value_key[..., :dim]),
            self._heads(value_key[..., dim:]),
        )
        logits = ops.einsum("bihd,bjhd->bhij", self._heads(query), key)
        logits = logits + ops.cast(bias, logits.dtype)[:, None]
        weights = ops.silu(logits) / self.max_length
        weights = ops.where(seen[:, None], weights, ops.zeros_like(weights))
        attended = ops.einsum("bhij,bjhd->bihd", weights, value)
        attended = ops.reshape(attended, (-1, ops.shape(rows)[1], dim))
        output = gate * self.attention_norm(attended)
        output = self.output_dropout(output, training=training)
        output = rows + self.output_layer(output)
        if return_sequences:
            return zero_invalid(output, valid_mask)
        return zero_invalid(output[:, 0], ops.any(valid_mask, axis=-1))

    def _heads(self, vectors):
        """Turns (batch, length, d) into (batch, length, H, d / H)."""
        length, dim = ops.shape(vectors)[1], vectors.shape[-1]
        shape = (-1, length, self.num_heads, dim // self.num_heads)
        return ops.reshape(vectors, shape)

    def compute_output_shape(
        self, items_shape, bias_shape=None, valid_mask_shape=None
    ):
        """Returns the shape with `return_sequences`."""
        return items_shape

    def compute_output_spec(
        self,
        items,
        bias,
        valid_mask=None,
        training=False,
        return_sequences=True,
    ):
        shape = items.shape
        if not return_sequences:
            shape = (shape[0], shape[2])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "max_length": self.max_length,
        }
