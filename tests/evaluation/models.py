"""Two recommenders with known scores."""

import keras
import numpy as np
from keras import ops

from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid


class SumVector(SequentialRecommender):
    """Scores by the inner product with the sum of the history's vectors."""

    def __init__(self, num_users, num_items, **kwargs):
        super().__init__(num_users, num_items, **kwargs)
        self.table = keras.layers.Embedding(
            num_items + 1,
            4,
            embeddings_initializer=keras.initializers.RandomNormal(seed=1),
            dtype=self.dtype_policy,
        )
        self.table.build((None,))
        self.built = True

    def encode(self, features, training=False):
        history = features["history"]
        vectors = zero_invalid(self.table(history), valid_positions(history))
        return ops.sum(vectors, axis=1)

    def score(self, encoded, candidates, training=False):
        letters = "c" if len(candidates.shape) == 1 else "bc"
        return ops.einsum(f"bd,{letters}d->bc", encoded, self.table(candidates))


class Fixed(SequentialRecommender):
    """Gives each item the same score for every history."""

    def __init__(self, num_users, num_items, scores):
        super().__init__(num_users, num_items)
        self.scores = np.asarray(scores, "float32")
        self.built = True

    def encode(self, features, training=False):
        return ops.cast(features["user"][:, None], "float32") * 0.0

    def score(self, encoded, candidates, training=False):
        return ops.take(self.scores, candidates, axis=0) + encoded
