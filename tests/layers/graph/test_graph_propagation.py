import numpy as np
import pytest

from mgnm_tf.layers import GraphPropagation
from tests.reference import numpy_mgnm as oracle
from tests.testing import run_layer_test

rng = np.random.default_rng(1)
LENGTHS = (4, 2, 1)
MASK = np.arange(4)[None] < np.array(LENGTHS)[:, None]
ITEMS = rng.normal(size=(3, 4, 5)).astype("float32") * MASK[..., None]
ADJACENCY = rng.uniform(0.1, 1.0, size=(3, 4, 4))
ADJACENCY = (ADJACENCY + ADJACENCY.transpose(0, 2, 1)).astype("float32")
ADJACENCY *= MASK[:, None, :] * MASK[:, :, None]
NORMALIZATIONS = ["symmetric", "renormalized", "none"]


@pytest.mark.parametrize(
    "options, weights",
    [({"num_layers": 2}, 1), ({"num_layers": 3, "use_bias": True}, 2)],
    ids=["two_layers", "bias"],
)
def test_layer_contract(options, weights):
    run_layer_test(
        GraphPropagation,
        options,
        {"items": ITEMS, "adjacency": ADJACENCY, "valid_mask": MASK},
        expected_output_shape=(3, options["num_layers"] + 1, 4, 5),
        expected_num_trainable_weights=weights,
        time_axes=(2,),
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("use_bias", [False, True])
def test_equals_equations_2_to_4(normalization, use_bias):
    layer = GraphPropagation(3, normalization=normalization, use_bias=use_bias)
    layer.build(ITEMS.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    out = np.asarray(layer(ITEMS, ADJACENCY, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        expected = oracle.levels(
            ITEMS[row, :n],
            ADJACENCY[row, :n, :n],
            np.asarray(layer.kernel),
            3,
            normalization,
            np.asarray(layer.bias) if use_bias else 0.0,
        )
        np.testing.assert_allclose(
            out[row][:, :n], np.array(expected), rtol=2e-5, atol=2e-5
        )
        assert not out[row][:, n:].any()


def test_one_item_by_hand():
    layer = GraphPropagation(1, kernel_initializer="identity")
    items = np.array([[[1.0, -1.0]]], "float32")
    adjacency = np.array([[[0.5]]], "float32")
    out = np.asarray(layer(items, adjacency))
    # P = 1 + 0.5 / 0.5 = 2; the LeakyReLU keeps a fifth of what is negative.
    np.testing.assert_allclose(out[0, 1], [[2.0, -0.4]], atol=1e-6)


def test_without_weights_the_levels_only_spread():
    layer = GraphPropagation(2, use_weights=False)
    out = np.asarray(layer(ITEMS, ADJACENCY, valid_mask=MASK))
    assert not layer.weights
    for row, n in enumerate(LENGTHS):
        scale = ADJACENCY[row, :n, :n].sum(axis=1) ** -0.5
        spread = np.eye(n) + np.outer(scale, scale) * ADJACENCY[row, :n, :n]
        level = ITEMS[row, :n]
        for number in (1, 2):
            level = spread @ level
            np.testing.assert_allclose(out[row, number, :n], level, atol=1e-4)


def test_a_bias_without_weights_is_refused():
    with pytest.raises(ValueError, match="without weights has no bias"):
        GraphPropagation(2, use_weights=False, use_bias=True)


def test_no_layers_returns_the_items():
    out = np.asarray(GraphPropagation(0)(ITEMS, ADJACENCY, valid_mask=MASK))
    np.testing.assert_array_equal(out[:, 0], ITEMS)
    assert out.shape[1] == 1


def test_unknown_normalization():
    with pytest.raises(ValueError, match="Did you mean 'symmetric'"):
        GraphPropagation(1, normalization="symetric")
    with pytest.raises(ValueError, match="`num_layers` must be at least 0"):
        GraphPropagation(-1)
