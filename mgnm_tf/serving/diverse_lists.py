"""Lists of recommendations whose items differ, for an exported model."""

import numpy as np

from mgnm_tf.serving.diversity import diversify
from mgnm_tf.serving.item_vectors import ItemVectors
from mgnm_tf.serving.requests.known_ids import KnownIds

POOL = 10
"""How many times k items a list is chosen from."""


class DiverseLists:
    """Chooses the items of lists by score and difference, see `diversify`.

    Items differ by their categories, and where the model knows none by their
    vectors.

    Letters in shapes: B users, C candidates, M items of the model.

    Args:
        known_ids: the ids of the model.
        categories: int32 (M,), the category of each item, 0 for none; or
            `None`: there are none.
        vectors: the vectors of the items.
    """

    def __init__(
        self,
        known_ids: KnownIds,
        categories: np.ndarray | None,
        vectors: ItemVectors,
    ):
        self._known_ids = known_ids
        self._categories = categories
        self._vectors = vectors

    def choose(
        self, ids: np.ndarray, scores: np.ndarray, k: int, weight: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Chooses k of the candidates of each user.

        Args:
            ids: raw ids (B, C); "" where there are fewer candidates.
            scores: float32 (B, C); -inf where there are fewer.
            k: number of items.
            weight: weight of the differences.

        Returns:
            Ids and scores (B, min(k, C)), in the order in which they were
            chosen.

        Raises:
            UserError: there are neither categories nor vectors of the items.
        """
        if self._categories is None:
            of_kind = {"vectors": self._vectors.of_lists(ids)}
        else:
            rows = self._known_ids.items.get_indexer(ids.ravel())
            # Row -1, an added item, has no category.
            categories = np.append(self._categories, 0)[rows]
            of_kind = {"categories": categories.reshape(ids.shape)}
        chosen = diversify(scores, k, weight, **of_kind)
        return (
            np.take_along_axis(ids, chosen, axis=1),
            np.take_along_axis(scores, chosen, axis=1),
        )
