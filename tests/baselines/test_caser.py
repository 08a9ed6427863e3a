"""Caser against loops over filters in NumPy."""

import keras
import numpy as np
import pytest

from baselines.caser import Caser
from mgnm_tf.errors import UserError
from mgnm_tf.models.loading import load_model
from mgnm_tf.models.registry import create_model
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


def randomized(model, seed=0):
    """Gives every weight a random value; variances stay positive."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype == "float32":
            value = random.normal(scale=0.5, size=weight.shape)
            if "variance" in weight.path:
                value = np.square(value) + 0.5
            weight.assign(value)
    return model


def relu(x):
    return np.maximum(x, 0)


def weights_of(layer):
    return [np.asarray(weight) for weight in layer.get_weights()]


def table_of(layer):
    """Returns an item table whose padding is zero."""
    (table,) = layer.get_weights()
    return table * (np.arange(len(table)) > 0)[:, None]


def horizontal(model, image):
    """Returns the strongest answer of each horizontal filter."""
    answers = []
    for height, layer in enumerate(model.horizontal, start=1):
        kernel, bias = weights_of(layer)  # (height, d, n_h)
        steps = [
            relu(np.einsum("gd,gdf->f", image[t : t + height], kernel) + bias)
            for t in range(len(image) - height + 1)
        ]
        answers.extend(np.max(steps, axis=0))
    return answers


def paper_vector(model, user, items, window):
    """Returns the vector of one user, item by item."""
    table = table_of(model.item_embedding)
    image = np.zeros((window, table.shape[1]))
    recent = items[-window:]
    if len(recent):
        image[window - len(recent) :] = table[recent]
    kernel, bias = weights_of(model.vertical)  # (L, n_v)
    filters = [
        sum(image[t, column] * kernel[t, f] for t in range(window)) + bias[f]
        for column in range(image.shape[1])
        for f in range(len(bias))
    ]
    filters.extend(horizontal(model, image))
    kernel, bias = weights_of(model.hidden)
    vector = relu(np.array(filters) @ kernel + bias)
    if model.use_user:
        users = model.user_embedding.get_weights()[0]
        users[0] = users[1:].mean(axis=0)
        vector = np.concatenate([vector, users[user]])
    if model.projection is not None:
        kernel, bias = weights_of(model.projection)
        vector = relu(vector @ kernel + bias)
    return vector


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("use_user", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_equals_numpy(window, use_user, tied):
    model = randomized(
        Caser(2, 9, 6, window=window, use_user=use_user, tied=tied)
    )
    scores = np.asarray(model(FEATURES))
    output, bias = table_of(model.item_embedding), np.zeros(10)
    if not tied:
        output = table_of(model.output_embedding)
        bias = table_of(model.output_bias)[:, 0]
    for row, history in enumerate(FEATURES["history"]):
        vector = paper_vector(
            model, FEATURES["user"][row], history[history > 0], window
        )
        ids = FEATURES["candidates"][row]
        np.testing.assert_allclose(
            scores[row], output[ids] @ vector + bias[ids], rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 6264),
        ({"embedding_dim": 40}, 19344),
        # A second layer over [z ; p_u].
        ({"tied": True}, 6264 + 2 * 16 * 16 + 16),
        ({"tied": True, "use_user": False}, 6264),
    ],
)
def test_parameter_count(options, expected):
    model = Caser(3, 9, **options)
    dim = options.get("embedding_dim", 16)
    tables = 10 * dim
    if options.get("use_user", True):
        tables += 4 * dim
    if not options.get("tied"):
        tables += 10 * (2 * dim + 1)
    counts = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(counts) == expected + tables


def test_contract_of_the_options():
    run_model_test(randomized(Caser(2, 9, tied=True)), FEATURES)


def changed(model, position, item=1):
    """Returns |change of the scores of row 0| if one item is another."""
    other = {**FEATURES, "history": FEATURES["history"].copy()}
    other["history"][0, position] = item
    difference = np.asarray(model(other)) - np.asarray(model(FEATURES))
    return np.abs(difference[0]).max()


def test_only_the_window_is_read():
    model = randomized(Caser(2, 9, window=4))
    assert changed(model, 0) == 0
    assert changed(model, 1) == 0
    assert changed(model, 2) > 1e-3
    assert changed(model, -1) > 1e-3


def test_order_matters():
    model = randomized(Caser(2, 9))
    turned = {**FEATURES, "history": FEATURES["history"].copy()}
    turned["history"][0] = turned["history"][0, ::-1]
    turned["history"][1, :2] = turned["history"][1, 1::-1]
    difference = np.asarray(model(turned)) - np.asarray(model(FEATURES))
    assert np.abs(difference[:2]).max(axis=1).min() > 1e-3


def test_vertical_filters_are_linear():
    layer = Caser(2, 9).vertical
    inputs = np.random.default_rng(0).normal(size=(2, 16, 5))
    bias = layer.get_weights()[1]
    once = np.asarray(layer(inputs)) - bias
    twice = np.asarray(layer(2 * inputs)) - bias
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-5)
    assert (once < 0).any()


def test_unknown_user_is_the_mean_of_the_known():
    model = randomized(Caser(2, 9))
    unknown, first, second = (
        np.asarray(model({**FEATURES, "user": np.full(4, user)}))
        for user in (0, 1, 2)
    )
    np.testing.assert_allclose(
        unknown, (first + second) / 2, rtol=1e-4, atol=1e-4
    )
    assert not np.allclose(first, second)


@pytest.mark.parametrize("tied", [True, False])
def test_scores_are_products_of_interests_and_item_vectors(tied):
    model = randomized(Caser(2, 9, tied=tied))
    interests = np.asarray(model.interests(FEATURES))[:, 0]
    vectors = np.asarray(model.item_vectors())
    assert not vectors[0].any()
    expected = np.take_along_axis(
        interests @ vectors.T, FEATURES["candidates"], axis=1
    )
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only():
    model = randomized(Caser(2, 9, tied=True))
    quiet = np.asarray(model(FEATURES))
    keras.utils.set_random_seed(3)
    noisy = np.asarray(model(FEATURES, training=True))
    again = np.asarray(model(FEATURES, training=True))
    assert not np.allclose(noisy, again)
    np.testing.assert_array_equal(
        np.asarray(randomized(model)(FEATURES)), quiet
    )


def test_same_item_over_and_over_is_finite():
    model = randomized(Caser(2, 9))
    same = {**FEATURES, "history": np.full((4, 6), 3)}
    model.compile()
    model.fit(same, np.eye(4, 3, dtype="float32"), verbose=0)
    assert np.all(np.isfinite(np.asarray(model(same))))


def test_padding_is_not_trained():
    model = Caser(2, 9)
    before = model.item_embedding.get_weights()[0]
    model.compile()
    model.fit(FEATURES, np.eye(4, 3, dtype="float32"), epochs=2, verbose=0)
    after = model.item_embedding.get_weights()[0]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[4], after[4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"window": 0}, "`window` must be at least 1"),
        ({"num_horizontal": -1}, "`num_horizontal` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Caser(2, 9, **options)


def test_the_network_of_deeprec_has_a_name_of_its_own():
    with pytest.raises(
        UserError, match="caser has no option `variant`.*deeprec_caser"
    ):
        create_model("caser", 2, 9, {"variant": "deeprec"})


FORMER = {
    "window": None,
    "num_vertical": 3,
    "num_horizontal": None,
    "max_length": 100,
}
"""What files held of the options when `variant` was one of them."""


def saved_before(model, path, **config):
    """Saves a model as it was when `variant` was an option."""
    now = model.get_config()
    model.get_config = lambda: {**now, **FORMER, **config}
    model.save(path)


def test_a_file_with_the_former_options_loads(tmp_path):
    model = randomized(Caser(2, 9, num_vertical=3))
    saved_before(model, tmp_path / "model.keras", variant="paper")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(FEATURES), model(FEATURES))
    assert again.window == 5
    assert not {"variant", "max_length"} & set(again.get_config())


def test_a_file_of_the_network_of_deeprec_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    saved_before(Caser(2, 9, num_vertical=3), path, variant="deeprec")
    with pytest.raises(UserError, match="model `deeprec_caser`.*anew"):
        load_model(path)
