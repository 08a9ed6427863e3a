"""Item-kNN: items that the same users took are similar."""

import itertools

import numpy as np
from keras import ops

from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.models.statistical import last_items
from mgnm_tf.models.statistical import positives
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

BLOCK_ENTRIES = 20_000_000
"""Similarities held at once while fitting: about half a gigabyte."""


@register
class ItemKNN(StatisticalRecommender):
    """Scores an item by its similarity to the items of the history.

    With n_i the users of item i in training and c_ij those of both i and j,

    ```
    similarity(i, j) = c_ij / (sqrt(n_i * n_j) + shrinkage)     (cosine)
    score(j) = sum of similarity(i, j) over the history items i
    ```

    where i keeps its `num_neighbors` most similar items only. An item that
    stands in the history twice counts twice; an item is not its own
    neighbour. Strong on sparse data in spite of its simplicity.

    The events are those of an epoch of training batches: the positives and
    the items before them. A sequence with one training event makes no sample
    and is not seen. Events of user 0 ("unknown") are left out: they are not
    one user's.

    Args:
        num_users: number of known users.
        num_items: number of items M; item 0 is padding.
        num_neighbors: neighbours kept for each item. Defaults to `500`.
        last: how many of the newest history items count; `None` for all.
            Defaults to `None`.
        shrinkage: damps similarities that rest on few users. Defaults to
            `0.0`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.

    Returns:
        Scores (batch, C), float32. Padding scores 0, and so does everything
        after an empty history. `encode` holds batch x (M + 1) floats.

    Example:

    >>> import numpy as np
    >>> from baselines.item_knn import ItemKNN
    >>> model = ItemKNN(num_users=2, num_items=3)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[1], [1]]),
    ...     "candidates": np.array([[2, 3], [3, 2]]),
    ... }
    >>> labels = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> _ = model.fit(features, labels, verbose=0)
    >>> print(np.asarray(model(features)).round(2))
    [[0.71 0.71]
     [0.71 0.71]]

    Reference: Sarwar et al., "Item-based collaborative filtering
    recommendation algorithms", WWW 2001,
    https://doi.org/10.1145/371920.372071.

    Differences: events are binary, and the score is a plain sum, as usual
    with implicit feedback.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        num_neighbors: int = 500,
        last: int | None = None,
        shrinkage: float = 0.0,
        **kwargs,
    ):
        check_positive_int(num_neighbors, "num_neighbors")
        if last is not None:
            check_positive_int(last, "last")
        check_range(shrinkage, "shrinkage")
        super().__init__(num_users, num_items, **kwargs)
        self.num_neighbors = num_neighbors
        self.last = last
        self.shrinkage = shrinkage
        shape = (num_items + 1, min(num_neighbors, num_items))
        options = {
            "shape": shape,
            "initializer": "zeros",
            "trainable": False,
            "autocast": False,
        }
        self.neighbors = self.add_weight(
            name="neighbors", dtype="int32", **options
        )
        self.similarities = self.add_weight(
            name="similarities", dtype="float32", **options
        )
        self.built = True

    def learn(self, batches):
        users, items = [], []
        for features, labels in batches:
            for events in (positives(features, labels), last_items(features)):
                known = (features["user"] > 0) & (events > 0)
                users.append(features["user"][known])
                items.append(events[known])
        if not users:
            return
        neighbors, similarities = nearest_items(
            np.concatenate(users),
            np.concatenate(items),
            self.num_users,
            self.num_items,
            self.neighbors.shape[1],
            self.shrinkage,
        )
        self.neighbors.assign(neighbors)
        self.similarities.assign(similarities)

    def encode(self, features, training=False):
        """Returns the scores of the whole catalogue, (B, M + 1)."""
        history = ops.convert_to_tensor(features["history"])
        similarities = ops.take(self.similarities, history, axis=0)
        if self.last is not None:
            recent = places_from_newest(valid_positions(history)) < self.last
            similarities = ops.where(recent[:, :, None], similarities, 0.0)
        # Row b of the batch adds up in segments b * (M + 1) to b * (M + 1) + M.
        width = self.num_items + 1
        batch = ops.shape(history)[0]
        segments = ops.take(self.neighbors, history, axis=0) + (
            width * ops.arange(batch, dtype="int32")[:, None, None]
        )
        totals = ops.segment_sum(
            ops.reshape(similarities, (-1,)),
            ops.reshape(segments, (-1,)),
            num_segments=batch * width,
        )
        return ops.reshape(totals, (-1, width))

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        if len(candidates.shape) == 1:
            return ops.take(encoded, candidates, axis=1)
        return ops.take_along_axis(encoded, candidates, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_neighbors": self.num_neighbors,
            "last": self.last,
            "shrinkage": self.shrinkage,
        }


def nearest_items(
    users: np.ndarray,
    items: np.ndarray,
    num_users: int,
    num_items: int,
    num_neighbors: int,
    shrinkage: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the most similar items of each item.

    Args:
        users: (n,) user of each event, 1 to `num_users`.
        items: (n,) item of each event, 1 to `num_items`; repeats count once.
        num_users: number of users.
        num_items: number of items M.
        num_neighbors: neighbours kept, k.
        shrinkage: see `ItemKNN`.

    Returns:
        ids (M + 1, k) int32, most similar first, and their similarities
        (M + 1, k) float32; both 0 where there is no neighbour. Equal ones
        stand in one order that was drawn for all items: the number of an
        item can tell when it came up first, and so what comes next.
    """
    from scipy import sparse

    events = sparse.csr_array(
        (np.ones(len(users), "float32"), (users, items)),
        shape=(num_users + 1, num_items + 1),
    )
    events.data[:] = 1.0
    by_item = events.T.tocsr()
    counts = np.sqrt(by_item.sum(axis=1))
    ids = np.zeros((num_items + 1, num_neighbors), "int32")
    similarities = np.zeros((num_items + 1, num_neighbors), "float32")
    lots = np.random.default_rng(0).permutation(num_items + 1)
    # An upper bound of the entries of each row of the product.
    entries = np.minimum(by_item @ events.sum(axis=1), num_items)
    blocks = (np.cumsum(entries) // BLOCK_ENTRIES).astype("int64")
    starts = np.searchsorted(blocks, np.arange(blocks[-1] + 2))
    for start, stop in itertools.pairwise(starts):
        product = (by_item[start:stop] @ events).tocoo()
        rows, columns = product.row + start, product.col
        values = product.data / (counts[rows] * counts[columns] + shrinkage)
        values[rows == columns] = 0.0
        order = np.lexsort((lots[columns], -values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = (rank < num_neighbors) & (values > 0)
        place = (rows[kept], rank[kept])
        ids[place] = columns[kept]
        similarities[place] = values[kept]
    return ids, similarities
