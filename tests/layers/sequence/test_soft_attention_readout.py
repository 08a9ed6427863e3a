"""The readout of SR-GNN against a loop over positions."""

import numpy as np
import pytest

from mgnm_tf.layers import SoftAttentionReadout
from tests.reference.numpy_session_graph import soft_attention
from tests.testing import run_layer_test

DIM = 5
LENGTHS = (4, 2, 1, 0)
MASK = np.arange(4) < np.array(LENGTHS)[:, None]
random = np.random.default_rng(0)
STATES = random.normal(size=(4, 4, DIM)).astype("float32")
CONTEXT = random.normal(size=(4, DIM)).astype("float32")


def inputs(use_context):
    extra = {"context": CONTEXT} if use_context else {}
    return {"states": STATES, "valid_mask": MASK, **extra}


def randomized(use_context=False):
    layer = SoftAttentionReadout(use_context)
    layer.build(STATES.shape)
    draws = np.random.default_rng(1)
    layer.set_weights(
        [draws.normal(scale=0.5, size=w.shape) for w in layer.get_weights()]
    )
    return layer


@pytest.mark.parametrize("use_context", [False, True])
def test_contract(use_context):
    run_layer_test(
        SoftAttentionReadout,
        {"use_context": use_context},
        inputs(use_context),
        expected_output_shape=(4, DIM),
        expected_num_trainable_weights=9 if use_context else 7,
    )


@pytest.mark.parametrize("use_context", [False, True])
def test_equals_numpy(use_context):
    layer = randomized(use_context)
    vectors = np.asarray(layer(**inputs(use_context)))
    for row, length in enumerate(LENGTHS):
        expected = np.zeros(DIM)
        if length:
            expected = soft_attention(
                STATES[row, :length],
                layer.get_weights(),
                CONTEXT[row] if use_context else None,
            )
        np.testing.assert_allclose(vectors[row], expected, rtol=1e-4, atol=1e-5)


def test_weights_are_not_normalised():
    layer = randomized()
    state = STATES[:1, :1]
    merge, bias = layer.get_weights()[-2:]

    def sums(count):
        states = np.repeat(state, count, axis=1)
        vector = layer(states, valid_mask=np.ones((1, count), bool))
        return np.asarray(vector)[0] - bias - state[0, 0] @ merge[DIM:]

    np.testing.assert_allclose(sums(3), 3 * sums(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("use_context", "factor"), [(False, 4), (True, 5)])
def test_parameter_count_and_draw(use_context, factor):
    layer = SoftAttentionReadout(use_context)
    layer.build((None, None, 25))
    assert layer.count_params() == factor * (625 + 25)
    for weight in layer.get_weights():
        assert 0.1 < np.abs(weight).max() <= 0.2
        assert weight.min() < 0 < weight.max()


@pytest.mark.parametrize("use_context", [False, True])
def test_context_goes_with_its_option(use_context):
    layer = randomized(use_context)
    message = "`context` goes with `use_context`. Received: use_context="
    with pytest.raises(ValueError, match=message):
        layer(**inputs(not use_context))
