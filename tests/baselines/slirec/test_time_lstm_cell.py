import keras
import numpy as np
import pytest

from baselines.slirec.time_lstm_cell import TimeLSTMCell
from tests.reference.numpy_blocks import sigmoid
from tests.testing import check_config

rng = np.random.default_rng(9)
INPUTS = rng.normal(size=(2, 3, 24)).astype("float32")


def test_config():
    check_config(TimeLSTMCell, {"units": 4})


def test_equals_numpy():
    layer = keras.layers.RNN(TimeLSTMCell(4))
    layer.build(INPUTS.shape)
    kernel = rng.normal(size=(4, 16))
    layer.set_weights([kernel])
    for row, inputs in enumerate(INPUTS):
        state = carry = np.zeros(4)
        for step in inputs:
            i, j, f, o = np.split(step[:16] + state @ kernel, 4)
            new, keep = step[16:20], step[20:]
            carry = sigmoid(f + 1) * keep * carry
            carry = carry + sigmoid(i) * new * np.tanh(j)
            state = sigmoid(o) * np.tanh(carry)
        np.testing.assert_allclose(
            np.asarray(layer(INPUTS))[row], state, atol=1e-5
        )


def test_closed_gate_forgets_and_ignores():
    layer = keras.layers.RNN(TimeLSTMCell(4))
    closed = INPUTS.copy()
    closed[:, 1, 16:] = 0.0
    after = np.asarray(layer(closed))
    np.testing.assert_allclose(after, layer(closed[:, 2:]), atol=1e-6)


def test_units_must_be_positive():
    with pytest.raises(ValueError, match="`units` must be at least 1"):
        TimeLSTMCell(0)
