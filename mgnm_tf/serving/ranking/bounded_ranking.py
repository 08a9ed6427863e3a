"""The best items of many users, found by a bound."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mgnm_tf.index.pairs import table_of_pairs
from mgnm_tf.serving.ranking.candidates import best_of
from mgnm_tf.serving.ranking.candidates import rows_of
from mgnm_tf.serving.ranking.candidates import without

_MORE = 32
"""How many more than twice the items wanted give the first bound."""
_SHARE = 1 / 16
"""Of the catalogue, beyond which scoring all of it is as fast."""
_ROUNDING = 1e-5
_FLOATS = 1 << 24
"""Size of the candidates' vectors that are in memory at a time."""


class BoundedRanking:
    """Ranks items for models whose scores products bound.

    No score of such a model is above the largest product of the item and an
    interest (`scores_within_products`). So the k-th best score of any items
    is a bound: an item whose products are all below it is not among the k
    best, whatever its score. Those that reach it are looked for; they alone
    are scored, by the model itself, and the best of them are the best of all
    that were looked through.

    Where that does not pay, as with interests so weak that every item is
    nearly as good, there is no answer.

    Letters in shapes: B users, n interests, C candidates, d width.

    Args:
        scorer: has `score_each`, as an `InterestReader` has.
        products: looks for large products: `LargestProducts`, which looks
            through all vectors, or `ListSearch`.
        vectors_of: returns the vectors float32 (B, C, d) of rows int64
            (B, C), any for -1.
        first_row: the row of what `products` calls 0. Defaults to `0`.
    """

    def __init__(
        self,
        scorer: Any,
        products: Any,
        vectors_of: Callable[[np.ndarray], np.ndarray],
        first_row: int = 0,
    ):
        self._scorer = scorer
        self._products = products
        self._vectors_of = vectors_of
        self._first_row = first_row

    def __call__(
        self,
        encoded: Any,
        interests: np.ndarray,
        seen: np.ndarray,
        empty: np.ndarray,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns the best items of each user.

        Args:
            encoded: what the model scores by.
            interests: float32 (B, n, d).
            seen: int64 (B, s), rows that are left out, 0 for none.
            empty: bool (B,), who needs no items.
            k: number of items.

        Returns:
            `rows` int64 (B, k) and `scores` float32 (B, k), best first, -1
            and -inf where fewer were found; `None` where it does not pay.
        """
        depth = 2 * k + _MORE + seen.shape[1]
        if depth > self._products.most:
            return None
        first = self._products.first(interests, depth)
        first = np.where(first < 0, -1, first + self._first_row)
        dim = interests.shape[2]
        _, scores = self._best(encoded, without(first, seen), k, dim)
        found = self._products.reaching(
            interests,
            self._bounds(interests, scores[:, -1], empty),
            most=int(_SHARE * len(empty) * len(self._products)),
        )
        if found is None:
            return None
        users, rows = found
        candidates = table_of_pairs(users, rows + self._first_row, len(empty))
        return self._best(encoded, without(candidates, seen), k, dim)

    def _bounds(self, interests, scores, empty):
        """Returns what a product must reach, with room for rounding."""
        lengths = np.linalg.norm(interests, axis=2).max(axis=1)
        room = _ROUNDING * lengths * self._products.longest
        return np.where(empty, np.inf, scores - room).astype(np.float32)

    def _best(self, encoded, candidates, k, dim):
        count, width = candidates.shape
        rows = np.empty((count, k), np.int64)
        scores = np.empty((count, k), np.float32)
        floats = max(1, width * dim)
        size = max(1, _FLOATS // floats)
        for start in range(0, count, size):
            part = slice(start, start + size)
            listed = candidates[part]
            rows[part], scores[part] = best_of(
                self._scorer,
                rows_of(encoded, part, count),
                listed,
                self._vectors_of(listed),
                k,
            )
        return rows, scores
