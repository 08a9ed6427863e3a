"""GC-SAN against a loop in NumPy."""

import keras
import numpy as np
import pytest

from baselines.gcsan import GCSAN

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6, 6], [7, 8, 0, 0, 0], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2]]),
}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def mean_rows(edges):
    return edges / np.maximum(edges.sum(axis=1, keepdims=True), 1.0)


def graph_states(step, table, items):
    """Returns the state (n, d) of each click after one gated step."""
    nodes = list(dict.fromkeys(items))
    edges = np.zeros((len(nodes), len(nodes)))
    for before, after in zip(items, items[1:], strict=False):
        edges[nodes.index(before), nodes.index(after)] = 1.0
    h = table[nodes]
    d = h.shape[1]
    w, b, c, kernel, recurrent, bias = (
        np.asarray(one, "float64")
        for one in (
            step.message_kernel,
            step.message_bias,
            step.input_bias,
            step.kernel,
            step.recurrent_kernel,
            step.bias,
        )
    )
    message = h @ w + b
    a = np.concatenate(
        [
            mean_rows(edges.T) @ message[:, :d],
            mean_rows(edges) @ message[:, d:],
        ],
        axis=1,
    )
    outer, inner = (a + c) @ kernel + bias[0], h @ recurrent + bias[1]
    z, r = (
        sigmoid(outer[:, i * d : (i + 1) * d] + inner[:, i * d : (i + 1) * d])
        for i in range(2)
    )
    n = np.tanh(outer[:, 2 * d :] + r * inner[:, 2 * d :])
    h = z * h + (1 - z) * n
    return h[[nodes.index(item) for item in items]]


def user_of(model, items):
    """Returns the user vector of a history of ids."""
    if not len(items):
        return np.zeros(model.embedding_dim)
    table = model.item_embedding.get_weights()[0].astype("float64")
    local = graph_states(model.encoder.step, table, list(items))
    x = local
    for block in model.blocks:
        query, key, value, hidden, output = (one.get_weights() for one in block)
        logits = (x @ query[0]) @ (x @ key[0]).T / np.sqrt(x.shape[1])
        weights = np.exp(logits)
        weights /= weights.sum(axis=1, keepdims=True)
        mixed = weights @ x @ value[0]
        inner = np.maximum(mixed @ hidden[0] + hidden[1], 0.0)
        x = inner @ output[0] + output[1] + mixed
    share = model.attention_weight
    return share * x[-1] + (1 - share) * local[-1]


def small(seed=0, **options):
    model = GCSAN(2, 9, embedding_dim=6, **options)
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in model.get_weights()]
    )
    return model


@pytest.mark.parametrize(
    "options",
    [{}, {"num_blocks": 2}, {"num_blocks": 0}, {"attention_weight": 0.3}],
)
def test_equals_numpy(options):
    model = small(**options)
    table = model.item_embedding.get_weights()[0]
    table[0] = 0.0
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        expected = table[FEATURES["candidates"][row]] @ user_of(
            model, history[history > 0]
        )
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # (M + 1) d + 11 d^2 + 10 d + blocks * (5 d^2 + 2 d).
        ({}, 1000 + 110000 + 1000 + 50000 + 200),
        ({"embedding_dim": 4, "num_blocks": 2}, 40 + 176 + 40 + 2 * (80 + 8)),
        ({"embedding_dim": 4, "num_blocks": 0}, 40 + 176 + 40),
    ],
)
def test_parameter_count(options, expected):
    assert GCSAN(2, 9, **options).count_params() == expected


def test_without_weight_only_the_state_of_the_graph_counts():
    model = small(attention_weight=0.0)
    expected = graph_states(
        model.encoder.step,
        model.item_embedding.get_weights()[0].astype("float64"),
        [4, 5, 4, 6, 6],
    )[-1]
    vector = model.user_vector(FEATURES)[0]
    np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)


def test_without_blocks_the_weight_is_irrelevant():
    first = small(num_blocks=0, attention_weight=0.1)(FEATURES)
    second = small(num_blocks=0, attention_weight=0.9)(FEATURES)
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)


def test_a_second_step_changes_the_states():
    one, two = (small(num_steps=steps)(FEATURES)[0] for steps in (1, 2))
    assert np.abs(np.asarray(one) - two).max() > 1e-3


def test_dropout_acts_in_training_only():
    quiet = np.asarray(small(dropout=0.0)(FEATURES))
    np.testing.assert_array_equal(
        small(dropout=0.0)(FEATURES, training=True), quiet
    )
    model = small(dropout=0.5)
    np.testing.assert_array_equal(model(FEATURES), quiet)
    keras.utils.set_random_seed(3)
    assert not np.allclose(model(FEATURES, training=True), quiet)


def test_a_temperature_bounds_the_scores():
    scores = np.asarray(small(temperature=0.1)(FEATURES))
    assert 1.0 < np.abs(scores).max() <= 10.0


def test_initial_values():
    model = GCSAN(2, 400)
    for weight in model.get_weights():
        assert 0.05 < np.abs(weight).max() <= 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"num_steps": 0}, "`num_steps` must be at least 1"),
        ({"num_blocks": -1}, "`num_blocks` must be at least 0"),
        ({"attention_weight": 1.5}, "`attention_weight` must be between 0"),
        ({"dropout": -0.5}, "`dropout` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        GCSAN(2, 9, **options)
