"""The exact best items, without the scores of all the others."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mgnm_tf.index.largest_products import LargestProducts
from mgnm_tf.serving.ranking.bounded_ranking import BoundedRanking
from mgnm_tf.serving.ranking.candidates import seen_rows
from mgnm_tf.serving.ranking.compiled_ranking import CompiledRanking
from mgnm_tf.serving.ranking.onnx_reader import Reader


class ExactRanking:
    """Ranks the whole catalogue, see `BoundedRanking`.

    All vectors are looked through, so the answer is the exact one.

    Letters in shapes: B users, n interests, C candidates, m the longest
    history given.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        reader: reads requests.
        item_counts: (M,), how often each item occurs in training.
    """

    def __init__(self, served: Any, reader: Reader, item_counts: np.ndarray):
        self._table = served.item_table.numpy().astype(np.float32, copy=False)
        self._ranking = BoundedRanking(
            reader,
            LargestProducts(self._table[1:]),
            # Row 0, of padding, stands for none.
            lambda rows: self._table[np.maximum(rows, 0)],
            first_row=1,
        )
        self._read = reader
        shares = item_counts / max(1, item_counts.sum())
        order = np.argsort(-item_counts, kind="stable")
        self._popular = order + 1
        self._shares = shares[order].astype(np.float32)

    @property
    def threads(self) -> int:
        """By how many threads many users are ranked soonest."""
        return self._read.threads

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
        best = self._ranking(encoded, interests, seen, empty, k)
        if best is None:
            return None
        rows, scores = best
        rows[empty], scores[empty] = self._popular[:k], self._shares[:k]
        return rows, scores
