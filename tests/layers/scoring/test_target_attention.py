"""Target attention against NumPy."""

import keras
import numpy as np

from mgnm_tf.layers import TargetAttention
from tests.layers.scoring.test_feed_forward import randomized
from tests.reference.numpy_blocks import named_weights
from tests.reference.numpy_blocks import target_attention
from tests.testing import check_config

RANDOM = np.random.default_rng(0)
KEYS = RANDOM.normal(size=(3, 6, 4)).astype("float32")
QUERIES = RANDOM.normal(size=(3, 5, 2)).astype("float32")
LENGTHS = (6, 2, 0)
MASK = np.arange(6) < np.array(LENGTHS)[:, None]


def made():
    layer = TargetAttention((5, 3))
    layer.build((None, 1, None, 4), (None, None, 1, 2))
    return randomized(layer)


def test_equals_numpy_for_every_candidate():
    layer = made()
    weights = named_weights(layer)
    output = layer(KEYS[:, None], QUERIES[:, :, None], MASK[:, None])
    assert output.shape == (3, 5, 6)
    for row, length in enumerate(LENGTHS):
        for column in range(5):
            expected = np.zeros(6)
            expected[:length] = target_attention(
                weights, KEYS[row, :length], QUERIES[row, column]
            )
            np.testing.assert_allclose(
                output[row, column], expected, rtol=1e-4, atol=1e-6
            )


def test_equals_numpy_with_a_query_for_each_key():
    layer = made()
    queries = RANDOM.normal(size=(3, 6, 2)).astype("float32")
    output = layer(KEYS, queries, MASK)
    expected = target_attention(named_weights(layer), KEYS[0], queries[0])
    np.testing.assert_allclose(output[0], expected, rtol=1e-4, atol=1e-6)


def test_without_a_mask_all_keys_count():
    layer = made()
    np.testing.assert_allclose(
        layer(KEYS[:1], QUERIES[:1, :1]),
        layer(KEYS[:1], QUERIES[:1, :1], MASK[:1]),
        rtol=1e-5,
    )


def test_padding_stays_out_of_the_statistics():
    changed = np.where(MASK[..., None], KEYS, 50.0)
    means = []
    for keys in (KEYS, changed):
        layer = made()
        layer(keys[:, None], QUERIES[:, :, None], MASK[:, None], training=True)
        weights = named_weights(layer)
        means.append(weights["network/normalization_0/moving_mean"])
    np.testing.assert_allclose(means[0], means[1], rtol=1e-5)


def test_parameter_count():
    layer = TargetAttention()
    layer.build((None, 16), (None, 16))
    count = sum(np.prod(w.shape) for w in layer.trainable_weights)
    assert count == 16 * 16 + 80 * 64 + 3601


def test_config_shapes_and_precision():
    layer = check_config(TargetAttention, {"hidden_dims": (5, 3)})
    output = layer(
        keras.KerasTensor((None, 1, None, 4)),
        keras.KerasTensor((None, None, 1, 2)),
    )
    assert output.shape == (None, None, None)
    half = TargetAttention((5, 3), dtype="mixed_float16")
    output = half(KEYS[:, None], QUERIES[:, :, None], MASK[:, None])
    assert output.dtype == "float16"
    assert np.all(np.isfinite(output))
