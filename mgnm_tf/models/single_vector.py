"""The base of models that read one vector off a history."""

from keras import ops

from mgnm_tf.layers.item_embedding import ItemEmbedding
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.types import Features
from mgnm_tf.types import Tensor
from mgnm_tf.utils.validation import check_positive_int


class SingleVectorRecommender(SequentialRecommender):
    """Scores an item by its inner product with the user: `u . x_j`.

    History and candidates share one item table. A subclass writes `encode`,
    which returns the user vectors (B, d), and finds `item_embedding` made.

    Args:
        num_users: see `SequentialRecommender`.
        num_items: see `SequentialRecommender`.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: a size is out of its range.
    """

    def __init__(
        self, num_users: int, num_items: int, embedding_dim: int = 16, **kwargs
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.item_embedding = ItemEmbedding(
            num_items,
            embedding_dim,
            name="item_embedding",
            dtype=self.dtype_policy,
        )

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        vectors = self.item_embedding(candidates)
        if len(candidates.shape) == 1:
            return self.score_vectors(encoded, vectors)
        return ops.einsum("bd,bcd->bc", encoded, vectors)

    def score_vectors(self, encoded, vectors):
        vectors = ops.cast(vectors, encoded.dtype)
        return ops.matmul(encoded, ops.transpose(vectors))

    def interests(self, features: Features) -> Tensor:
        """Returns the user vectors (B, 1, d)."""
        return ops.expand_dims(self.encode(features), 1)

    def item_vectors(self) -> Tensor:
        return self.item_embedding.vectors()

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
        }
