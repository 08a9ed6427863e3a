"""Which nodes graph pooling keeps."""

import numpy as np
import pytest

from baselines.surge.graph_pooling import GraphPooling
from tests.testing import run_layer_test

RANDOM = np.random.default_rng(0)
MASK = np.arange(7) < np.array([7, 5, 3, 1])[:, None]
FITNESS = RANDOM.normal(size=(4, 2, 7)).astype("float32")


@pytest.mark.parametrize("pool_length", [1, 3, 7, 20])
def test_layer_contract(pool_length):
    run_layer_test(
        GraphPooling,
        {"pool_length": pool_length},
        {"fitness": FITNESS, "valid_mask": MASK},
        expected_output_shape=(4, 2, 7),
        expected_num_trainable_weights=0,
        time_axes=(2,),
    )


@pytest.mark.parametrize("pool_length", [1, 3, 7, 20])
def test_keeps_the_softmax_of_the_best(pool_length):
    weights = np.asarray(GraphPooling(pool_length)(FITNESS, valid_mask=MASK))
    for row, valid in enumerate(MASK):
        for column in range(2):
            fitness = FITNESS[row, column, valid]
            softmax = np.exp(fitness) / np.exp(fitness).sum()
            best = np.argsort(-fitness)[:pool_length]
            expected = np.zeros(7)
            expected[best] = softmax[best]
            np.testing.assert_allclose(
                weights[row, column], expected, rtol=1e-5
            )


def test_of_equal_nodes_the_newest_are_kept():
    fitness = np.array([[[0.2, 0.9, 0.5, 0.5, 0.5, 0.5, 0.1]]])
    # Rounding does not decide.
    fitness[0, 0, 2] += 1e-7
    weights = np.asarray(GraphPooling(3)(fitness))
    np.testing.assert_array_equal(np.flatnonzero(weights[0, 0]), [1, 4, 5])


def test_an_empty_graph_keeps_nothing():
    weights = GraphPooling(2)(FITNESS, valid_mask=np.zeros_like(MASK))
    np.testing.assert_array_equal(weights, np.zeros((4, 2, 7)))


def test_no_node_to_keep_is_an_error():
    with pytest.raises(ValueError, match="`pool_length` must be at least 1"):
        GraphPooling(0)
