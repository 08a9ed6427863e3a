"""Items whose vectors point where that of another item points."""

from functools import cached_property

import numpy as np

from mgnm_tf.serving.recommender import Recommender


class SimilarItems:
    """Finds the items with the largest cosines to an item.

    Args:
        recommender: an exported model.
    """

    def __init__(self, recommender: Recommender):
        self._recommender = recommender

    @cached_property
    def _items(self):
        return self._recommender.recommended_items()

    @cached_property
    def _vectors(self):
        return _units(self._recommender.item_vectors(self._items))

    def to(self, item: str, k: int) -> tuple[list[str], list[float]]:
        """Returns the ids of the k items most alike, and their cosines.

        Args:
            item: the id of an item; it is not among them.
            k: number of items; of fewer all are taken.

        Raises:
            UserError: the model has no item vectors, or does not know the
                item.
        """
        (vector,) = _units(self._recommender.item_vectors([item]))
        cosines = self._vectors @ vector
        cosines[self._items == item] = -np.inf
        size = min(k, len(cosines))
        best = np.argpartition(-cosines, size - 1)[:size]
        best = best[np.argsort(-cosines[best], kind="stable")]
        best = best[cosines[best] > -np.inf]
        return self._items[best].tolist(), cosines[best].tolist()


def _units(vectors):
    """Scales rows to length 1; a zero vector stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1.0)
