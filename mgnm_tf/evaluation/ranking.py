"""From a model that scores to the rank of each positive."""

import keras
from keras import ops

from mgnm_tf.metrics import count_above
from mgnm_tf.metrics import positive_ranks
from mgnm_tf.types import Features
from mgnm_tf.types import Tensor
from mgnm_tf.utils.compiled import compiled
from mgnm_tf.utils.validation import check_positive_int


class RankingModel(keras.Model):
    """Ranks the positive of each row; used through `predict`.

    Sampled candidates: the positive stands in column 0 of `candidates`, and
    the model scores all columns at once. Whole catalogue: items 1 to
    M are scored chunk by chunk in a loop of the graph, and those above the
    positive are counted, so that memory grows with `chunk_size` and not with
    M; the ids in `excluded` do not count, whatever their scores.

    Scores that agree within rounding may or may not count as a tie. Equal
    item vectors do tie, where the processor's library gives the columns of
    one product of matrices the same bits; it nearly always does.

    Letters in shapes: B rows, C candidates, W excluded ids, M items.

    Args:
        recommender: a `SequentialRecommender`.
        whole_catalogue: whether to rank among all items. Defaults to
            `False`.
        chunk_size: number of items scored at once with `whole_catalogue`.
            Defaults to 1024.
        compile_scores: whether XLA compiles scoring and counting, where the
            recommender has no `max_pairs`. Pays from about a hundred million
            scores on, see `compiled`. Defaults to `True`.
        tie: what a negative of the same score counts. Defaults to `0.5`.

    Call arguments:
        features: what the recommender reads, and `excluded` (B, W) int32,
            ascending in each row, repeats allowed, which holds at least 0
            and the positive. It may be missing for sampled candidates; there
            it only tells of rows in which nothing is a negative.

    Returns:
        dict of `rank` (B,) float32, 0 for the best and ties by `tie`, and
        `num_negatives` (B,) float32.
    """

    def __init__(
        self,
        recommender: keras.Model,
        whole_catalogue: bool = False,
        chunk_size: int = 1024,
        compile_scores: bool = True,
        tie: float = 0.5,
    ):
        # The methods of the recommender run under this model's policy.
        super().__init__(dtype=recommender.dtype_policy)
        self.recommender = recommender
        self.whole_catalogue = whole_catalogue
        self.chunk_size = check_positive_int(chunk_size, "chunk_size")
        self.compile_scores = compile_scores
        self.tie = tie
        self._rank = self._rank_candidates
        if whole_catalogue:
            self._rank = self._rank_in_catalogue
        if compile_scores and recommender.max_pairs is None:
            self._rank = compiled(self._rank)
        self.built = True

    def call(self, features: Features) -> dict[str, Tensor]:
        encoded = self.recommender.encode(features, training=False)
        candidates = ops.convert_to_tensor(features["candidates"])
        if self.whole_catalogue:
            excluded = ops.convert_to_tensor(features["excluded"])
            rank, total = self._rank(encoded, candidates[:, 0], excluded)
        else:
            rank, total = self._rank(encoded, candidates)
            if "excluded" in features:
                # Where nothing may occur, what was drawn is no negative.
                excluded = ops.convert_to_tensor(features["excluded"])
                used = _count_distinct(excluded)
                exhausted = used >= self.recommender.num_items
                total = ops.where(exhausted, 0.0, total)
                rank = ops.where(exhausted, 0.0, rank)
        return {"rank": rank, "num_negatives": total}

    def _rank_candidates(self, encoded, candidates: Tensor):
        """Returns rank and number of negatives; the positive comes first."""
        scores = self._score(encoded, candidates)
        columns = ops.arange(ops.shape(scores)[1])
        labels = ops.where(columns == 0, ops.ones_like(scores), 0.0)
        return positive_ranks(labels, scores, self.tie)

    def _rank_in_catalogue(self, encoded, positives: Tensor, excluded: Tensor):
        """Counts, chunk by chunk, what stands above the positives (B,)."""
        num_items, size = self.recommender.num_items, self.chunk_size
        excluded = ops.cast(excluded, "int32")
        first_time = _first_of_equals(excluded)
        row = ops.arange(ops.shape(positives)[0], dtype="int32")
        num_lists = (ops.shape(positives)[0] + size - 1) // size
        columns = ops.arange(size, dtype="int32")

        def add_chunk(index, state):
            above, positive = state
            index = ops.cast(index, "int32")
            # The first chunks are lists of the positives: only what comes out
            # of the same operation has the same bits, so that ties are ties.
            listed = ops.minimum(index * size + columns, row[-1])
            first = (index - num_lists) * size
            ids = first + columns
            items = ops.logical_and(ids > 0, ids <= num_items)
            ids = ops.where(
                index < num_lists,
                ops.take(positives, listed, axis=0),
                ops.clip(ids, 0, num_items),
            )
            scores = self._score(encoded, ids)  # (B, chunk)
            positive = ops.where(
                (row // size == index)[:, None],
                ops.take_along_axis(scores, (row % size)[:, None], axis=1),
                positive,
            )
            above = above + count_above(scores, positive, items, self.tie)
            # What is excluded was counted too.
            column = excluded - first
            inside = ops.logical_and(column >= 0, column < size)
            inside = ops.logical_and(inside, first_time)
            column = ops.where(inside, column, 0)
            scores = ops.take_along_axis(scores, column, axis=1)  # (B, W)
            known = count_above(scores, positive, inside, self.tie)
            return above - known, positive

        num_chunks = num_items // size + 1
        zeros = ops.zeros_like(positives, dtype="float32")
        above, _ = ops.fori_loop(
            0, num_lists + num_chunks, add_chunk, (zeros, zeros[:, None])
        )
        return above, num_items - _count_distinct(excluded)

    def _score(self, encoded, candidates: Tensor) -> Tensor:
        scores = self.recommender.score(encoded, candidates, training=False)
        return ops.cast(scores, "float32")


def _first_of_equals(ids: Tensor) -> Tensor:
    """Marks the first of equal ids, but no 0, in ascending rows (B, W)."""
    before = ops.concatenate([ops.zeros_like(ids[:, :1]), ids[:, :-1]], axis=1)
    return ids > before


def _count_distinct(ids: Tensor) -> Tensor:
    """Counts different ids, but no 0, in ascending rows (B, W), float32."""
    return ops.sum(ops.cast(_first_of_equals(ids), "float32"), axis=1)
