"""NARM against a cell and an attention in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.narm import NARM

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2]]),
}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def states_of(inputs, kernel, recurrent, bias=None):
    """Returns the states (n, h) of a GRU over `inputs` (n, d)."""
    state, states = np.zeros(len(recurrent)), []
    outer, inner = (0.0, 0.0) if bias is None else bias
    for x in inputs:
        xz, xr, xh = np.split(x @ kernel + outer, 3)
        hz, hr, hh = np.split(state @ recurrent + inner, 3)
        update, reset = sigmoid(xz + hz), sigmoid(xr + hr)
        proposal = np.tanh(xh + reset * hh)
        state = update * state + (1 - update) * proposal
        states.append(state)
    return np.stack(states)


def user_of(model, items):
    """Returns the user vector of a history of ids."""
    if not len(items):
        return np.zeros(model.embedding_dim)
    table = model.item_embedding.get_weights()[0]
    states = states_of(table[items], *model.gru.get_weights())
    a_1, a_2, v, b = (
        layer.get_weights()[0]
        for layer in (
            model.of_last,
            model.of_state,
            model.energy,
            model.decoder,
        )
    )
    last = states[-1]
    local = np.zeros_like(last)
    for state in states:
        weight = (sigmoid(last @ a_1 + state @ a_2) @ v).item()
        local += weight * state
    return np.concatenate([local, last]) @ b


def randomized(model, seed=0):
    """Gives every weight a random value, so that no bias is 0."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in model.get_weights()]
    )
    return model


def small(**options):
    return randomized(NARM(2, 9, embedding_dim=5, hidden_dim=7, **options))


@pytest.mark.parametrize("use_bias", [False, True])
def test_equals_numpy(use_bias):
    model = small(use_bias=use_bias)
    table = model.item_embedding.get_weights()[0]
    table[0] = 0.0
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        expected = table[FEATURES["candidates"][row]] @ user_of(
            model, history[history > 0]
        )
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # (M + 1) d + 3 (d h + h^2) + 2 h^2 + h + 2 h d.
        ({}, 500 + 3 * (5000 + 10000) + 20000 + 100 + 10000),
        ({"use_bias": True}, 500 + 45600 + 20000 + 100 + 10000),
        (
            {"embedding_dim": 6, "hidden_dim": 4},
            60 + 3 * (24 + 16) + 32 + 4 + 48,
        ),
    ],
)
def test_parameter_count(options, expected):
    assert NARM(2, 9, **options).count_params() == expected


def test_of_one_item_both_parts_point_the_same_way():
    model = small()
    seen = []
    model.decoder.call = lambda session: seen.append(session) or session
    model.user_vector({"history": np.array([[3]])})
    local, last = np.split(np.asarray(seen[0])[0], 2)
    np.testing.assert_allclose(
        local, last * (local[0] / last[0]), rtol=1e-4, atol=1e-6
    )
    assert np.abs(local - last).max() > 1e-3


def test_without_energy_only_the_last_state_counts():
    model = small()
    model.energy.set_weights([np.zeros((7, 1))])
    states = model.gru(model.item_embedding(FEATURES["history"][:1]))
    expected = np.asarray(states)[0, -1] @ model.decoder.get_weights()[0][7:]
    vector = model.user_vector({"history": FEATURES["history"][:1]})
    np.testing.assert_allclose(vector[0], expected, rtol=1e-4, atol=1e-6)


def test_order_matters():
    model = small()
    swapped = {**FEATURES, "history": FEATURES["history"][:, [1, 0, 2, 3]]}
    swapped["history"][3] = [3, 0, 0, 0]
    difference = np.abs(np.asarray(model(swapped)) - model(FEATURES))
    assert difference[:2].min() > 1e-4


def test_renaming_items_renames_the_scores():
    model = small()
    scores = np.asarray(model(FEATURES))
    new = np.concatenate([[0], np.random.default_rng(1).permutation(9) + 1])
    table = model.item_embedding.get_weights()[0]
    moved = table.copy()
    moved[new] = table
    model.item_embedding.set_weights([moved])
    renamed = {**FEATURES}
    for key in ("history", "candidates"):
        renamed[key] = new[FEATURES[key]]
    np.testing.assert_allclose(model(renamed), scores, rtol=1e-5)


@pytest.mark.parametrize("name", ["dropout", "session_dropout"])
def test_dropout_acts_in_training_only(name):
    shares = {"dropout": 0.0, "session_dropout": 0.0}
    quiet_model = small(**shares)
    quiet = np.asarray(quiet_model(FEATURES))
    np.testing.assert_allclose(quiet_model(FEATURES, training=True), quiet)
    model = small(**{**shares, name: 0.5})
    np.testing.assert_array_equal(model(FEATURES), quiet)
    keras.utils.set_random_seed(3)
    assert not np.allclose(model(FEATURES, training=True), quiet)


def test_a_temperature_bounds_the_scores():
    scores = np.asarray(small(temperature=0.1)(FEATURES))
    assert 1.0 < np.abs(scores).max() <= 10.0


def test_a_bias_of_the_user_vector_is_an_option():
    model = small(interest_bias=True)
    bias = model.scale.get_weights()[0]
    vectors = np.asarray(model.encode(FEATURES))
    np.testing.assert_allclose(vectors[2], bias, rtol=1e-6)


def test_initial_values():
    keras.utils.set_random_seed(1)
    model = NARM(2, 400)
    kernel, recurrent = model.gru.get_weights()
    for value in (kernel, recurrent):
        assert 0.095 < np.abs(value).max() <= 0.1
    assert not np.array_equal(kernel[:50, :100], recurrent[:50, :100])
    table = model.item_embedding.get_weights()[0]
    np.testing.assert_allclose(table.std(), np.sqrt(2 / 451), rtol=0.05)


def test_the_first_loss_is_that_of_guessing():
    keras.utils.set_random_seed(1)
    model = NARM(2, 200)
    history = np.random.default_rng(0).integers(1, 201, (64, 6))
    logits = model(
        {"history": history, "candidates": np.tile(np.arange(1, 201), (64, 1))}
    )
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        np.arange(64), logits
    )
    np.testing.assert_allclose(np.mean(losses), np.log(200), rtol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"hidden_dim": 0}, "`hidden_dim` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"session_dropout": -0.1}, "`session_dropout` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        NARM(2, 9, **options)
