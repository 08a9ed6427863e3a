"""Items that come and go after a model was exported."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import UserError
from mgnm_tf.export.feature_map import FeatureMap
from mgnm_tf.serving.ranking.retrieval import Retrieval


class ChangingItems:
    """What a `Recommender` with an index can do to its catalogue."""

    feature_map: FeatureMap | None
    _retrieval: Retrieval | None

    def add_items(
        self,
        ids: Sequence[str] | None = None,
        vectors: np.ndarray | None = None,
        *,
        features: str | os.PathLike | pd.DataFrame | None = None,
    ) -> None:
        """Recommends items that the model does not know, too.

        They are scored by their vectors; in histories they count as unknown.
        Of an export with an index that was loaded, the index on disk changes
        as well. Not while another thread recommends.

        Args:
            ids: their raw ids; that of a removed item brings it back.
                Defaults to `None`: those of `features`.
            vectors: float32 (N, d), like `item_vectors()`. Defaults to
                `None`: they are made of `features`.
            features: a Parquet file or a table with `item_id` and the columns
                that the training or `mgnm export --item-features` learned
                from, instead of the two others. Defaults to `None`.

        Raises:
            UserError: there is no index, an id is there already, the vectors
                do not fit, or the export learned nothing from features.
            DataError: the features cannot be used.
        """
        items = self._items_by_index()
        if (ids is None) != (vectors is None) or (
            (vectors is None) == (features is None)
        ):
            raise UserError(
                "Give the new items as `ids` and `vectors`, or as `features` "
                "alone."
            )
        if features is not None:
            if self.feature_map is None:
                raise UserError(
                    "This export does not know items by features; train the "
                    "model with `--item-features FILE`, or export it so."
                )
            table = read_item_features(features)
            ids, vectors = table.ids, self.feature_map(table)
        items.add_items(ids, vectors)

    def remove_items(self, ids: Sequence[str]) -> None:
        """Recommends items no more, here and on disk; in histories they count.

        Args:
            ids: their raw ids.

        Raises:
            UserError: there is no index, or an item is not there.
        """
        self._items_by_index().remove_items(ids)

    def _items_by_index(self) -> Retrieval:
        if self._retrieval is None:
            raise UserError(
                "Items come and go where an index finds them, and this export "
                "has none; make it with `mgnm export --index`."
            )
        return self._retrieval
