import numpy as np
import pytest

from mgnm_tf.layers import MaxInterest
from tests.testing import run_layer_test

random = np.random.default_rng(2)
INTERESTS = random.normal(size=(2, 3, 4)).astype("float32")
CANDIDATES = random.normal(size=(2, 5, 4)).astype("float32")


def test_layer_contract():
    run_layer_test(
        MaxInterest,
        {},
        {"interests": INTERESTS, "candidates": CANDIDATES},
        expected_output_shape=(2, 5),
        expected_num_trainable_weights=0,
    )


@pytest.mark.parametrize("count", [1, 3])
def test_takes_the_best_product(count):
    interests = INTERESTS[:, :count]
    scores = np.asarray(MaxInterest()(interests, CANDIDATES))
    for row in range(2):
        for column in range(5):
            expected = max(
                interest @ CANDIDATES[row, column]
                for interest in interests[row]
            )
            np.testing.assert_allclose(scores[row, column], expected, rtol=1e-5)


def test_candidates_can_be_shared():
    every = np.tile(CANDIDATES[:1], (2, 1, 1))
    np.testing.assert_allclose(
        MaxInterest()(INTERESTS, CANDIDATES[0]),
        MaxInterest()(INTERESTS, every),
        rtol=1e-5,
    )


def test_all_products_may_be_negative():
    interests = -np.ones((1, 2, 3), "float32")
    assert MaxInterest()(interests, np.ones((1, 1, 3), "float32"))[0, 0] == -3
