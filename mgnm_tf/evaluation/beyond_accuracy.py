"""What recommendations are like besides being right."""

from typing import Any

import keras
import numpy as np
from keras import ops

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.selected import with_selected
from mgnm_tf.evaluation.ties import is_later
from mgnm_tf.evaluation.ties import with_shuffled_ties
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.types import Features

MAX_RECORDS = 1000
"""The most records that lists are made for."""
_SHARE = 10
"""A model that looks at each pair of a history and an item scores at most one
pair here for so many in the evaluation, which take it most of its time, ..."""
_FEWEST_PAIRS = 20_000
"""... but always so many."""


def beyond_accuracy(
    model: SequentialRecommender,
    data: SequenceDataset,
    protocol: Protocol,
    *,
    batch_size: int = 256,
    chunk_size: int = 1024,
) -> dict[str, float]:
    """Measures coverage, novelty and concentration of recommendations.

    For records of the part, drawn with the seed of the protocol, the k best
    items of the whole catalogue are listed, without those of the visible
    history unless the protocol excludes nothing. k is the first of the
    protocol. See `coverage`, `novelty` and `gini` for what is said of the
    lists.

    At most 1,000 records are drawn; of a model with `max_pairs`, which is
    slow over a whole catalogue, at most so many that a tenth of the pairs of
    the evaluation by `protocol` are scored. Coverage grows with the number
    of lists, so only equal `records` compare.

    Args:
        model: a model for these data.
        data: the split data.
        protocol: the protocol; its negatives are not used.
        batch_size: the most histories at a time. Defaults to 256.
        chunk_size: items scored at a time. Defaults to 1024.

    Returns:
        `k`, `records` (the number of lists), `coverage`, `novelty`, `gini`.
    """
    chunk_size = min(chunk_size, data.num_items)
    k = min(protocol.places[0], data.num_items)
    if protocol.shuffle_ties is not None:
        data = with_shuffled_ties(data, protocol.part, protocol.shuffle_ties)
    positions = data.positions(protocol.part)
    if protocol.later_only:
        positions = positions[is_later(data, positions)]
    count = _num_records(model, data, protocol, len(positions))
    if len(positions) > count:
        random = np.random.default_rng(protocol.seed)
        positions = random.choice(positions, count, replace=False)
    batches = make_dataset(
        with_selected(data, protocol.part, positions),
        protocol.part,
        batch_size=model.max_batch_size(batch_size, chunk_size),
        max_length=protocol.max_length,
        negatives=0,
        features=model.required_features,
    )
    best = BestItems(model, k, chunk_size, protocol.exclude != "none")
    lists = np.concatenate([best(features) for features, _ in batches])
    trained = np.asarray(data.items)[np.asarray(data.parts) == 0]
    counts = np.bincount(trained, minlength=data.num_items + 1)[1:]
    return {
        "k": k,
        "records": len(lists),
        "coverage": coverage(lists, data.num_items),
        "novelty": novelty(lists, counts),
        "gini": gini(lists, data.num_items),
    }


def _num_records(
    model: SequentialRecommender,
    data: SequenceDataset,
    protocol: Protocol,
    available: int,
) -> int:
    """Returns for how many records lists are made."""
    count = min(available, MAX_RECORDS)
    if model.max_pairs is None:
        return count
    compared = data.num_items
    if not isinstance(protocol.negatives, str):
        compared = 1 + protocol.negatives
    pairs = max(available * compared // _SHARE, _FEWEST_PAIRS)
    return min(count, max(1, pairs // data.num_items))


class BestItems(keras.Model):
    """Lists the best items of the catalogue, chunk by chunk.

    Memory grows with `chunk_size`, not with the number of items. Of equal
    scores the lower id comes first. Called eagerly, so that a few batches
    cost no compiling.

    Args:
        recommender: a `SequentialRecommender`.
        k: the length of a list.
        chunk_size: items scored at a time.
        exclude_history: whether the items of the history are left out.

    Call arguments:
        features: what the recommender reads.

    Returns:
        int64 (B, k), best first; 0 where nothing is left.
    """

    def __init__(
        self,
        recommender: SequentialRecommender,
        k: int,
        chunk_size: int,
        exclude_history: bool,
    ):
        # The methods of the recommender run under this model's policy.
        super().__init__(dtype=recommender.dtype_policy)
        self.recommender = recommender
        self.k = k
        self.chunk_size = chunk_size
        self.exclude_history = exclude_history
        self.built = True

    def call(self, features: Features) -> Any:
        encoded = self.recommender.encode(features, training=False)
        history = ops.convert_to_numpy(features["history"]).astype(np.int64)
        rows = np.repeat(np.arange(len(history)), history.shape[1])
        seen = history.reshape(-1)
        ids = np.zeros((len(history), 0), np.int64)
        scores = np.zeros((len(history), 0), np.float32)
        for first in range(1, self.recommender.num_items + 1, self.chunk_size):
            last = min(first + self.chunk_size, self.recommender.num_items + 1)
            chunk = np.arange(first, last)
            found = self._score(encoded, chunk)
            if self.exclude_history:
                inside = (seen >= first) & (seen < last)
                found[rows[inside], seen[inside] - first] = -np.inf
            # Of equal values the lower place comes first.
            values, places = ops.top_k(found, min(self.k, len(chunk)))
            values, places = map(ops.convert_to_numpy, (values, places))
            ids = np.concatenate([ids, first + places], axis=1)
            scores = np.concatenate([scores, values], axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")[:, : self.k]
            ids = np.take_along_axis(ids, order, axis=1)
            scores = np.take_along_axis(scores, order, axis=1)
        return np.where(np.isneginf(scores), 0, ids)

    def _score(self, encoded: Any, chunk: np.ndarray) -> np.ndarray:
        """Returns float32 (B, C); -inf for what is no number."""
        candidates = ops.convert_to_tensor(chunk, "int32")
        scores = self.recommender.score(encoded, candidates, training=False)
        scores = np.array(ops.convert_to_numpy(scores), np.float32)
        return np.where(np.isnan(scores), -np.inf, scores)


def coverage(lists: np.ndarray, num_items: int) -> float:
    """Returns the share of the catalogue that is in a list at least.

    Args:
        lists: int (n, k), item rows from 1 on; 0 is no item.
        num_items: the size of the catalogue.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.evaluation.beyond_accuracy import coverage
    >>> coverage(np.array([[1, 2], [2, 0]]), 8)
    0.25

    Reference: Ge, Delgado-Battenfeld and Jannach, "Beyond accuracy:
    evaluating recommender systems by coverage and serendipity", RecSys 2010
    (catalog coverage).
    """
    return float(len(np.unique(lists[lists > 0])) / num_items)


def novelty(lists: np.ndarray, counts: np.ndarray) -> float:
    """Returns how surprising the listed items are, in bits.

    The mean over all listed items of their self-information

    ```
    -log2 (training events of the item / all training events)
    ```

    One bit more: items that are half as popular.

    Args:
        lists: int (n, k), item rows from 1 on; 0 is no item.
        counts: int (M,), training events of the items 1 to M; 0 counts as 1.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.evaluation.beyond_accuracy import novelty
    >>> novelty(np.array([[1, 2], [2, 0]]), np.array([4, 2, 2]))
    1.6666666666666667

    Reference: Zhou et al., "Solving the apparent diversity-accuracy dilemma
    of recommender systems", PNAS 107(10), 2010 (surprisal).

    Differences: the share is one of events, in the paper of users; the mean
    is over listed items.
    """
    listed = lists[lists > 0]
    if not listed.size:
        return 0.0
    shares = np.maximum(counts, 1) / max(int(counts.sum()), 1)
    return float(-np.log2(shares[listed - 1]).mean())


def gini(lists: np.ndarray, num_items: int) -> float:
    """Returns how unequally the lists are filled with the catalogue.

    With p_1 <= ... <= p_M the shares of the items in all listed items

    ```
    sum_j (2 j - M - 1) p_j / (M - 1)
    ```

    0 where all items are listed equally often, 1 where it is always one.

    Args:
        lists: int (n, k), item rows from 1 on; 0 is no item.
        num_items: the size M of the catalogue.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.evaluation.beyond_accuracy import gini
    >>> gini(np.array([[1, 2], [3, 4]]), 4), gini(np.array([[1], [1]]), 4)
    (0.0, 1.0)

    Reference: Shani and Gunawardana, "Evaluating recommendation systems",
    Recommender Systems Handbook, 2011, section 8.3.2 (Gini index).
    """
    listed = lists[lists > 0]
    if num_items < 2 or not listed.size:
        return 0.0
    counts = np.sort(np.bincount(listed, minlength=num_items + 1)[1:])
    weights = 2 * np.arange(1, num_items + 1) - num_items - 1
    return float(weights @ (counts / listed.size) / (num_items - 1))
