import numpy as np

from mgnm_tf.layers import Squash
from tests.reference import numpy_mgnm as oracle
from tests.testing import run_layer_test

VECTORS = np.random.default_rng(2).normal(size=(3, 4, 5)).astype("float32")


def test_layer_contract():
    run_layer_test(
        Squash,
        {},
        {"vectors": VECTORS},
        expected_output_shape=(3, 4, 5),
        expected_num_trainable_weights=0,
    )


def test_equals_equation_7():
    out = np.asarray(Squash()(VECTORS))
    expected = np.apply_along_axis(oracle.squash, -1, VECTORS)
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    assert np.linalg.norm(out, axis=-1).max() < 1


def test_zero_stays_zero():
    assert not np.asarray(Squash()(np.zeros((2, 3)))).any()


def test_large_vectors_are_finite_in_float16():
    out = np.asarray(Squash(dtype="float16")(np.full((1, 8), 3e4, "float16")))
    np.testing.assert_allclose(np.linalg.norm(out), 1.0, atol=1e-2)
