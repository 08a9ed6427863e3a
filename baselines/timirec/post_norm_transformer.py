"""A transformer block in which every item sees all of its history."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import get_initializer
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import zero_invalid


@register
class PostNormTransformer(keras.layers.Layer):
    """Self-attention of one head, then a net of width d, each normalised.

    ```
    a_i = softmax_j(q_i . k_j / sqrt(d))          q, k, v from x, with biases
    y = LN(x + sum_j a_ij v_j)
    out = LN(y + ReLU(y W_1 + b_1) W_2 + b_2)
    ```

    Attention is to the older and the newer items alike. No product follows
    the attention. It has 5 (d^2 + d) + 4 d parameters.

    Args:
        initializer: standard deviation of the normal draw of kernels and
            biases, or the name of an initializer. Defaults to `0.01`.
        epsilon: what the normalisation LN adds to the variance. Defaults to
            `1e-5`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        valid_mask: bool, (batch, length).

    Returns:
        float, (batch, length, d).

    Masking: invalid positions are neither seen nor filled; they are 0.

    Example:

    >>> import numpy as np
    >>> from baselines.timirec.post_norm_transformer import PostNormTransformer
    >>> items = np.ones((2, 3, 4), "float32")
    >>> mask = np.array([[True, True, True], [True, False, False]])
    >>> PostNormTransformer()(items, valid_mask=mask).shape
    TensorShape([2, 3, 4])

    Reference: THUwangcy/ReChorus, branch CIKM22, `TransformerLayer`; Wang et
    al., "Target Interest Distillation for Multi-Interest Recommendation",
    CIKM 2022, https://doi.org/10.1145/3511808.3557464.
    """

    def __init__(
        self,
        initializer: float | str = 0.01,
        epsilon: float = 1e-5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.initializer = initializer
        self.epsilon = epsilon

    def build(self, items_shape, valid_mask_shape=None):
        dim = items_shape[-1]
        policy = {"dtype": self.dtype_policy}
        self.query, self.key, self.value, self.hidden, self.output_layer = (
            keras.layers.Dense(
                dim,
                activation="relu" if name == "hidden" else None,
                kernel_initializer=get_initializer(self.initializer),
                bias_initializer=get_initializer(self.initializer),
                name=name,
                **policy,
            )
            for name in ("query", "key", "value", "hidden", "output")
        )
        self.attention_norm, self.output_norm = (
            keras.layers.LayerNormalization(
                epsilon=self.epsilon, name=f"{name}_norm", **policy
            )
            for name in ("attention", "output")
        )
        for layer in (
            self.query,
            self.key,
            self.value,
            self.attention_norm,
            self.hidden,
            self.output_layer,
            self.output_norm,
        ):
            layer.build((None, None, dim))
        self.built = True

    def call(self, items, valid_mask=None):
        if valid_mask is None:
            valid_mask = ops.ones(ops.shape(items)[:2], "bool")
        queries = self.query(items) * items.shape[-1] ** -0.5
        logits = ops.einsum("bid,bjd->bij", queries, self.key(items))
        weights = masked_softmax(logits, valid_mask[:, None])
        attended = ops.matmul(weights, self.value(items))
        attended = self.attention_norm(items + attended)
        change = self.output_layer(self.hidden(attended))
        return zero_invalid(self.output_norm(attended + change), valid_mask)

    def compute_output_shape(self, items_shape, valid_mask_shape=None):
        return items_shape

    def get_config(self):
        return {
            **super().get_config(),
            "initializer": self.initializer,
            "epsilon": self.epsilon,
        }
