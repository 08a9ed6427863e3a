"""The two kinds of layers of LESSR against a graph of lists."""

import numpy as np
import pytest

from baselines.lessr.edge_order_aggregation import EdgeOrderAggregation
from baselines.lessr.shortcut_attention import ShortcutAttention
from mgnm_tf.layers import SessionGraph
from tests.reference import numpy_lessr
from tests.testing import run_layer_test

KINDS = {
    EdgeOrderAggregation: numpy_lessr.edge_order,
    ShortcutAttention: numpy_lessr.shortcut,
}
HISTORY = np.array(
    [[4, 5, 4, 6, 4, 4], [7, 8, 0, 0, 0, 0], [1, 2, 1, 2, 9, 0]], "int32"
)
ALIAS = np.asarray(SessionGraph()(HISTORY)[0])
NODES = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
INPUTS = {"nodes": NODES, "alias": ALIAS, "valid_mask": HISTORY > 0}


def randomized(layer):
    random = np.random.default_rng(1)
    layer.build(NODES.shape)
    for weight in layer.weights:
        value = random.normal(scale=0.5, size=weight.shape)
        if "variance" in weight.path:
            value = random.uniform(0.5, 2.0, weight.shape)
        weight.assign(value)
    return layer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_contract(kind, dropout):
    run_layer_test(
        kind,
        {"units": 3, "dropout": dropout},
        INPUTS,
        expected_output_shape=(3, 6, 3),
        expected_num_trainable_weights=8,
        expected_num_non_trainable_weights=2,
        time_axes=(1,),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_equals_a_graph_of_lists(kind):
    layer = randomized(kind(3))
    output = np.asarray(layer(**INPUTS))
    for row, history in enumerate(HISTORY):
        session = history[history > 0].tolist()
        nodes = {item: NODES[row, session.index(item)] for item in session}
        expected = KINDS[kind](layer, nodes, session)
        for slot, item in enumerate(history):
            if item == 0 or session.index(item) != slot:
                np.testing.assert_array_equal(output[row, slot], 0.0)
                continue
            np.testing.assert_allclose(
                output[row, slot], expected[item], rtol=1e-4, atol=1e-5
            )


def test_shortcuts_without_an_opinion_are_means():
    layer = randomized(ShortcutAttention(3))
    layer.energy.kernel.assign(np.zeros((3, 1)))
    layer.activation.alpha.assign(np.ones((1, 3)))
    history = np.array([[1, 2, 3, 0]])
    nodes = NODES[:1, :4]
    output = layer(nodes, alias=np.arange(4)[None], valid_mask=history > 0)
    values = numpy_lessr.apply(
        layer.value, numpy_lessr.normalize(layer.norm, nodes[0])
    )
    for place in range(3):
        np.testing.assert_allclose(
            output[0, place], values[: place + 1].mean(0), rtol=1e-4, atol=1e-5
        )


def test_the_statistics_are_those_of_the_nodes():
    layer = randomized(EdgeOrderAggregation(3))
    mean = np.asarray(layer.norm.moving_mean)
    variance = np.asarray(layer.norm.moving_variance)
    layer(**INPUTS, training=True)
    slots = np.arange(6)
    real = (ALIAS == slots) & (HISTORY > 0)
    assert real.sum() == 8
    nodes = NODES[real]
    np.testing.assert_allclose(
        layer.norm.moving_mean, 0.9 * mean + 0.1 * nodes.mean(0), rtol=1e-4
    )
    np.testing.assert_allclose(
        layer.norm.moving_variance,
        0.9 * variance + 0.1 * nodes.var(0),
        rtol=1e-4,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 0}, "`units` must be at least 1"),
        ({"units": 3, "dropout": -0.1}, "`dropout` must be between 0"),
    ],
)
def test_wrong_arguments(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
