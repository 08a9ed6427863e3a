"""The layers of TiMiRec against NumPy."""

import numpy as np
import pytest

from baselines.timirec.post_norm_transformer import PostNormTransformer
from baselines.timirec.self_attentive_extractor import SelfAttentiveExtractor
from tests.reference import numpy_timirec as oracle
from tests.testing import run_layer_test

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(3, 5, 4)).astype("float32")
LENGTHS = np.array([5, 2, 1])
MASK = np.arange(5)[None] < LENGTHS[:, None]
INPUTS = {"items": ITEMS, "valid_mask": MASK}


def randomized(layer):
    """Gives every weight a random value; returns path -> array, too."""
    random = np.random.default_rng(1)
    weights = {}
    for weight in layer.weights:
        if "seed" in weight.path:
            continue
        weight.assign(random.normal(scale=0.7, size=weight.shape))
        path = weight.path.partition("/")[2]
        weights[path] = np.asarray(weight, "float64")
    return layer, weights


def test_transformer_contract():
    run_layer_test(
        PostNormTransformer,
        {"initializer": "glorot_uniform", "epsilon": 1e-4},
        INPUTS,
        expected_output_shape=ITEMS.shape,
        expected_num_trainable_weights=14,
        time_axes=(1,),
        # The softmax removes it.
        inert_weights=("key/bias",),
    )


def test_transformer_equals_numpy():
    layer = PostNormTransformer()
    layer.build(ITEMS.shape)
    layer, weights = randomized(layer)
    assert layer.count_params() == 5 * (4 * 4 + 4) + 4 * 4
    output = np.asarray(layer(**INPUTS))
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(
            output[row, :length],
            oracle.block(ITEMS[row, :length].astype("float64"), weights, ""),
            rtol=1e-4,
            atol=1e-5,
        )
        assert not output[row, length:].any()


def test_transformer_sees_newer_items_and_adds_its_epsilon():
    layer = PostNormTransformer()
    layer.build(ITEMS.shape)
    layer, _ = randomized(layer)
    changed = ITEMS.copy()
    changed[0, 4] += 1.0
    first = np.asarray(layer(ITEMS)), np.asarray(layer(changed))
    assert np.abs(first[0][0, 0] - first[1][0, 0]).max() > 1e-3
    other = PostNormTransformer(epsilon=1.0)
    other.build(ITEMS.shape)
    other.set_weights(layer.get_weights())
    assert np.abs(np.asarray(other(ITEMS)) - first[0]).max() > 1e-2


@pytest.mark.parametrize(
    "options, weights",
    [
        ({}, 5),
        ({"positions": False}, 4),
        ({"transformer": True}, 19),
    ],
)
def test_extractor_contract(options, weights):
    run_layer_test(
        SelfAttentiveExtractor,
        {
            "num_interests": 2,
            "hidden_dim": 3,
            "max_length": 8,
            "initializer": "glorot_uniform",
            **options,
        },
        INPUTS,
        expected_output_shape=(3, 2, 4),
        expected_num_trainable_weights=weights,
        inert_weights=("key/bias", "attention/bias"),
    )


@pytest.mark.parametrize("positions", [True, False])
@pytest.mark.parametrize("transformer", [True, False])
def test_extractor_equals_numpy(positions, transformer):
    layer = SelfAttentiveExtractor(
        3, 7, 6, positions=positions, transformer=transformer
    )
    layer.build(ITEMS.shape)
    layer, weights = randomized(layer)
    found, shares = layer(**INPUTS, return_weights=True)
    for row, length in enumerate(LENGTHS):
        expected = oracle.extract(
            ITEMS[row, :length], weights, "", positions, transformer
        )
        for one, other in zip((found[row], shares[row, :, :length]), expected):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert not np.asarray(shares)[row, :, length:].any()


def test_without_places_and_block_the_order_is_nothing():
    whole = {"items": ITEMS, "valid_mask": np.ones((3, 5), bool)}
    turned = {**whole, "items": ITEMS[:, ::-1]}
    for options, alike in (
        ({"positions": False}, True),
        ({"positions": False, "transformer": True}, True),
        ({}, False),
    ):
        layer = SelfAttentiveExtractor(2, **options)
        layer.build(ITEMS.shape)
        layer, _ = randomized(layer)
        difference = np.asarray(layer(**whole)) - np.asarray(layer(**turned))
        assert (np.abs(difference).max() < 1e-5) == alike


def test_the_place_of_padding_is_never_read():
    layer = SelfAttentiveExtractor(2, transformer=True)
    layer.build(ITEMS.shape)
    layer, _ = randomized(layer)
    before = np.asarray(layer(**INPUTS))
    table = layer.position_embedding.get_weights()[0]
    table[0] += 9.0
    layer.position_embedding.set_weights([table])
    np.testing.assert_array_equal(layer(**INPUTS), before)
    table[1] += 1.0
    layer.position_embedding.set_weights([table])
    assert np.abs(np.asarray(layer(**INPUTS)) - before).max() > 1e-3


def test_first_values_have_the_standard_deviation_of_the_code():
    layer = SelfAttentiveExtractor(4, 64, 200, transformer=True)
    layer.build((None, None, 64))
    for weight in layer.weights:
        if "norm" not in weight.path and np.prod(weight.shape) > 1000:
            assert np.std(weight) == pytest.approx(0.01, rel=0.1)
    assert np.asarray(layer.hidden_layer.bias).any()


def test_a_history_that_is_too_long():
    message = "at most `max_length` long. Received: length 5, max_length=4"
    with pytest.raises(ValueError, match=message):
        SelfAttentiveExtractor(2, max_length=4)(ITEMS)
    SelfAttentiveExtractor(2, max_length=4, positions=False)(ITEMS)


@pytest.mark.parametrize("name", ["num_interests", "hidden_dim", "max_length"])
def test_sizes_of_the_extractor(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        SelfAttentiveExtractor(**{name: 0})
