"""The layers of MGNM are drawn as if each were made alone, in order."""

import keras
import numpy as np
import pytest

from mgnm_tf.layers import CapsuleExtractor
from mgnm_tf.layers import GraphPropagation
from mgnm_tf.layers import ItemEmbedding
from mgnm_tf.layers import UserEmbedding
from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.utils.initializers import get_initializer


@pytest.mark.parametrize("user_aware", [True, False])
def test_nothing_else_is_drawn(user_aware):
    # Published figures name a seed: one more draw and they are others.
    keras.utils.set_random_seed(5)
    items = ItemEmbedding(9, 6, embeddings_initializer=get_initializer(0.1))
    if user_aware:
        UserEmbedding(4, 6, embeddings_initializer=get_initializer(0.1))
    graph = GraphPropagation(2)
    graph.build((None, None, 6))
    keras.layers.Dropout(0.0)
    capsules = CapsuleExtractor(3, routing_prior="recency")
    capsules.build((None, 3, None, 6))

    keras.utils.set_random_seed(5)
    model = MGNM(
        4,
        9,
        embedding_dim=6,
        num_interests=3,
        num_layers=2,
        user_aware=user_aware,
        routing_prior="recency",
    )
    for alone, layer in (
        (items, model.item_embedding),
        (graph, model.propagation),
        (capsules, model.extractor),
    ):
        expected, found = alone.get_weights(), layer.get_weights()
        assert len(expected) == len(found) > 0
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)
