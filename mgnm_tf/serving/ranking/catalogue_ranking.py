"""The best items of the whole catalogue, by the fastest way there is."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.serving.ranking.compiled_ranking import CompiledRanking
from mgnm_tf.serving.ranking.exact_ranking import ExactRanking
from mgnm_tf.serving.ranking.onnx_reader import make_reader

MANY = 256
"""Users at a time where not every item is scored."""


class CatalogueRanking:
    """Ranks all items of an export; all ways give the same lists.

    A large catalogue is ranked by `ExactRanking` where the model allows it,
    else, and where that does not pay, its scoring is compiled; a small one,
    and signatures of others, by the signature `recommend`.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        metadata: the content of `export.json`.
        vocabularies: the ids of the model.
        signatures: name -> function. Defaults to `None`: those of `served`.
        path: the export folder. Defaults to `None`: TensorFlow reads.
    """

    def __init__(
        self,
        served: Any,
        metadata: Mapping[str, Any],
        vocabularies: Vocabularies,
        signatures: Mapping[str, Any] | None = None,
        path: str | os.PathLike | None = None,
    ):
        self._recommend = (signatures or served.signatures)["recommend"]
        self._exact, self._compiled = None, None
        if signatures is None and CompiledRanking.pays(metadata):
            self._compiled = CompiledRanking(served, metadata)
            if ExactRanking.pays(metadata):
                reader = make_reader(served, metadata, vocabularies, path)
                counts = vocabularies.item_counts
                self._exact = ExactRanking(served, reader, counts)
        self._scored_rows = metadata["rows_at_a_time"]
        # Row -1, nothing, has the last entry.
        self._ids = np.array(["", *vocabularies.item_ids, ""], object)

    @property
    def rows_at_a_time(self) -> int:
        """How many users had better be ranked at a time."""
        return self._scored_rows if self._exact is None else MANY

    @property
    def threads(self) -> int:
        """By how many threads many users are ranked soonest."""
        return 1 if self._exact is None else self._exact.threads

    def best(
        self, inputs: Mapping[str, np.ndarray], k: int, exclude_seen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the best items of each user.

        Args:
            inputs: the arrays of a request, see `export`.
            k: number of items.
            exclude_seen: whether items of the history are left out.

        Returns:
            `ids` object (B, k) and `scores` float32 (B, k), best first; ""
            and -inf where fewer are left.
        """
        if self._exact is not None:
            exact = self._exact(inputs, k, exclude_seen)
            if exact is not None:
                rows, scores = exact
                return self._ids[rows], scores
        parts = [
            self._scored(part, k, exclude_seen)
            for part in _parts(inputs, self._scored_rows)
        ]
        ids, scores = zip(*parts, strict=True)
        return np.concatenate(ids), np.concatenate(scores)

    def _scored(self, inputs, k, exclude_seen):
        """Scores all items of a few users."""
        if self._compiled is not None:
            found = self._compiled(inputs, k, exclude_seen)
        else:
            tensors = {
                name: tf.convert_to_tensor(values)
                for name, values in inputs.items()
            }
            found = self._recommend(
                **tensors,
                k=tf.constant(k, tf.int32),
                exclude_seen=tf.constant(exclude_seen),
            )
        ids = np.array(found["item_ids"], object)
        for row in ids:
            row[:] = [one.decode("utf-8") for one in row]
        return ids, found["scores"].numpy()


def _parts(inputs, size):
    """Yields a request a few users after the others."""
    for start in range(0, len(inputs["user_id"]), size):
        part = slice(start, start + size)
        yield {name: values[part] for name, values in inputs.items()}
