import numpy as np
import pytest

from mgnm_tf.layers import AttentivePooling
from tests.reference import numpy_blocks as oracle
from tests.testing import run_layer_test

rng = np.random.default_rng(7)
LENGTHS = (4, 2, 0, 1)
MASK = np.arange(4)[None] < np.array(LENGTHS)[:, None]
ITEMS = rng.normal(size=(4, 4, 6)).astype("float32")


def made(activation=None):
    layer = AttentivePooling(activation)
    layer.build(ITEMS.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize(("activation", "weights"), [(None, 2), ("tanh", 3)])
def test_layer_contract(activation, weights):
    run_layer_test(
        AttentivePooling,
        {"activation": activation},
        {"items": ITEMS, "valid_mask": MASK},
        expected_output_shape=(4, 6),
        expected_num_trainable_weights=weights,
    )


@pytest.mark.parametrize("activation", [None, "tanh"])
def test_equals_numpy(activation):
    layer = made(activation)
    weights = oracle.named_weights(layer)
    pooled = np.asarray(layer(ITEMS, valid_mask=MASK))
    for row, length in enumerate(LENGTHS):
        items = ITEMS[row, :length]
        hidden = items @ weights["kernel"]
        if activation:
            hidden = np.tanh(hidden + weights["bias"])
        expected = np.zeros(6)
        if length:
            expected = oracle.softmax(hidden @ weights["query"][:, 0]) @ items
        np.testing.assert_allclose(pooled[row], expected, rtol=1e-4, atol=1e-5)


def test_one_item_is_its_own_sum():
    layer = made()
    pooled = np.asarray(layer(ITEMS, valid_mask=MASK))
    np.testing.assert_allclose(pooled[3], ITEMS[3, 0], rtol=1e-5)


def test_without_a_mask_all_count():
    layer = made()
    np.testing.assert_allclose(
        layer(ITEMS), layer(ITEMS, valid_mask=np.ones((4, 4), bool)), rtol=1e-5
    )
