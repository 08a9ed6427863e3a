import keras
import numpy as np
import pytest

from baselines.sasrec.causal_transformer import CausalTransformer
from tests.baselines.sasrec.transformer_inputs import ITEMS
from tests.baselines.sasrec.transformer_inputs import LENGTHS
from tests.baselines.sasrec.transformer_inputs import MASK
from tests.baselines.sasrec.transformer_inputs import NORMALIZATIONS
from tests.baselines.sasrec.transformer_inputs import randomized
from tests.reference.numpy_transformer import causal_transformer
from tests.testing import run_layer_test


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_layer_contract(normalization, return_sequences):
    run_layer_test(
        CausalTransformer,
        {
            "num_heads": 2,
            "normalization": normalization,
            "return_sequences": return_sequences,
        },
        {"items": ITEMS, "valid_mask": MASK},
        expected_output_shape=(3, 5, 4) if return_sequences else (3, 4),
        expected_num_trainable_weights=12,
        time_axes=(1,) if return_sequences else (),
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("num_heads", [1, 2])
def test_equals_numpy(normalization, num_heads):
    options = {"num_heads": num_heads, "normalization": normalization}
    layer, weights = randomized(CausalTransformer, **options)
    output = np.asarray(layer(ITEMS, valid_mask=MASK))
    last, _ = randomized(CausalTransformer, **options, return_sequences=False)
    newest = np.asarray(last(ITEMS, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        expected = causal_transformer(
            ITEMS[row, :n], weights, num_heads, normalization
        )
        np.testing.assert_allclose(
            output[row, :n], expected, rtol=1e-4, atol=1e-5
        )
        assert not output[row, n:].any()
        np.testing.assert_allclose(
            newest[row], expected[-1], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_sees_the_past_alone(normalization):
    layer, _ = randomized(CausalTransformer, normalization=normalization)
    changed = ITEMS[:1].copy()
    changed[0, 2, 0] += 1.0
    before, after = np.asarray(layer(ITEMS[:1])), np.asarray(layer(changed))
    np.testing.assert_allclose(after[0, :2], before[0, :2], rtol=1e-5)
    assert np.all(np.abs(after - before)[0, 2:].max(axis=-1) > 1e-4)


def test_row_without_items_is_zero():
    layer, _ = randomized(CausalTransformer, return_sequences=False)
    output = np.asarray(layer(ITEMS, valid_mask=MASK & [[True], [False], [1]]))
    assert not output[1].any()
    assert output[[0, 2]].any(axis=1).all()


def test_parameter_count():
    layer, _ = randomized(CausalTransformer)
    assert layer.count_params() == 5 * (4 * 4 + 4) + 4 * 4


def test_dropout_acts_in_training_only():
    layer, _ = randomized(CausalTransformer, dropout=0.5)
    quiet = np.asarray(layer(ITEMS))
    keras.utils.set_random_seed(3)
    noisy = np.asarray(layer(ITEMS, training=True))
    assert not np.allclose(quiet, noisy)
    np.testing.assert_array_equal(quiet, np.asarray(layer(ITEMS)))


def test_all_kernels_start_at_one_scale():
    layer = CausalTransformer()
    layer.build((None, None, 64))
    for dense in (layer.query, layer.key_value, layer.hidden):
        highest = np.abs(np.asarray(dense.kernel)).max()
        np.testing.assert_allclose(highest, np.sqrt(3 / 64), rtol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 0}, "`num_heads` must be at least 1"),
        ({"num_heads": 3}, "width of the items must be divisible by"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"normalization": "befor"}, "Did you mean 'before'"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        CausalTransformer(**options).build(ITEMS.shape)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_what_the_normalisation_adds_to_the_variance(normalization):
    """Only vectors whose numbers hardly differ show it."""
    layer, weights = randomized(CausalTransformer, normalization=normalization)
    weights["key_value/bias"] *= 0.0
    layer.key_value.bias.assign(weights["key_value/bias"])
    items = 1e-3 * ITEMS[:1]
    expected = causal_transformer(items[0], weights, 1, normalization)
    found = np.asarray(layer(items))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
