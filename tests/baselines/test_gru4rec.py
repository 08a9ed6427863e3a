"""GRU4Rec against a cell in NumPy."""

import keras
import numpy as np
import pytest

from baselines.gru4rec import GRU4Rec


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def gru(inputs, kernel, recurrent, bias, reset_after):
    """Returns the last state for `inputs` (n, d)."""
    units = len(recurrent)
    state = np.zeros(units)
    inner = bias[1] if reset_after else np.zeros(3 * units)
    outer = bias[0] if reset_after else bias
    for x in inputs:
        xz, xr, xh = np.split(x @ kernel + outer, 3)
        hz, hr, hh = np.split(state @ recurrent + inner, 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        if not reset_after:
            hh = (r * state) @ recurrent[:, 2 * units :]
        candidate = np.tanh(xh + (r * hh if reset_after else hh))
        state = z * state + (1 - z) * candidate
    return state


def randomized(model, seed=0):
    """Gives every weight a random value, so that no bias is 0."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in model.get_weights()]
    )
    return model


FEATURES = {
    "user": np.array([1, 2, 0]),
    "history": np.array([[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0]]),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
}


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("hidden_dim", [None, 7])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("projection", [True, False])
def test_equals_numpy(reset_after, hidden_dim, tied, projection):
    model = randomized(
        GRU4Rec(
            2,
            9,
            embedding_dim=5,
            hidden_dim=hidden_dim,
            tied=tied,
            reset_after=reset_after,
            projection=projection,
        )
    )
    table = model.item_embedding.get_weights()[0]
    output, bias = table, np.zeros(10)
    if not tied:
        output = model.output_embedding.get_weights()[0]
        bias = model.output_bias.get_weights()[0][:, 0]
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = history[history > 0]
        vector = np.zeros(5)
        if len(items):
            vector = gru(table[items], *model.gru.get_weights(), reset_after)
            assert (model.projection is None) == (
                not hidden_dim and not projection
            )
            if model.projection is not None:
                kernel, offset = model.projection.get_weights()
                vector = vector @ kernel + offset
        ids = FEATURES["candidates"][row]
        np.testing.assert_allclose(
            scores[row], output[ids] @ vector + bias[ids], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 3 (d h + h^2 + 2 h), and h d + d with the projection.
        ({}, 1632),
        ({"embedding_dim": 40}, 9840),
        ({"reset_after": False}, 1584),
        ({"projection": True}, 1632 + 16 * 16 + 16),
        ({"hidden_dim": 24}, 3 * (384 + 576 + 48) + 24 * 16 + 16),
    ],
)
def test_parameter_count(options, expected):
    model = GRU4Rec(2, 9, **options)
    tables = 10 * options.get("embedding_dim", 16)
    assert model.count_params() == expected + tables


def test_untied_adds_a_table_and_a_bias():
    assert GRU4Rec(2, 9, tied=False).count_params() == 1632 + 160 + 160 + 10


def test_order_matters():
    model = randomized(GRU4Rec(2, 9))
    swapped = {**FEATURES, "history": FEATURES["history"][:, [1, 0, 2, 3]]}
    difference = np.abs(
        np.asarray(model(swapped)) - np.asarray(model(FEATURES))
    )
    assert difference[:2].min() > 1e-4


@pytest.mark.parametrize("tied", [True, False])
def test_scores_are_products_of_interests_and_item_vectors(tied):
    model = randomized(GRU4Rec(2, 9, tied=tied))
    interests = np.asarray(model.interests(FEATURES))
    vectors = np.asarray(model.item_vectors())
    assert interests.shape[:2] == (3, 1)
    assert vectors.shape == (10, interests.shape[2])
    expected = np.take_along_axis(
        interests[:, 0] @ vectors.T, FEATURES["candidates"], axis=1
    )
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_padding_and_an_empty_history_score_0(tied):
    model = randomized(GRU4Rec(2, 9, tied=tied))
    padded = {**FEATURES, "candidates": np.array([[0, 1], [2, 0], [0, 0]])}
    scores = np.asarray(model(padded))
    np.testing.assert_array_equal(scores == 0, padded["candidates"] == 0)
    emptied = {**FEATURES, "history": np.zeros((3, 2), "int32")}
    bias = 0.0
    if not tied:
        table = model.output_bias.get_weights()[0][:, 0]
        bias = table[FEATURES["candidates"]]
    np.testing.assert_allclose(model(emptied), bias + np.zeros((3, 3)))


def test_dropout_acts_in_training_only():
    model = randomized(GRU4Rec(2, 9, dropout=0.5))
    quiet = np.asarray(model(FEATURES))
    keras.utils.set_random_seed(3)
    noisy = np.asarray(model(FEATURES, training=True))
    assert not np.allclose(quiet, noisy)
    np.testing.assert_array_equal(quiet, np.asarray(model(FEATURES)))


def test_padding_is_not_trained():
    model = GRU4Rec(2, 9)
    before = model.item_embedding.get_weights()[0]
    model.compile()
    labels = np.eye(3, dtype="float32")
    model.fit(FEATURES, labels, epochs=2, verbose=0)
    after = model.item_embedding.get_weights()[0]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[4], after[4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"hidden_dim": 0}, "`hidden_dim` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        GRU4Rec(2, 9, **options)
