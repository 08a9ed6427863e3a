import numpy as np
import pytest

from baselines.tgsrec.temporal_attention import TemporalAttention
from tests.reference import numpy_tgsrec as oracle
from tests.reference.numpy_blocks import named_weights
from tests.testing import run_layer_test

rng = np.random.default_rng(5)
# The last one has no neighbour.
MASK = np.arange(7)[None] < np.array([7, 3, 1, 0])[:, None]
INPUTS = {
    "nodes": rng.normal(size=(4, 6)).astype("float32"),
    "query_codes": rng.normal(size=(4, 2)).astype("float32"),
    "neighbors": rng.normal(size=(4, 7, 6)).astype("float32"),
    "time_codes": rng.normal(size=(4, 7, 2)).astype("float32"),
    "valid_mask": MASK,
}


def make(**options):
    layer = TemporalAttention(**options)
    layer.build((None, 6), (None, 2))
    for weight in layer.weights:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return layer


@pytest.mark.parametrize("masked", [True, False])
def test_layer_contract(masked):
    inputs = dict(INPUTS)
    if not masked:
        del inputs["valid_mask"]
    run_layer_test(
        TemporalAttention,
        {"num_heads": 2},
        inputs,
        expected_output_shape=(4, 6),
        expected_num_trainable_weights=11,
    )


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_equals_a_loop(heads):
    layer = make(num_heads=heads)
    out = np.asarray(layer(**INPUTS))
    weights = named_weights(layer)
    for row, valid in enumerate(MASK):
        expected = oracle.attention(
            weights,
            INPUTS["nodes"][row],
            INPUTS["query_codes"][row],
            INPUTS["neighbors"][row][valid],
            INPUTS["time_codes"][row][valid],
        )
        np.testing.assert_allclose(out[row], expected, rtol=2e-4, atol=2e-5)


def test_the_order_of_neighbours_is_nothing():
    layer = make()
    turned = dict(INPUTS)
    for name in ("neighbors", "time_codes", "valid_mask"):
        turned[name] = INPUTS[name][:, [4, 2, 6, 0, 1, 5, 3]]
    np.testing.assert_allclose(
        layer(**turned), layer(**INPUTS), rtol=1e-4, atol=1e-5
    )


def test_one_neighbour_as_often_as_it_likes():
    layer = make()
    many = dict(INPUTS)
    many["valid_mask"] = np.ones_like(MASK)
    one = dict(INPUTS)
    one["valid_mask"] = np.arange(7)[None] < np.ones((4, 1))
    for name in ("neighbors", "time_codes"):
        many[name] = np.repeat(INPUTS[name][:, :1], 7, axis=1)
    np.testing.assert_allclose(
        layer(**many), layer(**one), rtol=1e-4, atol=1e-5
    )


def test_parameter_count():
    layer = TemporalAttention()
    layer.build((None, 16), (None, 16))
    assert layer.count_params() == 5248


@pytest.mark.parametrize("name", ["attention_dropout", "output_dropout"])
def test_each_dropout_acts_in_training_only(name):
    layer = make(dropout=0.5, seed=1)
    for other in ("attention_dropout", "output_dropout"):
        getattr(layer, other).rate = 0.5 * (other == name)
    still = np.asarray(layer(**INPUTS))
    moved = np.asarray(layer(**INPUTS, training=True))
    np.testing.assert_array_equal(still, np.asarray(layer(**INPUTS)))
    assert np.abs(moved - still)[:2].max(axis=1).min() > 1e-3


def test_width_not_divisible_by_heads():
    with pytest.raises(ValueError, match="Received: width 8, num_heads=3"):
        make(num_heads=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 0}, "`num_heads` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        TemporalAttention(**options)
