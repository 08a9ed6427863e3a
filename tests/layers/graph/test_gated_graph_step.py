"""A step of the gated graph network against a loop over nodes."""

import numpy as np

from mgnm_tf.layers import GatedGraphStep
from mgnm_tf.layers import SessionGraph
from tests.reference.numpy_session_graph import edges
from tests.reference.numpy_session_graph import gated_step
from tests.testing import run_layer_test

HISTORY = np.array([[1, 2, 1, 3, 3, 2], [4, 5, 4, 0, 0, 0], [2, 0, 0, 0, 0, 0]])
DIM = 4
_, NODE_MASK, ARRIVING, LEAVING = map(np.asarray, SessionGraph()(HISTORY))
TABLE = np.random.default_rng(0).normal(size=(6, DIM))
NODES = np.where(NODE_MASK[..., None], TABLE[HISTORY], 0).astype("float32")


def randomized():
    layer = GatedGraphStep()
    layer.build(NODES.shape)
    random = np.random.default_rng(1)
    layer.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in layer.get_weights()]
    )
    return layer


def test_contract():
    run_layer_test(
        GatedGraphStep,
        {},
        {
            "nodes": NODES,
            "adjacency_in": ARRIVING,
            "adjacency_out": LEAVING,
        },
        expected_output_shape=NODES.shape,
        expected_num_trainable_weights=6,
    )


def test_equals_numpy():
    layer = randomized()
    states = np.asarray(layer(NODES, ARRIVING, LEAVING, node_mask=NODE_MASK))
    for row, session in enumerate(HISTORY):
        session = session[session > 0].tolist()
        items, pairs = edges(session)
        expected = gated_step(
            {item: TABLE[item] for item in items}, pairs, layer.get_weights()
        )
        for item in items:
            np.testing.assert_allclose(
                states[row, session.index(item)],
                expected[item],
                rtol=1e-4,
                atol=1e-6,
            )


def test_empty_slots_are_zero_and_do_not_matter():
    layer = randomized()
    states = np.asarray(layer(NODES, ARRIVING, LEAVING, node_mask=NODE_MASK))
    assert not states[~NODE_MASK].any()
    filled = np.where(NODE_MASK[..., None], NODES, 7.0)
    np.testing.assert_allclose(
        layer(filled, ARRIVING, LEAVING, node_mask=NODE_MASK),
        states,
        atol=1e-6,
    )
    unmasked = np.asarray(layer(NODES, ARRIVING, LEAVING))
    assert unmasked[~NODE_MASK].any()
    np.testing.assert_array_equal(unmasked[NODE_MASK], states[NODE_MASK])


def test_the_directions_are_told_apart():
    layer = randomized()
    there = np.asarray(layer(NODES, ARRIVING, LEAVING))
    back = np.asarray(layer(NODES, LEAVING, ARRIVING))
    assert np.abs(there - back)[0].max() > 1e-2


def test_parameter_count_and_draw():
    layer = GatedGraphStep()
    layer.build((None, None, 25))
    assert layer.count_params() == 11 * 625 + 10 * 25
    for weight in layer.get_weights():
        assert 0.1 < np.abs(weight).max() <= 0.2
        assert weight.min() < 0 < weight.max()
