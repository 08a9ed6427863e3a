import keras
import numpy as np
import pytest
from keras import ops

from mgnm_tf.layers import InterestScale
from mgnm_tf.layers import ItemEmbedding
from tests.testing import run_layer_test

VECTORS = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("temperature", [None, 0.1])
def test_layer_contract(temperature, use_bias):
    run_layer_test(
        InterestScale,
        {"temperature": temperature, "use_bias": use_bias},
        {"interests": VECTORS},
        expected_output_shape=(2, 3, 4),
        expected_num_trainable_weights=int(use_bias),
    )


@pytest.mark.parametrize("temperature", [None, 0.1])
def test_the_bias_comes_before_the_length(temperature):
    layer = InterestScale(temperature, use_bias=True)
    layer.build(VECTORS.shape)
    np.testing.assert_array_equal(layer.bias, np.zeros(4))
    layer.bias.assign([1.0, -2.0, 0.5, 3.0])
    expected = VECTORS + np.array([1.0, -2.0, 0.5, 3.0])
    if temperature is not None:
        expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
        expected /= temperature
    np.testing.assert_allclose(layer(VECTORS), expected, rtol=1e-5)


def test_products_with_unit_items_are_cosines_over_temperature():
    items = ItemEmbedding(5, 4, embeddings_initializer="normal", unit_norm=True)
    scaled = np.asarray(InterestScale(0.2)(VECTORS))
    products = scaled[0] @ np.asarray(items.vectors()).T
    table = np.asarray(items.embeddings)[1:]
    cosines = (VECTORS[0] @ table.T) / np.outer(
        np.linalg.norm(VECTORS[0], axis=1), np.linalg.norm(table, axis=1)
    )
    np.testing.assert_allclose(products[:, 1:], cosines / 0.2, atol=1e-5)
    np.testing.assert_array_equal(products[:, 0], 0)


def test_a_zero_vector_stays_zero_with_a_finite_gradient():
    layer = InterestScale(0.1)
    vector = keras.Variable(np.zeros((1, 4)))
    if keras.backend.backend() != "tensorflow":
        pytest.skip("The gradient is taken with TensorFlow.")
    import tensorflow as tf

    with tf.GradientTape() as tape:
        out = layer(vector)
        total = ops.sum(out)
    gradient = tape.gradient(total, vector.value)
    np.testing.assert_array_equal(np.asarray(out), 0)
    assert np.isfinite(np.asarray(gradient)).all()


def test_a_temperature_out_of_range_is_refused():
    with pytest.raises(ValueError, match="temperature"):
        InterestScale(0.0)
