import numpy as np

from mgnm_tf.layers import InterestAttention
from tests.reference import numpy_mgnm as oracle
from tests.testing import run_layer_test

rng = np.random.default_rng(3)
INTERESTS = rng.normal(size=(3, 2, 4, 5)).astype("float32")
CANDIDATES = rng.normal(size=(3, 6, 5)).astype("float32")
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], "bool")


def test_layer_contract():
    run_layer_test(
        InterestAttention,
        {},
        {"interests": INTERESTS, "candidates": CANDIDATES},
        expected_output_shape=(3, 2, 6),
        expected_num_trainable_weights=0,
    )


def test_equals_equations_12_to_14():
    out = np.asarray(InterestAttention()(INTERESTS, CANDIDATES))
    for b, level, c in np.ndindex(3, 2, 6):
        expected = oracle.level_score(INTERESTS[b, level], CANDIDATES[b, c])
        np.testing.assert_allclose(out[b, level, c], expected, rtol=2e-5)


def test_shared_candidates_equal_repeated_ones():
    layer = InterestAttention()
    shared = layer(INTERESTS, CANDIDATES[0])
    repeated = layer(INTERESTS, np.repeat(CANDIDATES[:1], 3, axis=0))
    np.testing.assert_allclose(
        np.asarray(shared), np.asarray(repeated), atol=1e-5
    )


def test_invalid_interests_get_no_attention():
    layer = InterestAttention()
    out = np.asarray(layer(INTERESTS, CANDIDATES, valid_mask=MASK))
    two = np.asarray(layer(INTERESTS[:, :, :2], CANDIDATES))
    np.testing.assert_allclose(out[1], two[1], atol=1e-5)
    assert not out[2].any()


def test_one_interest_is_an_inner_product():
    out = np.asarray(InterestAttention()(INTERESTS[:, :, :1], CANDIDATES))
    expected = np.einsum("bld,bcd->blc", INTERESTS[:, :, 0], CANDIDATES)
    np.testing.assert_allclose(out, expected, atol=1e-5)
