"""Models whose items are known by features, besides their ids."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from mgnm_tf.layers.embedding.item_embedding import ItemEmbedding

_SIZES = ("num_numbers", "num_classes", "classes_per_item")


class KnownByFeatures(keras.Model):
    """The item table of a `SequentialRecommender`, with features or without.

    Every model makes its table by `make_item_embedding`, so that histories
    and scores read the same vectors, and features that the data bring reach
    all of them.

    Args:
        item_features: what the table knows of items besides their ids: the
            sizes in `FeatureProjection`, `id_dropout` and `columns`, a
            description that is kept with the model
            (`mgnm_tf.data.feature_columns`). Defaults to `None`, nothing.
        **kwargs: arguments of `keras.Model`.
    """

    def __init__(
        self, item_features: Mapping[str, Any] | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.item_features = item_features

    def make_item_embedding(
        self, embedding_dim: int, *sizes: int, **options
    ) -> ItemEmbedding:
        """Makes the layer `item_embedding` of a model.

        Args:
            embedding_dim: see `ItemEmbedding`.
            *sizes: further sizes in the order of `ItemEmbedding`.
            **options: further arguments of `ItemEmbedding`.
        """
        if self.item_features is not None:
            known = self.item_features
            options["features"] = {name: known[name] for name in _SIZES}
            options["id_dropout"] = known["id_dropout"]
        return ItemEmbedding(
            self.num_items,
            embedding_dim,
            *sizes,
            name="item_embedding",
            dtype=self.dtype_policy,
            **options,
        )

    def get_config(self):
        config = super().get_config()
        if self.item_features is None:
            return config
        return {**config, "item_features": dict(self.item_features)}

    def scores_by_item_table(self) -> bool:
        """Whether items are scored by their rows of the item table alone.

        Then the features of an item that is not in it give its vector.
        """
        if not {"item_vectors", "score_vectors"} <= self.capabilities:
            return False
        table = getattr(self, "item_embedding", None)
        if not isinstance(table, ItemEmbedding):
            return False
        found, expected = (
            ops.convert_to_numpy(vectors)
            for vectors in (self.item_vectors(), table.vectors())
        )
        return np.array_equal(found, expected)
