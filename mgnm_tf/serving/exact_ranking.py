"""The exact best items, without the scores of all the others."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mgnm_tf.index.largest_products import LargestProducts
from mgnm_tf.index.pairs import table_of_pairs
from mgnm_tf.serving.candidates import best_of
from mgnm_tf.serving.candidates import rows_of
from mgnm_tf.serving.candidates import seen_rows
from mgnm_tf.serving.candidates import without
from mgnm_tf.serving.compiled_ranking import CompiledRanking
from mgnm_tf.serving.compiled_ranking import request_specs
from mgnm_tf.serving.interest_reader import InterestReader

_MORE = 32
"""How many more than twice the items wanted give the first bound."""
_SHARE = 1 / 16
"""Of the catalogue, beyond which scoring all of it is as fast."""
_ROUNDING = 1e-5
_FLOATS = 1 << 24
"""Size of the candidates' vectors that are in memory at a time."""


class ExactRanking:
    """Ranks the whole catalogue for models whose scores products bound.

    No score of such a model is above the largest product of the item and an
    interest (`scores_within_products`). So the k-th best score of any items
    is a bound: an item whose products are all below it is not among the k
    best, whatever its score. `LargestProducts` finds those that reach it;
    they alone are scored, by the model itself, and the best of them are the
    best of all: the answer is the exact one.

    Where that does not pay, as with interests so weak that every item is
    nearly as good, there is no answer, and all items are to be scored.

    Letters in shapes: B users, n interests, C candidates, m the longest
    history given.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        metadata: the content of `export.json`.
        item_counts: (M,), how often each item occurs in training.
    """

    def __init__(
        self, served: Any, metadata: Mapping[str, Any], item_counts: np.ndarray
    ):
        self._served = served
        self._table = served.item_table.numpy().astype(np.float32, copy=False)
        self._products = LargestProducts(self._table[1:])
        self._read = InterestReader(
            served,
            request_specs(metadata),
            metadata["max_length"],
            compiled=True,
        )
        shares = item_counts / max(1, item_counts.sum())
        order = np.argsort(-item_counts, kind="stable")
        self._popular = order + 1
        self._shares = shares[order].astype(np.float32)

    @staticmethod
    def pays(metadata: Mapping[str, Any]) -> bool:
        """Whether a model is of the kind and size for it."""
        # Exports of earlier versions do not say so.
        bounded = metadata.get("scores_within_products", False)
        return bool(bounded) and CompiledRanking.pays(metadata)

    def __call__(
        self, inputs: Mapping[str, np.ndarray], k: int, exclude_seen: bool
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns the best items of each user.

        Args:
            inputs: the arrays of a request, see `export`.
            k: number of items.
            exclude_seen: whether items of the history are left out.

        Returns:
            `rows` int64 (B, k), from 1 on, and `scores` float32 (B, k), best
            first; `None` where all items had better be scored.
        """
        encoded, interests, seen, empty = self._read(inputs)
        seen = seen_rows(seen) if exclude_seen else seen[:, :0]
        depth = 2 * k + _MORE + seen.shape[1]
        if depth > self._products.most:
            return None
        first = np.sort(self._products.first(interests, depth) + 1, axis=1)
        _, scores = self._best(encoded, without(first, seen), k)
        found = self._products.reaching(
            interests,
            self._bounds(interests, scores[:, -1], empty),
            most=int(_SHARE * len(empty) * len(self._products)),
        )
        if found is None:
            return None
        users, rows = found
        candidates = table_of_pairs(users, rows + 1, len(empty))
        rows, scores = self._best(encoded, without(candidates, seen), k)
        rows[empty], scores[empty] = self._popular[:k], self._shares[:k]
        return rows, scores

    def _bounds(self, interests, scores, empty):
        """Returns what a product must reach, with room for rounding."""
        lengths = np.linalg.norm(interests, axis=2).max(axis=1)
        room = _ROUNDING * lengths * self._products.longest
        return np.where(empty, np.inf, scores - room).astype(np.float32)

    def _best(self, encoded, candidates, k):
        count, width = candidates.shape
        rows = np.empty((count, k), np.int64)
        scores = np.empty((count, k), np.float32)
        floats = max(1, width * self._table.shape[1])
        size = max(1, _FLOATS // floats)
        for start in range(0, count, size):
            part = slice(start, start + size)
            listed = candidates[part]
            # Row 0, of padding, stands for none.
            vectors = self._table[np.maximum(listed, 0)]
            rows[part], scores[part] = best_of(
                self._served, rows_of(encoded, part, count), listed, vectors, k
            )
        return rows, scores
