"""YouTubeDNN against the mean in NumPy."""

import numpy as np
import pytest

from baselines.youtube_dnn import YouTubeDNN
from mgnm_tf.models.registry import create_model

FEATURES = {
    "user": np.array([1, 2, 0]),
    "history": np.array([[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0]]),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0]]),
}


def randomized(model, seed=0):
    """Gives every weight a random value, so that no bias is 0."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in model.get_weights()]
    )
    return model


@pytest.mark.parametrize("projection", [False, True])
def test_equals_numpy(projection):
    model = randomized(YouTubeDNN(2, 9, 5, projection=projection))
    table = model.item_embedding.get_weights()[0]
    table[0] = 0.0
    kernel, bias = np.eye(5), np.zeros(5)
    if projection:
        kernel, bias = model.output_layer.get_weights()
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = history[history > 0]
        mean = table[items].mean(axis=0) if len(items) else np.zeros(5)
        expected = table[FEATURES["candidates"][row]] @ (mean @ kernel + bias)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-6)


def test_parameter_count():
    assert YouTubeDNN(2, 9).count_params() == 10 * 16
    assert YouTubeDNN(2, 9, projection=True).count_params() == 10 * 16 + 272


def test_order_does_not_matter():
    model = randomized(YouTubeDNN(2, 9, projection=True))
    swapped = {**FEATURES, "history": FEATURES["history"][:, [1, 0, 2, 3]]}
    np.testing.assert_allclose(model(swapped), model(FEATURES), rtol=1e-5)


def test_scores_of_a_history_are_the_mean_of_those_of_its_items():
    model = randomized(YouTubeDNN(2, 9))
    alone = {
        "user": np.zeros(4, "int32"),
        "history": FEATURES["history"][0][:, None],
        "candidates": np.tile(FEATURES["candidates"][0], (4, 1)),
    }
    np.testing.assert_allclose(
        np.asarray(model(FEATURES))[0],
        np.asarray(model(alone)).mean(axis=0),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("projection", [False, True])
def test_scores_are_products_of_interests_and_item_vectors(projection):
    model = randomized(YouTubeDNN(2, 9, projection=projection))
    interests = np.asarray(model.interests(FEATURES))
    vectors = np.asarray(model.item_vectors())
    assert interests.shape == (3, 1, 16)
    assert vectors.shape == (10, 16)
    assert not vectors[0].any()
    expected = np.take_along_axis(
        interests[:, 0] @ vectors.T, FEATURES["candidates"], axis=1
    )
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-6)


def test_padding_is_not_trained():
    model = YouTubeDNN(2, 9)
    before = model.item_embedding.get_weights()[0]
    model.compile()
    model.fit(FEATURES, np.eye(3, dtype="float32"), epochs=2, verbose=0)
    after = model.item_embedding.get_weights()[0]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[4], after[4])


def test_temperature_is_an_option():
    model = create_model("youtube_dnn", 2, 9, {"temperature": "0.1"})
    assert model.temperature == 0.1


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`embedding_dim` must be at least 1"):
        YouTubeDNN(2, 9, 0)
