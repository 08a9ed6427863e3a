"""YouTubeDNN: the mean of the history."""

import keras
from keras import ops

from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import history_length
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_range


@register
class YouTubeDNN(SingleVectorRecommender):
    """Scores an item by its inner product with the mean of the history.

    ```
    u = (x_1 + ... + x_n) / n            x: item vectors of the history
    u = u W + w                          with `projection`
    score(j) = u . x_j
    ```

    The simplest model that learns item vectors: nothing but the table, and
    no order. Any other model has to beat it. With `projection` it has
    d^2 + d parameters more.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        projection: whether a linear layer stands between the mean and the
            user vector. Defaults to `False`.
        dropout: share of the numbers of the history's item vectors that
            training sets to zero. Defaults to `0.0`.
        temperature: see `SingleVectorRecommender`. Defaults to `None`.
        interest_bias: see `SingleVectorRecommender`. Defaults to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: the mean is that of the items alone; after an empty history it
    is zero, before `interest_bias`.

    Example:

    >>> import numpy as np
    >>> from baselines.youtube_dnn import YouTubeDNN
    >>> model = YouTubeDNN(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Covington et al., "Deep Neural Networks for YouTube
    Recommendations", RecSys 2016, https://doi.org/10.1145/2959100.2959190,
    read as in the code of Wang et al., "Target Interest Distillation for
    Multi-Interest Recommendation", CIKM 2022 (THUwangcy/ReChorus).

    Differences: the paper passes the mean, together with features of the
    user, through a tower of ReLU layers and has another table for the
    candidates; those comparisons keep one linear layer, which is an option
    here, and one table. Their code adds the trained vector of padding to the
    sum; here padding is left out.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        projection: bool = False,
        dropout: float = 0.0,
        temperature: float | None = None,
        interest_bias: bool = False,
        **kwargs,
    ):
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            interest_bias,
            **kwargs,
        )
        self.projection = projection
        self.dropout = dropout
        self.input_dropout = keras.layers.Dropout(
            dropout, name="input_dropout", dtype=self.dtype_policy
        )
        self.output_layer = None
        if projection:
            self.output_layer = keras.layers.Dense(
                embedding_dim, name="output_layer", dtype=self.dtype_policy
            )
            self.output_layer.build((None, embedding_dim))
        self.built = True

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        items = self.item_embedding(history)
        items = self.input_dropout(items, training=training)
        length = ops.maximum(history_length(valid_positions(history)), 1)
        total = ops.sum(items, axis=1)
        mean = total / ops.cast(length, total.dtype)[:, None]
        if self.output_layer is None:
            return mean
        return self.output_layer(mean)

    def get_config(self):
        return {
            **super().get_config(),
            "projection": self.projection,
            "dropout": self.dropout,
        }
