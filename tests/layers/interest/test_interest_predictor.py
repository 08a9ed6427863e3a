"""The predictor of the target interest against NumPy."""

import numpy as np
import pytest

from mgnm_tf.layers import InterestPredictor
from tests.reference import numpy_timirec as oracle
from tests.testing import run_layer_test


def randomized(layer):
    """Gives every weight a random value; returns path -> array, too."""
    random = np.random.default_rng(1)
    weights = {}
    for weight in layer.weights:
        if "seed" in weight.path:
            continue
        weight.assign(random.normal(scale=0.7, size=weight.shape))
        path = weight.path.partition("/")[2]
        weights[path] = np.asarray(weight, "float64")
    return layer, weights


HISTORY = np.array([[3, 4, 3, 7], [2, 5, 0, 0], [9, 0, 0, 0]], "int32")


@pytest.mark.parametrize("num_layers", [1, 3])
def test_predictor_contract(num_layers):
    run_layer_test(
        InterestPredictor,
        {
            "num_items": 9,
            "dim": 4,
            "num_interests": 3,
            "num_layers": num_layers,
            "dropout": 0.2,
            "initializer": "glorot_uniform",
        },
        {"history": HISTORY},
        expected_output_shape=(3, 3),
        expected_num_trainable_weights=4 + 2 * num_layers,
        expected_output_dtype="float32",
    )


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_predictor_equals_numpy(num_layers):
    layer = InterestPredictor(9, 4, 3, num_layers)
    layer.build()
    layer, weights = randomized(layer)
    count = 11 * 4 + 6 * 16 + 24 + (num_layers - 1) * 20 + 4 * 3 + 3
    assert sum(value.size for value in weights.values()) == count
    found = np.asarray(layer(HISTORY))
    for row, history in enumerate(HISTORY):
        np.testing.assert_allclose(
            found[row],
            oracle.predict(history[history > 0], weights, "", num_layers),
            rtol=1e-4,
            atol=1e-5,
        )
    padded = np.pad(HISTORY, [(0, 0), (0, 3)])
    np.testing.assert_allclose(layer(padded), found, rtol=1e-5, atol=1e-6)


def test_dropout_of_the_predictor_acts_on_hidden_maps_in_training():
    for num_layers, dropout, acts in (
        (2, 0.5, True),
        (2, 0, False),
        (1, 0.5, False),
    ):
        layer = InterestPredictor(9, 4, 3, num_layers, dropout)
        layer.build()
        layer, _ = randomized(layer)
        plain = np.asarray(layer(HISTORY))
        dropped = np.asarray(layer(HISTORY, training=True))
        assert (np.abs(plain - dropped).max() > 1e-3) == acts


def test_first_values_of_the_gru_are_those_of_pytorch():
    layer = InterestPredictor(9, 16)
    layer.build()
    for weight in layer.gru.weights:
        assert 0.2 < np.abs(weight).max() <= 0.25
    table = np.asarray(layer.item_embedding.embeddings)
    assert np.std(table) == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize(
    "name", ["num_items", "dim", "num_interests", "num_layers"]
)
def test_sizes_of_the_predictor(name):
    sizes = {"num_items": 9, "dim": 4, name: 0}
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        InterestPredictor(**sizes)
    with pytest.raises(ValueError, match="`dropout` must be between 0"):
        InterestPredictor(9, 4, dropout=1.5)
