"""The attentional GRU against NumPy."""

import keras
import numpy as np
import pytest

from baselines.surge.augru_cell import AUGRUCell
from tests.reference import numpy_surge as oracle
from tests.testing import check_config

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(3, 6, 5)).astype("float32")
ATTENTION = RANDOM.uniform(size=(3, 6, 1)).astype("float32")
KERNEL = RANDOM.normal(size=(5, 12)).astype("float32")
MASK = np.arange(6) < np.array([6, 3, 0])[:, None]


def recurrence(variant, **options):
    """Returns an RNN whose weights are all random."""
    layer = keras.layers.RNN(AUGRUCell(4, variant, name="cell", **options))
    layer.build((None, None, 13))
    for weight in layer.weights:
        weight.assign(RANDOM.normal(scale=0.5, size=weight.shape))
    return layer


def joined(attention):
    return np.concatenate([INPUTS @ KERNEL, attention], axis=-1)


@pytest.mark.parametrize("variant", ["surge", "dien"])
def test_equals_numpy(variant):
    layer = recurrence(variant)
    weights = {
        f"recurrence/cell/{weight.name}": np.asarray(weight, "float64")
        for weight in layer.weights
    }
    weights["recurrent_input/kernel"] = KERNEL
    states = np.asarray(layer(joined(ATTENTION), mask=MASK))
    for row, valid in enumerate(MASK):
        expected = oracle.augru(
            weights, INPUTS[row, valid], ATTENTION[row, valid, 0], variant
        )
        np.testing.assert_allclose(states[row], expected, rtol=1e-4, atol=1e-6)


def test_attention_0_is_a_gru_step_or_none():
    none = np.zeros_like(ATTENTION)
    frozen = recurrence("dien")(joined(none))
    np.testing.assert_array_equal(frozen, np.zeros((3, 4)))
    layer = recurrence("surge")
    gru = keras.layers.GRU(4, reset_after=False)
    gru.build((None, None, 5))
    cell = layer.cell
    gru.set_weights(
        [
            KERNEL,
            np.concatenate([cell.gate_kernel, cell.candidate_kernel], axis=1),
            np.concatenate([cell.gate_bias, cell.candidate_bias]),
        ]
    )
    np.testing.assert_allclose(
        layer(joined(none)), gru(INPUTS), rtol=1e-4, atol=1e-6
    )


def test_attention_1_forgets_or_is_a_gru_step():
    ones = np.ones_like(ATTENTION)
    layer = recurrence("surge")
    # Without reset gate: the state is the candidate of the last step alone.
    layer.cell.candidate_kernel.assign(np.zeros((4, 4)))
    expected = np.tanh(
        (INPUTS @ KERNEL)[:, -1, 8:] + np.asarray(layer.cell.candidate_bias)
    )
    np.testing.assert_allclose(layer(joined(ones)), expected, rtol=1e-5)
    dien = recurrence("dien")
    dien.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        dien(joined(ones)), layer(joined(0 * ones)), rtol=1e-4, atol=1e-6
    )


def test_starts_as_a_gru_with_its_gates_open():
    cell = AUGRUCell(4)
    cell.build()
    np.testing.assert_array_equal(cell.gate_bias, np.ones(8))
    np.testing.assert_array_equal(cell.candidate_bias, np.zeros(4))
    assert cell.count_params() == 3 * 4 * 4 + 3 * 4


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_config_and_precision(policy):
    check_config(AUGRUCell, {"units": 4, "variant": "dien"})
    layer = keras.layers.RNN(AUGRUCell(4, dtype=policy), dtype=policy)
    state = layer(joined(ATTENTION), mask=MASK)
    assert state.dtype == keras.DTypePolicy(policy).compute_dtype
    assert np.all(np.isfinite(np.asarray(state, "float32")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 0}, "`units` must be at least 1"),
        ({"units": 4, "variant": "dein"}, "Did you mean 'dien'"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        AUGRUCell(**options)
