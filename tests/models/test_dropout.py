"""Dropout of the history, of the models whose papers have none."""

import keras
import numpy as np
import pytest

from mgnm_tf.models.registry import model_class

OPTIONS = {
    "youtube_dnn": {},
    "mind": {"fixed_noise": True, "relu_layer": False},
    "comirec_dr": {},
    "comirec_sa": {},
}
FEATURES = {
    "user": np.zeros(400, "int32"),
    "history": np.tile(np.array([[3, 0]], "int32"), (400, 1)),
    "candidates": np.tile(np.array([[1, 2, 8]], "int32"), (400, 1)),
}


def make(name, **options):
    keras.utils.set_random_seed(0)
    return model_class(name)(4, 9, embedding_dim=16, **OPTIONS[name], **options)


@pytest.mark.parametrize("name", OPTIONS)
def test_dropout_acts_in_training_only(name):
    model = make(name, dropout=0.5)
    scores = np.asarray(model(FEATURES))
    np.testing.assert_array_equal(scores, np.asarray(model(FEATURES)))
    assert np.ptp(scores, axis=0).max() == pytest.approx(0.0, abs=1e-6)
    dropped = np.asarray(model(FEATURES, training=True))
    assert np.ptp(dropped, axis=0).max() > 0.01 * np.abs(scores).max()
    again = type(model).from_config(model.get_config())
    assert again.dropout == 0.5


@pytest.mark.parametrize("name", OPTIONS)
def test_no_dropout_leaves_training_as_it_is(name):
    options = {} if name == "youtube_dnn" else {"training_interests": "max"}
    model = make(name, **options)
    np.testing.assert_allclose(
        model(FEATURES, training=True), model(FEATURES), rtol=1e-5, atol=1e-7
    )


def test_half_of_the_numbers_are_dropped_and_the_rest_doubled():
    model = make("youtube_dnn", dropout=0.5)
    vectors = np.asarray(model.encode(FEATURES, training=True))
    item = np.asarray(model.item_vectors())[3]
    kept = np.isclose(vectors, 2 * item)
    np.testing.assert_array_equal(vectors[~kept], 0.0)
    assert 0.45 < kept.mean() < 0.55


@pytest.mark.parametrize("name", OPTIONS)
def test_a_share_is_between_0_and_1(name):
    with pytest.raises(ValueError, match="`dropout` must be between 0"):
        make(name, dropout=1.5)
