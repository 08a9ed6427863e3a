"""The graph of SURGE against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from baselines.surge.interest_graph import InterestGraph
from baselines.surge.interest_graph import cluster_means
from tests.reference import numpy_surge as oracle
from tests.testing import run_layer_test

RANDOM = np.random.default_rng(0)
LENGTHS = (6, 4, 2, 1)
MASK = np.arange(6) < np.array(LENGTHS)[:, None]
ITEMS = RANDOM.normal(size=(4, 6, 5)).astype("float32") * MASK[..., None]


def graph(items, mask, **options):
    """Returns the graph with a metric of ones."""
    layer = InterestGraph(**options)
    layer.build(items.shape)
    layer.metric.assign(np.ones((1, items.shape[-1])))
    return np.asarray(layer(items, valid_mask=mask))


def test_layer_contract():
    run_layer_test(
        InterestGraph,
        {"edge_ratio": 0.4},
        {"items": ITEMS, "valid_mask": MASK},
        expected_output_shape=(4, 6, 6),
        expected_num_trainable_weights=0,
        expected_num_non_trainable_weights=1,
        time_axes=(1, 2),
    )


@pytest.mark.parametrize("edge_ratio", [0.0, 0.3, 0.5, 1.0])
def test_equals_numpy(edge_ratio):
    layer = InterestGraph(edge_ratio)
    linked = np.asarray(layer(ITEMS, valid_mask=MASK))
    metric = np.asarray(layer.metric)[0]
    for row, length in enumerate(LENGTHS):
        expected = np.eye(6)
        expected[:length, :length] = oracle.adjacency(
            ITEMS[row, :length].astype("float64"), metric, edge_ratio
        )
        np.testing.assert_array_equal(linked[row], expected)


def test_keeps_the_share_of_links():
    items = RANDOM.normal(size=(1, 30, 8)).astype("float32")
    linked = graph(items, np.ones((1, 30), "bool"), edge_ratio=0.2)[0]
    # The least similar item of each row takes no part; entry k is dropped,
    # and links of an item with itself are among those counted.
    assert linked.sum() == np.ceil(0.2 * 30 * 29)
    assert not np.array_equal(linked, linked.T)


def test_items_that_are_all_alike_have_no_links():
    items = np.full((2, 5, 3), 0.3, "float32")
    # Cosines of the second graph differ in their last digits.
    items[1] += 2e-4 * RANDOM.normal(size=(5, 3))
    linked = graph(items, np.ones((2, 5), "bool"))
    np.testing.assert_array_equal(linked[0], np.eye(5))
    np.testing.assert_array_equal(linked[1], np.eye(5))


def test_repeated_items_have_the_same_links_at_any_width():
    kinds = np.arange(39) % 3
    items = RANDOM.normal(size=(1, 3, 5)).astype("float32")[:, kinds]
    expected = kinds[:, None] == kinds
    # Equal items fill the first half of the similarities; those of the next
    # best kind are tied with the threshold.
    for columns in (0, 1, 9):
        wide = np.pad(items, [(0, 0), (0, columns), (0, 0)])
        mask = np.arange(39 + columns)[None] < 39
        linked = graph(wide, mask)[0, :39, :39]
        np.testing.assert_array_equal(linked, expected)


def test_items_get_no_gradient():
    items = tf.constant(ITEMS)
    with tf.GradientTape() as tape:
        tape.watch(items)
        linked = tf.reduce_sum(InterestGraph()(items, valid_mask=MASK))
    assert tape.gradient(linked, items) is None


def test_cluster_means_equal_numpy():
    linked = graph(ITEMS, MASK)
    means = cluster_means(tf.constant(linked), tf.constant(ITEMS))
    for row, length in enumerate(LENGTHS):
        part = slice(0, length)
        np.testing.assert_allclose(
            means[row, part],
            oracle.cluster_means(linked[row, part, part], ITEMS[row, part]),
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.parametrize("edge_ratio", [-0.1, 1.1])
def test_share_out_of_range_is_an_error(edge_ratio):
    with pytest.raises(ValueError, match="`edge_ratio` must be between 0"):
        InterestGraph(edge_ratio)
