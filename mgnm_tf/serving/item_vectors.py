"""The vectors of the items that are recommended, by their raw ids."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mgnm_tf.errors import UserError
from mgnm_tf.serving.ranking.retrieval import Retrieval
from mgnm_tf.serving.requests.known_ids import KnownIds
from mgnm_tf.serving.requests.request_blocks import text_ids


class ItemVectors:
    """Looks items up in the table of a model and in its index.

    Where an index has an item, its vector there counts: those that were added
    are nowhere else.

    Letters in shapes: B users, C items, M items of the model, d width.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        metadata: the content of `export.json`.
        known_ids: the ids of the model.
        retrieval: finds items in an index. Defaults to `None`: there is none.
    """

    def __init__(
        self,
        served: Any,
        metadata: Mapping[str, Any],
        known_ids: KnownIds,
        retrieval: Retrieval | None = None,
    ):
        self._served = served
        self._model = metadata["model"]
        self._known_ids = known_ids
        self._retrieval = retrieval

    def of(self, items: Sequence[str] | None = None) -> np.ndarray:
        """Returns the vectors of items, after a check that they are known.

        Args:
            items: ids (C,). Defaults to `None`: all items of the model.

        Returns:
            float32 (C, d), or (M, d) of all items.

        Raises:
            UserError: the model has no item vectors, or does not know an
                item.
        """
        table = self._table()
        if items is None:
            return table.numpy()[1:]
        ids = text_ids(items, "`items`")
        rows = self._known_ids.items.get_indexer(ids)
        added = np.zeros(len(ids), bool)
        if self._retrieval is not None:
            added = self._retrieval.has(ids)
        unknown = (rows < 0) & ~added
        if unknown.any():
            name = ids[int(np.argmax(unknown))]
            raise UserError(f"The model does not know the item {name!r}.")
        vectors = tf.gather(table, rows + 1).numpy()
        if added.any():
            vectors[added] = self._retrieval.vectors(ids[added])
        return vectors

    def of_lists(self, ids: np.ndarray) -> np.ndarray:
        """Returns the vectors of items that were found, without a check.

        Args:
            ids: raw ids (B, C); "" for no item, of which any vector will do.

        Returns:
            float32 (B, C, d).

        Raises:
            UserError: the model has no item vectors.
        """
        if self._retrieval is not None:
            return self._retrieval.vectors(ids)
        rows = self._known_ids.items.get_indexer(ids.ravel())
        return tf.gather(self._table(), rows.reshape(ids.shape) + 1).numpy()

    def _table(self):
        """Returns the float32 (M + 1, d) variable; row 0 is padding."""
        table = getattr(self._served, "item_table", None)
        if table is None:
            raise UserError(f"{self._model} has no item vectors.")
        return table
