"""Interests as weighted means of a history that knows its places."""

import keras
from keras import ops

from baselines.timirec.post_norm_transformer import PostNormTransformer
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import get_initializer
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.validation import check_positive_int


@register
class SelfAttentiveExtractor(keras.layers.Layer):
    """Reads K interests off a history, each a weighted mean of its states.

    ```
    h_i = x_i + p_{n - i + 1}       with `transformer`: a block behind it
    a_k = softmax_i(tanh(h_i W + w) . s_k + t_k)
    v_k = sum_i a_ki h_i
    ```

    Places p are counted from the newest item of the n, which has place 1;
    place 0 is that of padding and is never read. The interests hold the
    places, other than those of ComiRec-SA. The K biases t have no effect, for
    the softmax removes them.

    It has d h + h + h K + K parameters, (`max_length` + 1) d more for the
    places, and 5 (d^2 + d) + 4 d for the block.

    Args:
        num_interests: number of interests K. Defaults to `4`.
        hidden_dim: width h of the attention. Defaults to `8`.
        max_length: the longest history, if `positions`. Defaults to `20`.
        positions: whether the states know the places of the items. Defaults
            to `True`.
        transformer: whether a `PostNormTransformer` stands between the items
            and the attention. Defaults to `False`.
        initializer: standard deviation of the normal draw of all weights, or
            the name of an initializer. Defaults to `0.01`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        valid_mask: bool, (batch, length), True first (right padding).
        return_weights: whether the weights come back, too; by default they
            do not.

    Returns:
        Interests (batch, K, d); with `return_weights` also the weights
        (batch, K, length) of the items.

    Masking: padding gets no weight; after an empty history all interests
    are zero.

    Raises:
        ValueError: a size is out of its range; with `positions`, a history
            is longer than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.timirec.self_attentive_extractor import (
    ...     SelfAttentiveExtractor,
    ... )
    >>> items = np.ones((2, 3, 8), "float32")
    >>> mask = np.array([[True, True, True], [True, False, False]])
    >>> SelfAttentiveExtractor(4)(items, valid_mask=mask).shape
    TensorShape([2, 4, 8])

    Reference: Wang et al., "Target Interest Distillation for Multi-Interest
    Recommendation", CIKM 2022, https://doi.org/10.1145/3511808.3557464,
    equations 1, 2, 12 and 13; Cen et al., "Controllable Multi-Interest
    Framework for Recommendation", KDD 2020,
    https://arxiv.org/abs/2005.09347. Code: THUwangcy/ReChorus, branch CIKM22.

    Differences: the paper has no biases; they are those of the code, and so
    is the place in what is averaged.
    """

    def __init__(
        self,
        num_interests: int = 4,
        hidden_dim: int = 8,
        max_length: int = 20,
        positions: bool = True,
        transformer: bool = False,
        initializer: float | str = 0.01,
        **kwargs,
    ):
        check_positive_int(num_interests, "num_interests")
        check_positive_int(hidden_dim, "hidden_dim")
        check_positive_int(max_length, "max_length")
        super().__init__(**kwargs)
        self.num_interests = num_interests
        self.hidden_dim = hidden_dim
        self.max_length = max_length
        self.positions = positions
        self.transformer = transformer
        self.initializer = initializer

    def build(self, items_shape, valid_mask_shape=None):
        dim = items_shape[-1]
        policy = {"dtype": self.dtype_policy}
        self.position_embedding = self.block = None
        if self.positions:
            self.position_embedding = keras.layers.Embedding(
                self.max_length + 1,
                dim,
                embeddings_initializer=get_initializer(self.initializer),
                name="position_embedding",
                **policy,
            )
            self.position_embedding.build()
        if self.transformer:
            self.block = PostNormTransformer(
                self.initializer, name="block", **policy
            )
            self.block.build((None, None, dim))
        self.hidden_layer, self.attention = (
            keras.layers.Dense(
                units,
                activation=activation,
                kernel_initializer=get_initializer(self.initializer),
                bias_initializer=get_initializer(self.initializer),
                name=name,
                **policy,
            )
            for units, activation, name in (
                (self.hidden_dim, "tanh", "hidden_layer"),
                (self.num_interests, None, "attention"),
            )
        )
        self.hidden_layer.build((None, None, dim))
        self.attention.build((None, None, self.hidden_dim))
        self.built = True

    def call(self, items, valid_mask=None, return_weights=False):
        if valid_mask is None:
            valid_mask = ops.ones(ops.shape(items)[:2], "bool")
        states = items
        if self.position_embedding is not None:
            check_history_length(items, self.max_length)
            places = ops.maximum(places_from_newest(valid_mask) + 1, 0)
            states = items + self.position_embedding(places)
        if self.block is not None:
            states = self.block(states, valid_mask=valid_mask)
        logits = self.attention(self.hidden_layer(states))  # (batch, m, K)
        weights = masked_softmax(
            ops.transpose(logits, (0, 2, 1)), valid_mask[:, None]
        )
        interests = ops.matmul(weights, states)
        return (interests, weights) if return_weights else interests

    def compute_output_shape(self, items_shape, valid_mask_shape=None):
        return (items_shape[0], self.num_interests, items_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "hidden_dim": self.hidden_dim,
            "max_length": self.max_length,
            "positions": self.positions,
            "transformer": self.transformer,
            "initializer": self.initializer,
        }
