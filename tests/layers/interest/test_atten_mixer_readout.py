import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import AttenMixerReadout
from tests.reference import numpy_atten_mixer as oracle
from tests.reference.numpy_blocks import named_weights
from tests.testing import run_layer_test

rng = np.random.default_rng(11)
LENGTHS = (5, 2, 0, 1)
MASK = np.arange(5)[None] < np.array(LENGTHS)[:, None]
STATES = rng.normal(size=(4, 5, 8))
STATES = STATES / np.linalg.norm(STATES, axis=-1, keepdims=True)
STATES = STATES.astype("float32")
SMALL = {"num_levels": 3, "num_heads": 4}
RELEASED = {
    "query": "concat",
    "head_split": "released",
    "mask_first_softmax": False,
}


def made(dim=8, **options):
    layer = AttenMixerReadout(**{**SMALL, **options})
    layer.build((None, None, dim))
    draws = np.random.default_rng(3)
    for weight in layer.trainable_weights:
        weight.assign(draws.normal(size=weight.shape))
    return layer


def read(layer, states=STATES, mask=MASK, **options):
    return np.asarray(layer(states, valid_mask=mask, **options))


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, 16),
        ({"query": "concat", "query_normalization": "feature"}, 16),
        ({"query_items": "all", "query_normalization": None}, 16),
        ({"layer_norm": False, "num_levels": 1}, 10),
    ],
)
def test_layer_contract(options, weights):
    options = {**SMALL, "query_normalization": "feature", **options}
    run_layer_test(
        AttenMixerReadout,
        options,
        {"states": STATES, "valid_mask": MASK},
        expected_output_shape=(4, 8),
        expected_num_trainable_weights=weights,
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_levels": 7, "num_heads": 8, "pooling_power": 2.5},
        {"query": "concat"},
        {"query_normalization": "feature"},
        {"query_normalization": None},
        {"head_split": "released"},
        {"mask_first_softmax": False},
        {"layer_norm": False},
        {"num_heads": 1},
        RELEASED,
    ],
)
def test_equals_numpy(options):
    layer = made(**options)
    weights = named_weights(layer)
    found = read(layer)
    settings = {**SMALL, **options}
    for row, length in enumerate(LENGTHS):
        if not length:
            continue
        expected = oracle.readout(
            weights,
            STATES[row, :length].astype("float64"),
            padding=5 - length,
            levels=settings["num_levels"],
            heads=settings["num_heads"],
            power=settings.get("pooling_power", 4.0),
            query=settings.get("query", "sum"),
            normalization=settings.get("query_normalization", "level"),
            split=settings.get("head_split", "heads"),
            mask_first=settings.get("mask_first_softmax", True),
            layer_norm=settings.get("layer_norm", True),
        )
        np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-4)


def test_asking_with_the_whole_session():
    layer = made(query_items="all", query_normalization=None)
    weights = named_weights(layer)
    found = np.asarray(layer.queries(STATES, MASK))
    for row, length in enumerate(LENGTHS):
        total = STATES[row, :length].sum(axis=0)
        for level in range(3):
            expected = oracle.linear(weights, f"level_{level + 1}", total)
            np.testing.assert_allclose(
                found[row, level], expected, rtol=1e-4, atol=1e-5
            )
    # Nothing but the item beside a tells which one came last.
    turned = STATES[:1, ::-1]
    np.testing.assert_allclose(
        layer.queries(turned, MASK[:1]), found[:1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("query", ["sum", "concat"])
def test_parameter_count(query, layer_norm):
    layer = AttenMixerReadout(query=query, layer_norm=layer_norm)
    layer.build((None, None, 256))
    dim, levels = 256, 7
    of_queries = levels * (dim**2 + dim)
    if query == "concat":
        of_queries = dim**2 * levels * (levels + 1) // 2 + levels * dim
    expected = of_queries + 3 * (dim**2 + dim) + 2 * dim**2 + dim
    expected += 2 * dim * layer_norm
    assert layer.count_params() == expected
    if query == "concat" and layer_norm:
        assert expected == 2_166_016


def test_one_head_cannot_be_scrambled():
    options = {"num_heads": 1}
    np.testing.assert_allclose(
        read(made(**options)),
        read(made(**options, head_split="released")),
        rtol=1e-6,
        atol=1e-6,
    )


def test_eight_heads_can():
    options = {"num_heads": 8}
    ours = read(made(**options))
    released = read(made(**options, head_split="released"))
    assert np.abs(ours - released)[:2].max() > 1e-3


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, True),
        ({"query": "concat"}, True),
        ({"mask_first_softmax": False}, False),
        ({"head_split": "released"}, False),
    ],
)
def test_more_padding(options, same):
    layer = made(**options)
    longer = np.concatenate([STATES, np.ones((4, 3, 8), "float32")], axis=1)
    mask = np.pad(MASK, [(0, 0), (0, 3)])
    difference = np.abs(read(layer, longer, mask) - read(layer))
    assert (difference[2] < 1e-5).all(), "an empty session reads nothing"
    difference = np.delete(difference, 2, axis=0).max()
    assert difference < 1e-4 if same else difference > 1e-3


@pytest.mark.parametrize("query", ["sum", "concat"])
def test_the_order_of_the_last_items(query):
    layer = made(query=query, query_normalization=None, num_levels=5)
    turned = STATES[:1, [0, 1, 4, 3, 2]]
    ours = np.asarray(layer.queries(STATES[:1], MASK[:1]))[0]
    other = np.asarray(layer.queries(turned, MASK[:1]))[0]
    difference = np.abs(ours - other).max(axis=-1)
    assert difference[0] > 1e-2
    # Levels 3, 4 and 5 see all three of them.
    if query == "sum":
        assert difference[2:].max() < 1e-5
    else:
        assert difference[2:].min() > 1e-2


def test_only_the_last_items_ask():
    layer = made(query_normalization=None)
    changed = STATES.copy()
    changed[0, 1] = 7.0  # The fourth from the end, of three levels.
    ours = np.asarray(layer.queries(STATES, MASK))
    np.testing.assert_array_equal(ours, layer.queries(changed, MASK))
    changed[0, 2] = 7.0
    other = np.asarray(layer.queries(changed, MASK))
    assert (ours[0, :2] == other[0, :2]).all()
    assert np.abs(ours[0, 2] - other[0, 2]).max() > 1e-2


@pytest.mark.parametrize(("power", "name"), [(1.0, "sum"), (64.0, "max")])
def test_pooling_between_the_sum_and_the_highest(power, name):
    layer = made(pooling_power=power, num_levels=7)
    maps = rng.uniform(1e-3, 1.0, size=(2, 4, 7, 5)).astype("float32")
    mask = np.ones((2, 1, 5), bool)
    pooled = np.asarray(layer._pool(maps, mask))
    if name == "sum":
        np.testing.assert_allclose(pooled, maps.sum(axis=2), rtol=1e-5)
    else:
        highest = maps.max(axis=2)
        assert (pooled >= highest * 0.999).all()
        assert (pooled <= highest * 1.04).all()


def test_pooling_of_small_weights():
    maps = np.full((1, 1, 7, 3), 1e-3, "float32")
    layer = made(pooling_power=64.0)
    pooled = layer._pool(maps, np.ones((1, 1, 3), bool))
    np.testing.assert_allclose(pooled, 1e-3 * 7 ** (1 / 64), rtol=1e-4)


def test_gradient_of_pooling():
    layer = made(pooling_power=4.0)
    maps = tf.constant(rng.uniform(0.1, 1.0, size=(1, 1, 3, 4)))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        pooled = layer._pool(maps, np.ones((1, 1, 4), bool))
    ours = np.asarray(tape.gradient(pooled, maps))
    x = np.asarray(maps)
    total = np.sum(x**4, axis=2, keepdims=True)
    np.testing.assert_allclose(ours, x**3 * total ** (-3 / 4), rtol=1e-4)


def test_weights_differ_by_less_than_the_bound():
    """With padding in the first softmax the attention is nearly flat."""
    size, levels, power = 20, 7, 4.0
    layer = AttenMixerReadout(levels, 2, power, mask_first_softmax=False)
    layer.build((None, None, 8))
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(scale=30.0, size=weight.shape))
    states = rng.normal(size=(16, size, 8)).astype("float32")
    mask = np.ones((16, size), bool)
    weights = np.asarray(
        layer.attention(layer.queries(states, mask), states, mask)
    )
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-5)
    ratio = (weights.max(-1) / weights.min(-1)).max()
    e2 = np.exp(2)
    spread = e2 / (e2 + size - 1) - 1 / (1 + (size - 1) * e2)
    bound = np.exp(2 * levels ** (1 / power) * spread)
    np.testing.assert_allclose(bound, 2.43, atol=0.01)
    assert 1.3 < ratio <= bound


def test_dropout_acts_in_training_only():
    layer = made(dropout=0.5)
    quiet = read(layer)
    keras.utils.set_random_seed(3)
    assert np.abs(read(layer, training=True) - quiet)[0].max() > 1e-3
    np.testing.assert_array_equal(read(layer), quiet)
    silent = made(dropout=0.0)
    np.testing.assert_array_equal(read(silent, training=True), quiet)


def test_initial_values():
    layer = AttenMixerReadout()
    layer.build((None, None, 64))
    for weight in layer.trainable_weights:
        if "norm" not in weight.path:
            assert 0.1 < np.abs(np.asarray(weight)).max() <= 0.125


def test_one_level_normalized_over_levels_leaves_signs():
    found = np.asarray(made(num_levels=1).queries(STATES, MASK))
    np.testing.assert_allclose(np.abs(found), 1.0, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_levels": 0}, "`num_levels` must be at least 1"),
        ({"num_heads": 0}, "`num_heads` must be at least 1"),
        ({"pooling_power": 0.5}, "`pooling_power` must be between 1"),
        ({"query": "mean"}, "Unknown query 'mean'"),
        ({"query_items": "last"}, "Unknown query_items 'last'"),
        ({"query_normalization": "head"}, "Unknown query_normalization"),
        ({"head_split": "proper"}, "Unknown head_split 'proper'"),
        ({"dropout": 2.0}, "`dropout` must be between 0"),
        (
            {"query": "concat", "query_items": "all"},
            "`query_items='all'` needs `query='sum'`",
        ),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        AttenMixerReadout(**options)


def test_heads_that_do_not_fit():
    with pytest.raises(ValueError, match="`num_heads` must divide the width"):
        AttenMixerReadout(num_heads=3).build((None, None, 8))
