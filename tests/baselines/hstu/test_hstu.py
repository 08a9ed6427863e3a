"""HSTU against its formulas in NumPy."""

import dataclasses

import numpy as np
import pytest

from baselines.hstu.hstu import HSTU
from tests.baselines.sasrec.test_sasrec import randomized
from tests.data.toy import toy_data
from tests.reference.numpy_hstu import unit

FEATURES = {
    "user": np.array([1, 2, 0]),
    "history": np.array([[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0]]),
    "history_time": np.array([[9, 9, 40, 5000], [1, 90_000, 0, 0], [0] * 4]),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
}
OPTIONS = {"embedding_dim": 6, "max_length": 7}


@pytest.mark.parametrize("use_time", [True, False])
@pytest.mark.parametrize(("num_layers", "num_heads"), [(1, 1), (2, 2)])
def test_equals_numpy(num_layers, num_heads, use_time):
    sizes = {"num_layers": num_layers, "num_heads": num_heads}
    model = randomized(HSTU(2, 9, **OPTIONS, **sizes, use_time=use_time))
    table = np.array(model.item_embedding.get_weights()[0])
    table /= np.linalg.norm(table, axis=-1, keepdims=True)
    places = model.position_embedding.get_weights()[0]
    scores = np.asarray(model(FEATURES))
    every = np.asarray(model.position_vectors(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = history[history > 0]
        vectors = np.zeros((1, 6))
        if len(items):
            states = np.sqrt(6) * table[items] + places[: len(items)]
            times = FEATURES["history_time"][row]
            for layer, bias in zip(model.units, model.biases, strict=True):
                states = unit(states, times, layer, bias, num_heads, 7)
            lengths = np.linalg.norm(states, axis=-1, keepdims=True)
            vectors = states / lengths / 0.05
            np.testing.assert_allclose(
                every[row, : len(items)], vectors, rtol=1e-4, atol=1e-3
            )
        expected = table[FEATURES["candidates"][row]] @ vectors[-1]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # max_length d + num_layers (5 d^2 + d + max_length + 128)
        ({}, 5000 + 2 * (12500 + 50 + 100 + 128)),
        ({"use_time": False}, 5000 + 2 * (12500 + 50 + 100)),
        (
            {"num_layers": 1, "num_heads": 5, "max_length": 9},
            450 + 12500 + 50 + 9 + 128,
        ),
    ],
)
def test_parameter_count(options, expected):
    model = HSTU(2, 9, **options)
    weights = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert weights == expected + 10 * 50


@pytest.mark.parametrize("what", ["history", "history_time"])
def test_order_and_times_matter(what):
    model = randomized(HSTU(2, 9, **OPTIONS))
    changed = FEATURES[what].copy()
    # The newest event stays.
    changed[0, :3] = [5, 4, 4] if what == "history" else [7, 8, 9]
    scores = [np.asarray(model({**FEATURES, what: changed}))]
    scores.append(np.asarray(model(FEATURES)))
    assert np.abs(scores[0] - scores[1])[0].min() > 1e-4


def test_data_without_times_are_told_by_places_alone():
    data = dataclasses.replace(toy_data(), metadata={"order_only": True})
    model = HSTU.from_data(data, max_length=5)
    assert not model.use_time
    assert model.required_features == ()


@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 0},
        {"num_heads": 4},
        {"num_heads": 0},
        {"dropout": 1.5},
        {"max_length": 0},
    ],
)
def test_refuses(options):
    with pytest.raises(ValueError, match="Received"):
        HSTU(2, 9, **options)
