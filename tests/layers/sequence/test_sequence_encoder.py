import numpy as np
import pytest

from mgnm_tf.layers import SequenceEncoder
from tests.reference import numpy_mgnm as oracle
from tests.reference.numpy_hstu import unit
from tests.testing import run_layer_test

rng = np.random.default_rng(5)
LENGTHS = (4, 2, 1)
MASK = np.arange(4)[None] < np.array(LENGTHS)[:, None]
ITEMS = rng.normal(size=(3, 4, 6)).astype("float32") * MASK[..., None]


@pytest.mark.parametrize(
    "kind, weights",
    [("bilstm", 7), ("gru", 3), ("transformer", 17), ("hstu", 5)],
)
def test_layer_contract(kind, weights):
    run_layer_test(
        SequenceEncoder,
        {"kind": kind, "max_length": 10},
        {"items": ITEMS, "valid_mask": MASK},
        expected_output_shape=(3, 4, 6),
        expected_num_trainable_weights=weights,
        time_axes=(1,),
        # Positions beyond the history are not read, and the bias of a key
        # moves all attention logits alike.
        inert_weights=(
            "positions/embeddings",
            "attention/key/bias",
            "bias/place_bias",
        ),
    )


def test_bilstm_equals_a_loop():
    layer = SequenceEncoder("bilstm")
    layer.build(ITEMS.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    weights = [np.asarray(weight.value) for weight in layer.weights]
    out = np.asarray(layer(ITEMS, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        expected = oracle.bilstm(
            ITEMS[row, :n], weights[0:3], weights[3:6], weights[6]
        )
        np.testing.assert_allclose(out[row, :n], expected, atol=2e-5)
        assert not out[row, n:].any()


def test_hstu_equals_a_loop():
    layer = SequenceEncoder("hstu", max_length=7)
    layer.build(ITEMS.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    out = np.asarray(layer(ITEMS, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        items = ITEMS[row, :n].astype("float64")
        expected = unit(items, None, layer.unit, layer.bias, 1, 7)
        np.testing.assert_allclose(out[row, :n], expected, rtol=1e-4, atol=1e-4)
        assert not out[row, n:].any()


def test_the_last_projection_of_the_bilstm_can_begin_at_zero():
    layer = SequenceEncoder("bilstm", output_initializer="zeros")
    assert not np.asarray(layer(ITEMS, valid_mask=MASK)).any()


def test_transformer_knows_the_order():
    layer = SequenceEncoder("transformer", max_length=4)
    out = np.asarray(layer(ITEMS[:1]))
    swapped = np.asarray(layer(ITEMS[:1, ::-1]))
    assert np.abs(out - swapped[:, ::-1]).max() > 1e-3


def test_unknown_kind():
    with pytest.raises(ValueError, match="Did you mean 'bilstm'"):
        SequenceEncoder("blstm")
