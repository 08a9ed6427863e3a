import keras
import numpy as np

from baselines.slirec.time_lstm import TimeLSTM
from tests.reference.numpy_blocks import named_weights
from tests.reference.numpy_time_lstm import time_lstm
from tests.testing import run_layer_test

rng = np.random.default_rng(8)
LENGTHS = (4, 2, 1)
MASK = np.arange(4)[None] < np.array(LENGTHS)[:, None]
ITEMS = rng.normal(size=(3, 4, 6)).astype("float32")
TIMES = rng.normal(size=(3, 4, 2)).astype("float32")


def made(units=5):
    layer = TimeLSTM(units)
    layer.build(ITEMS.shape, TIMES.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(scale=0.7, size=weight.shape))
    return layer


def test_layer_contract():
    run_layer_test(
        TimeLSTM,
        {"units": 5},
        {"items": ITEMS, "times": TIMES, "valid_mask": MASK},
        expected_output_shape=(3, 4, 5),
        expected_num_trainable_weights=15,
        time_axes=(1,),
    )


def test_equals_a_loop():
    layer = made()
    states = np.asarray(layer(ITEMS, TIMES, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        expected = time_lstm(
            named_weights(layer), ITEMS[row, :n], *TIMES[row, :n].T
        )
        np.testing.assert_allclose(states[row, :n], expected, atol=1e-5)
        assert not states[row, n:].any()


def test_parameter_count():
    # 6 x H + 8 H^2 + 10 H
    assert made(5).count_params() == 6 * 6 * 5 + 8 * 25 + 50
    layer = TimeLSTM(16)
    layer.build((None, None, 16))
    assert layer.count_params() == 3744


def test_without_times_it_is_an_lstm_with_two_gates_of_the_item():
    """The channels add constants only; open gates leave an LSTM of Keras."""
    layer = made()
    for name in ("age", "interval"):
        getattr(layer, f"{name}_item_kernel").assign(np.zeros((6, 5)))
        getattr(layer, f"{name}_gate_kernel").assign(np.zeros((5, 5)))
        getattr(layer, f"{name}_gate_bias").assign(np.full(5, 50.0))
    offsets = sum(
        np.tanh(getattr(layer, f"{name}_offset"))
        @ np.asarray(getattr(layer, f"{name}_output_kernel"))
        for name in ("age", "interval")
    )
    lstm = keras.layers.LSTM(5, return_sequences=True)
    lstm.build(ITEMS.shape)
    # Keras has the order i, f, j, o.
    order = np.arange(20).reshape(4, 5)[[0, 2, 1, 3]].ravel()
    bias = np.asarray(layer.bias).copy()
    bias[15:] += offsets
    bias[10:15] += 1.0
    lstm.set_weights(
        [
            np.asarray(layer.kernel)[:, order],
            np.asarray(layer.recurrence.cell.recurrent_kernel)[:, order],
            bias[order],
        ]
    )
    states = layer(ITEMS, np.zeros_like(TIMES))
    np.testing.assert_allclose(states, lstm(ITEMS), atol=1e-5)


def test_times_matter_to_the_gates():
    layer = made()
    states = np.asarray(layer(ITEMS, TIMES))
    for channel in range(2):
        other = TIMES.copy()
        other[:, 1, channel] += 1.0
        changed = np.abs(np.asarray(layer(ITEMS, other)) - states)
        assert changed[:, 0].max() == 0
        assert changed[:, 1:].max(axis=(0, 2)).min() > 1e-3
