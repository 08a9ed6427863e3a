"""The bias of interests that are weighted means of a history."""

import keras
import numpy as np
import pytest

from mgnm_tf.models.registry import model_class

OPTIONS = {
    "mgnm": {"num_layers": 1, "num_interests": 2, "sequence_encoder": None},
    "mgnm-attention": {"interest_extractor": "self_attention"},
    "youtube_dnn": {},
    "mind": {"fixed_noise": True},
    "comirec_dr": {},
    "comirec_sa": {},
}
FEATURES = {
    "user": np.array([1, 2, 0], "int32"),
    "history": np.array([[3, 4, 5], [7, 0, 0], [0, 0, 0]], "int32"),
    "candidates": np.array([[1, 2], [9, 3], [4, 6]], "int32"),
}
BIAS = np.linspace(-0.4, 0.6, 8, dtype="float32")


def make(name, **options):
    cls = model_class(name.split("-")[0])
    return cls(4, 9, embedding_dim=8, **OPTIONS[name], **options)


def make_pair(name):
    """Returns a model without the bias and the same one with `BIAS`."""
    keras.utils.set_random_seed(0)
    plain = make(name)
    biased = make(name, interest_bias=True)
    values = [weight.numpy() for weight in plain.weights]
    for weight in biased.weights:
        bias = weight is biased.scale.bias
        weight.assign(BIAS if bias else values.pop(0))
    assert not values
    return plain, biased


@pytest.mark.parametrize("name", OPTIONS)
def test_the_bias_is_added_to_each_interest(name):
    plain, biased = make_pair(name)
    expected = np.asarray(plain.interests(FEATURES)) + BIAS
    np.testing.assert_allclose(
        biased.interests(FEATURES), expected, rtol=1e-5, atol=1e-6
    )
    if not name.endswith("attention"):
        return
    # Its interests are the items themselves: padding gets none.
    vectors = np.asarray(biased.item_vectors())[FEATURES["candidates"]]
    alone = expected.reshape(3, -1, 3, 8)[1, :, 0] @ vectors[1].T
    levels = alone.max(axis=0)
    np.testing.assert_allclose(biased(FEATURES)[1], levels, rtol=1e-5)


@pytest.mark.parametrize("name", ["mgnm", "comirec_sa", "youtube_dnn"])
def test_without_a_history_the_bias_ranks(name):
    _, biased = make_pair(name)
    vectors = np.asarray(biased.item_vectors())[FEATURES["candidates"][2]]
    np.testing.assert_allclose(biased(FEATURES)[2], vectors @ BIAS, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_saved_model_keeps_it(name, tmp_path):
    _, biased = make_pair(name)
    biased.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        np.asarray(again(FEATURES)), np.asarray(biased(FEATURES))
    )


def test_popular_items_move_it():
    keras.utils.set_random_seed(0)
    model = make("comirec_sa", interest_bias=True, temperature=0.5)
    model.compile("adam", loss=keras.losses.CategoricalCrossentropy(True))
    model.fit(FEATURES, np.array([[1.0, 0.0]] * 3), epochs=2, verbose=0)
    assert np.abs(np.asarray(model.scale.bias)).max() > 0
