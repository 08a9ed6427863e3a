"""What every model with one vector a user has."""

import keras
import numpy as np
import pytest

from baselines.youtube_dnn import YouTubeDNN


def test_the_item_table_is_drawn_from_the_initializer():
    model = YouTubeDNN(
        4,
        9,
        embeddings_initializer=keras.initializers.RandomUniform(2.0, 3.0),
    )
    table = np.asarray(model.item_embedding.embeddings)
    assert table.min() >= 2.0


def test_the_default_is_uniform():
    table = np.asarray(YouTubeDNN(4, 9).item_embedding.embeddings)
    assert 0 < np.abs(table).max() <= 0.05


def test_an_unknown_initializer_is_an_error():
    with pytest.raises(ValueError, match="no_such_draw"):
        YouTubeDNN(4, 9, embeddings_initializer="no_such_draw")
