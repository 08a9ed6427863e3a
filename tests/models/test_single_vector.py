"""What every model with one vector of the user can be given."""

import keras
import numpy as np
import pytest

from baselines.youtube_dnn import YouTubeDNN
from mgnm_tf.models.single_vector import SingleVectorRecommender

FEATURES = {
    "history": np.array([[4, 5, 4, 6], [7, 8, 0, 0]]),
    "candidates": np.array([[1, 2, 3], [4, 5, 6]]),
}


def test_item_dropout_acts_on_what_is_scored_in_training():
    model = YouTubeDNN(2, 9, 64, temperature=0.5, item_dropout=0.5)
    quiet = YouTubeDNN(2, 9, 64, temperature=0.5)
    quiet.set_weights(model.get_weights())
    np.testing.assert_array_equal(model(FEATURES), quiet(FEATURES))
    users = model.encode(FEATURES, training=True)
    np.testing.assert_array_equal(users, quiet.encode(FEATURES))

    keras.utils.set_random_seed(2)
    # A user of ones sums what is left of an item.
    ones = np.ones((1, 64), "float32")
    every = np.arange(1, 10)
    vectors = np.asarray(quiet.item_vectors())[1:]
    before = np.sum(vectors, axis=-1)
    draws = np.stack(
        [model.score(ones, every, training=True)[0] for _ in range(500)]
    )
    np.testing.assert_allclose(draws.mean(0), before, atol=0.2)
    # The variance of a number that is doubled or gone is its square, and the
    # squares of a vector of length 1 sum to 1.
    np.testing.assert_allclose(draws.var(0), 1.0, rtol=0.3)


def test_item_dropout_is_part_of_the_configuration():
    model = YouTubeDNN(2, 9, item_dropout=0.25)
    again = YouTubeDNN.from_config(model.get_config())
    assert again.item_dropout == again.candidate_dropout.rate == 0.25


def test_initializer_of_the_item_table():
    model = SingleVectorRecommender(2, 9, embeddings_initializer="ones")
    assert (np.asarray(model.item_embedding.embeddings) == 1.0).all()


def test_wrong_item_dropout():
    with pytest.raises(ValueError, match="`item_dropout` must be between 0"):
        YouTubeDNN(2, 9, item_dropout=2.0)
