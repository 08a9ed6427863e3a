import numpy as np
import pytest

from mgnm_tf.layers import LevelPooling
from tests.testing import run_layer_test

SCORES = np.random.default_rng(4).normal(size=(3, 4, 5)).astype("float32")
EXPECTED = {
    "max": SCORES.max(axis=1),
    "sum": SCORES.sum(axis=1),
    "mean": SCORES.mean(axis=1),
    "last": SCORES[:, 3],
}


@pytest.mark.parametrize("mode", EXPECTED)
def test_layer_contract(mode):
    run_layer_test(
        LevelPooling,
        {"mode": mode},
        {"scores": SCORES},
        expected_output_shape=(3, 5),
        expected_num_trainable_weights=0,
    )


@pytest.mark.parametrize("mode", EXPECTED)
def test_values(mode):
    out = np.asarray(LevelPooling(mode)(SCORES))
    np.testing.assert_allclose(out, EXPECTED[mode], rtol=1e-5, atol=1e-6)


def test_unknown_mode():
    with pytest.raises(ValueError, match="Unknown mode 'maximum'"):
        LevelPooling("maximum")
