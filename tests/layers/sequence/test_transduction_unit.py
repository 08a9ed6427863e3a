import numpy as np
import pytest

from mgnm_tf.layers import RelativeBias
from mgnm_tf.layers import TransductionUnit
from tests.reference.numpy_hstu import unit
from tests.testing import run_layer_test

rng = np.random.default_rng(6)
LENGTHS = (4, 2, 0)
MASK = np.arange(4)[None] < np.array(LENGTHS)[:, None]
ITEMS = rng.normal(size=(3, 4, 6)).astype("float32") * MASK[..., None]
PAIRS = MASK[:, :, None] & MASK[:, None]
BIAS = rng.normal(size=(3, 4, 4)).astype("float32") * PAIRS


def test_layer_contract():
    run_layer_test(
        TransductionUnit,
        {"num_heads": 2, "max_length": 10},
        {"items": ITEMS, "bias": BIAS, "valid_mask": MASK},
        expected_output_shape=(3, 4, 6),
        expected_num_trainable_weights=4,
        time_axes=(1,),
    )


@pytest.mark.parametrize("heads", [1, 3])
def test_the_newest_alone_is_the_last_of_all(heads):
    layer = TransductionUnit(heads, max_length=9)
    bias = RelativeBias(9, use_time=False)
    places = np.arange(4)
    every = layer(ITEMS, bias(places[None], places), valid_mask=MASK)
    last = np.maximum(MASK.sum(1) - 1, 0)[:, None]
    newest = layer(
        ITEMS, bias(last, places), valid_mask=MASK, return_sequences=False
    )
    for row, n in enumerate(LENGTHS):
        expected = np.zeros((1, 6))
        if n:
            items = ITEMS[row, :n].astype("float64")
            expected = unit(items, None, layer, bias, heads, 9)
        np.testing.assert_allclose(newest[row], expected[-1], atol=1e-5)
        np.testing.assert_allclose(every[row, :n], expected[:n], atol=1e-5)


def test_a_width_that_heads_do_not_divide():
    with pytest.raises(ValueError, match="divisible by `num_heads`.*width 6"):
        TransductionUnit(4)(ITEMS, BIAS)
