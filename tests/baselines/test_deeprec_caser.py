"""DeepRec's Caser against loops over filters in NumPy."""

import keras
import numpy as np
import pytest

from baselines.deeprec_caser import DeepRecCaser
from tests.reference.numpy_blocks import feed_forward
from tests.reference.numpy_blocks import named_weights
from tests.testing import run_model_test

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [
            [4, 5, 4, 6, 9, 2],
            [7, 8, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
            [3, 1, 2, 0, 0, 0],
        ]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 3, 5]]),
}
SMALL = {"num_vertical": 3, "num_horizontal": 2, "max_length": 7}


def randomized(**options):
    """Returns a model with random weights; variances are positive."""
    model = DeepRecCaser(2, 9, **{**SMALL, **options})
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype == "float32":
            value = random.normal(scale=0.5, size=weight.shape)
            if "variance" in weight.path:
                value = np.square(value) + 0.5
            weight.assign(value)
    return model


def relu(x):
    return np.maximum(x, 0)


def horizontal(model, image):
    """Returns the strongest answer of each horizontal filter."""
    answers = []
    for height, layer in enumerate(model.horizontal, start=1):
        kernel, bias = layer.get_weights()  # (height, d, filters)
        steps = [
            relu(np.einsum("gd,gdf->f", image[t : t + height], kernel) + bias)
            for t in range(len(image) - height + 1)
        ]
        answers.extend(np.max(steps, axis=0))
    return answers


@pytest.mark.parametrize("length", [3, 4, 6, 9])
def test_equals_numpy(length):
    model = randomized(embedding_dim=5, max_length=length)
    weights = named_weights(model.head)
    (table,) = model.item_embedding.get_weights()
    table[0] = 0
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = history[history > 0][-length:]
        image = np.zeros((length, 5))
        image[: len(items)] = table[items]
        kernel, bias = model.vertical.get_weights()
        vertical = relu(image.reshape(-1) @ kernel + bias)
        user = [*vertical, *horizontal(model, image)]
        expected = [
            feed_forward(weights, np.concatenate([user, table[item]]))
            for item in FEATURES["candidates"][row]
        ]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("dim", "expected"), [(16, 174957), (40, 349389)])
def test_parameter_count(dim, expected):
    model = DeepRecCaser(3, 9, embedding_dim=dim, max_length=50)
    counts = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(counts) == expected + 10 * dim


def test_contract():
    run_model_test(randomized(), FEATURES)


def changed(model, position):
    """Returns |change of the scores of row 0| if one item is another."""
    other = {**FEATURES, "history": FEATURES["history"].copy()}
    other["history"][0, position] = 1
    difference = np.asarray(model(other)) - np.asarray(model(FEATURES))
    return np.abs(difference[0]).max()


def test_the_newest_items_of_a_long_history_are_read():
    model = randomized(max_length=4)
    assert changed(model, 1) == 0
    assert changed(model, 2) > 1e-3
    assert changed(model, -1) > 1e-3


def test_order_matters():
    model = randomized()
    turned = {**FEATURES, "history": FEATURES["history"].copy()}
    turned["history"][0] = turned["history"][0, ::-1]
    turned["history"][1, :2] = turned["history"][1, 1::-1]
    difference = np.asarray(model(turned)) - np.asarray(model(FEATURES))
    assert np.abs(difference[:2]).max(axis=1).min() > 1e-3


def test_dropout_acts_in_training_only():
    model = randomized()
    keras.utils.set_random_seed(3)
    noisy = np.asarray(model(FEATURES, training=True))
    assert not np.allclose(noisy, np.asarray(model(FEATURES, training=True)))
    quiet = np.asarray(model(FEATURES))
    np.testing.assert_array_equal(np.asarray(model(FEATURES)), quiet)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"window": 0}, "`window` must be at least 1"),
        ({"num_vertical": -1}, "`num_vertical` must be at least 1"),
        ({"num_horizontal": -1}, "`num_horizontal` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"max_length": 2}, "`window` must be at most `max_length`"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        DeepRecCaser(2, 9, **options)
