"""A2SVD: the history as one attention-weighted sum."""

import keras
from keras import ops

from mgnm_tf.layers.scoring.feed_forward import FeedForward
from mgnm_tf.layers.sequence.attentive_pooling import AttentivePooling
from mgnm_tf.models.categories import CategoryRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_choice


@register
class A2SVD(CategoryRecommender):
    """Scores an item by a network of it and the sum of the history.

    ```
    a_i = (x_i W) . q                     x: item vectors of the history
    u = sum_i softmax_i(a_i) x_i
    score(j) = network([u ; x_j])         `FeedForward`, 100 and 64 units
    ```

    There is no table of users: a user is what stands in the history, in any
    order. Without the item table, with D = `embedding_dim + category_dim`,
    the model has `D^2 + D + 200 D + 6957` parameters.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width of the item vectors. Defaults to `16`.
        attention_activation: `None`, or `"tanh"` for
            `a_i = tanh(x_i W + b) . q`, as in the authors' own code.
            Defaults to `None`.
        dropout: share of the hidden units of the network that training sets
            to zero. Defaults to `0.3`.
        num_categories: number of item categories. Defaults to `0`.
        category_dim: width of the category vectors, 0 for none. Defaults to
            `0`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether the network is trained.

    Returns:
        Scores (batch, C), float32.

    Raises:
        ValueError: an option is unknown or out of range, or `category_dim`
            is given for data without categories.

    Masking: padding changes nothing; after an empty history u is zero.

    Example:

    >>> import numpy as np
    >>> from baselines.a2svd import A2SVD
    >>> model = A2SVD(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: the long-term part of Yu et al., "Adaptive user modeling with
    long and short-term preferences for personalized recommendation", IJCAI
    2019, https://doi.org/10.24963/ijcai.2019/585, as in DeepRec, where it is
    called A2SVD after Koren's asymmetric SVD (KDD 2008).

    Differences: padding gets no attention; in DeepRec it does, so that short
    histories shrink. DeepRec draws negatives within the batch and trains a
    softmax over them, with an L2 penalty of 1e-4; here the objective is the
    common one.
    """

    normalizes_scores = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        attention_activation: str | None = None,
        dropout: float = 0.3,
        num_categories: int = 0,
        category_dim: int = 0,
        **kwargs,
    ):
        check_choice(
            attention_activation, "attention_activation", (None, "tanh")
        )
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_categories,
            category_dim,
            keras.initializers.TruncatedNormal(stddev=0.01),
            **kwargs,
        )
        self.attention_activation = attention_activation
        self.dropout = dropout
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.item_embedding.output_dim
        self.pooling = AttentivePooling(
            self.attention_activation, name="pooling", **policy
        )
        self.pooling.build((None, None, dim))
        self.network = FeedForward(
            dropout=self.dropout, name="network", **policy
        )
        self.network.build([(None, None, dim), (None, None, dim)])

    def encode(self, features, training=False):
        """Returns the user vectors (B, D)."""
        history = ops.convert_to_tensor(features["history"])
        return self.pooling(
            self.item_embedding(history), valid_mask=valid_positions(history)
        )

    def score(self, encoded, candidates, training=False):
        items = self.item_embedding(
            ops.convert_to_tensor(candidates), training=training
        )
        if len(items.shape) == 2:
            items = ops.expand_dims(items, 0)
        return self.network(
            [ops.expand_dims(encoded, 1), items], training=training
        )

    def get_config(self):
        return {
            **super().get_config(),
            "attention_activation": self.attention_activation,
            "dropout": self.dropout,
        }
