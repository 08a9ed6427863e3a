"""The states of the positions of a session against a loop."""

import numpy as np
import pytest

from mgnm_tf.layers import SessionGraphEncoder
from tests.layers.graph.test_session_graph import HISTORY
from tests.reference import numpy_session_graph as oracle
from tests.testing import run_layer_test

DIM = 4
TABLE = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
ITEMS = TABLE[HISTORY]


def randomized(num_steps=1):
    layer = SessionGraphEncoder(num_steps)
    layer.build(ITEMS.shape)
    random = np.random.default_rng(1)
    layer.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in layer.get_weights()]
    )
    return layer


def test_contract():
    run_layer_test(
        SessionGraphEncoder,
        {"num_steps": 2},
        {"items": ITEMS[:3], "history": HISTORY[:3].astype("int32")},
        expected_output_shape=(3, *ITEMS.shape[1:]),
        expected_num_trainable_weights=6,
    )


@pytest.mark.parametrize("num_steps", [1, 3])
def test_equals_numpy(num_steps):
    layer = randomized(num_steps)
    states = np.asarray(layer(ITEMS, HISTORY))
    assert not states[HISTORY == 0].any()
    for row, session in enumerate(HISTORY):
        session = session[session > 0].tolist()
        if not session:
            continue
        expected = oracle.encode(session, TABLE, layer.get_weights(), num_steps)
        np.testing.assert_allclose(
            states[row, : len(session)], expected, rtol=1e-4, atol=1e-5
        )


def test_padding_changes_nothing():
    layer = randomized()
    states = np.asarray(layer(ITEMS, HISTORY))
    filled = np.where(HISTORY[..., None] > 0, ITEMS, 7.0)
    np.testing.assert_allclose(layer(filled, HISTORY), states, atol=1e-6)
    longer = layer(
        np.pad(ITEMS, [(0, 0), (0, 2), (0, 0)]),
        np.pad(HISTORY, [(0, 0), (0, 2)]),
    )
    np.testing.assert_allclose(longer[:, :-2], states, atol=1e-6)


def test_of_an_item_that_comes_again_the_first_vector_counts():
    layer = randomized()
    history = np.array([[1, 2, 1]])
    items = TABLE[history].copy()
    expected = np.asarray(layer(items, history))
    items[0, 2] = 5.0
    np.testing.assert_array_equal(layer(items, history), expected)


def test_wrong_number_of_steps():
    with pytest.raises(ValueError, match="`num_steps` must be at least 1"):
        SessionGraphEncoder(0)
