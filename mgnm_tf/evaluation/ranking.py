"""From a model that scores to the rank of each positive."""

import keras
from keras import ops

from mgnm_tf.metrics import positive_ranks
from mgnm_tf.types import Features
from mgnm_tf.types import Tensor
from mgnm_tf.utils.validation import check_positive_int


class RankingModel(keras.Model):
    """Ranks the positive of each row; used through `predict`.

    Sampled candidates: the positive stands in column 0 of `candidates`, and
    the model scores all columns at once. Whole catalogue: items 1 to
    M are scored chunk by chunk in a loop of the graph, so that memory grows
    with `chunk_size` and not with M; the ids in `excluded` do not count,
    whatever their scores.

    Letters in shapes: B rows, C candidates, W excluded ids, M items.

    Args:
        recommender: a `SequentialRecommender`.
        whole_catalogue: whether to rank among all items. Defaults to
            `False`.
        chunk_size: number of items scored at once with `whole_catalogue`.
            Defaults to 2048.

    Call arguments:
        features: what the recommender reads; with `whole_catalogue` also
            `excluded` (B, W) int32, which holds at least 0 and the positive.

    Returns:
        dict of `rank` (B,) float32, 0 for the best and ties by half, and
        `num_negatives` (B,) float32.
    """

    def __init__(
        self,
        recommender: keras.Model,
        whole_catalogue: bool = False,
        chunk_size: int = 2048,
    ):
        # The methods of the recommender run under this model's policy.
        super().__init__(dtype=recommender.dtype_policy)
        self.recommender = recommender
        self.whole_catalogue = whole_catalogue
        self.chunk_size = check_positive_int(chunk_size, "chunk_size")
        self.built = True

    def call(self, features: Features) -> dict[str, Tensor]:
        if self.whole_catalogue:
            rank, num_negatives = self._rank_in_catalogue(features)
        else:
            scores = self.recommender(features, training=False)
            columns = ops.arange(ops.shape(scores)[1])
            labels = ops.where(columns == 0, ops.ones_like(scores), 0.0)
            rank, num_negatives = positive_ranks(labels, scores)
        return {"rank": rank, "num_negatives": num_negatives}

    def _rank_in_catalogue(self, features: Features):
        """Counts, chunk by chunk, what stands above the positive."""
        encoded = self.recommender.encode(features, training=False)
        positive = self._score(encoded, features["candidates"][:, :1])

        def add_chunk(index, state):
            first = index * self.chunk_size
            ids = first + ops.arange(self.chunk_size, dtype="int32")
            known = ops.minimum(ids, self.recommender.num_items)
            scores = self._score(encoded, known)  # (B, chunk)
            counts = ops.logical_and(
                self._not_excluded(features["excluded"], first),
                ids <= self.recommender.num_items,
            )
            counts = ops.cast(counts, "float32")
            below = ops.cast(scores < positive, "float32")
            below = below + 0.5 * ops.cast(scores == positive, "float32")
            above = ops.sum(counts * (1.0 - below), axis=-1)
            return state[0] + above, state[1] + ops.sum(counts, axis=-1)

        zeros = ops.zeros_like(positive[:, 0])
        num_chunks = self.recommender.num_items // self.chunk_size + 1
        return ops.fori_loop(0, num_chunks, add_chunk, (zeros, zeros))

    def _score(self, encoded, candidates: Tensor) -> Tensor:
        scores = self.recommender.score(encoded, candidates, training=False)
        return ops.cast(scores, "float32")

    def _not_excluded(self, excluded: Tensor, first: Tensor) -> Tensor:
        """Marks the ids `first + column` that are not in `excluded`.

        Args:
            excluded: int32 (B, W).
            first: int32 (), the id of column 0.

        Returns:
            bool (B, chunk_size).
        """
        batch, width = ops.shape(excluded)
        column = excluded - first
        inside = ops.logical_and(column >= 0, column < self.chunk_size)
        # Ids of other chunks go to a column that is cut off.
        column = ops.where(inside, column, self.chunk_size)
        row = ops.broadcast_to(ops.arange(batch)[:, None], (batch, width))
        places = ops.reshape(ops.stack([row, column], axis=-1), (-1, 2))
        marked = ops.scatter_update(
            ops.zeros((batch, self.chunk_size + 1)),
            places,
            ops.ones((batch * width,)),
        )
        return marked[:, :-1] == 0
