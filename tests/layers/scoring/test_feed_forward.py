"""The feed-forward head against NumPy."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import FeedForward
from tests.reference.numpy_blocks import feed_forward
from tests.reference.numpy_blocks import named_weights
from tests.reference.numpy_blocks import sigmoid
from tests.testing import check_config

RANDOM = np.random.default_rng(0)
USERS = RANDOM.normal(size=(2, 1, 4)).astype("float32")
ITEMS = RANDOM.normal(size=(2, 5, 3)).astype("float32")
JOINED = np.concatenate([np.tile(USERS, (1, 5, 1)), ITEMS], axis=-1)


def randomized(layer, scale=0.5):
    """Gives every weight a random value; variances are positive."""
    random = np.random.default_rng(1)
    for weight in layer.weights:
        value = random.normal(scale=scale, size=weight.shape)
        if "variance" in weight.path:
            value = 0.5 + np.abs(value)
        weight.assign(value)
    return layer


def made(**options):
    layer = FeedForward(**{"hidden_dims": (6, 5), **options})
    layer.build([(None, 1, 4), (None, None, 3)])
    return randomized(layer)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_normalization": False, "activation": "sigmoid"},
        {"hidden_dims": (6,)},
        {"hidden_dims": (6, 5, 4)},
    ],
)
def test_equals_numpy(options):
    layer = made(**options)
    activation = sigmoid if "activation" in options else None
    kwargs = {"activation": activation} if activation else {}
    weights = named_weights(layer)
    expected = [
        [feed_forward(weights, x, **kwargs) for x in row] for row in JOINED
    ]
    output = np.asarray(layer([USERS, ITEMS]))
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(output) > 1e-4


def test_parts_equal_their_concatenation():
    layer = made()
    np.testing.assert_allclose(
        layer([USERS, ITEMS]), layer([JOINED]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("hidden_dims", "inputs", "expected"),
    [((100, 64), 32, 100 * 32 + 6957), ((80, 40), 64, 80 * 64 + 3601)],
)
def test_parameter_count(hidden_dims, inputs, expected):
    layer = FeedForward(hidden_dims)
    layer.build([(None, inputs)])
    assert (
        sum(w.value.shape.num_elements() for w in layer.trainable_weights)
        == expected
    )
    assert sum(
        w.value.shape.num_elements() for w in layer.non_trainable_weights
    ) == 2 * sum(hidden_dims)


def test_invalid_positions_stay_out_of_the_statistics():
    mask = np.array([[True, True, False, True, False]] * 2)
    changed = np.where(mask[..., None], ITEMS, 50.0)
    means = []
    for items in (ITEMS, changed):
        layer = made()
        layer([USERS, items], valid_mask=mask, training=True)
        means.append(named_weights(layer)["normalization_0/moving_mean"])
    np.testing.assert_allclose(means[0], means[1], rtol=1e-5)
    layer = made()
    layer([USERS, changed], training=True)
    unmasked = named_weights(layer)["normalization_0/moving_mean"]
    assert np.abs(unmasked - means[0]).max() > 0.1


def test_every_weight_has_a_gradient():
    layer = made()
    factors = np.random.default_rng(2).normal(size=(2, 5)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer([USERS, ITEMS], training=True) * factors)
    weights = layer.trainable_weights
    for weight, gradient in zip(
        weights, tape.gradient(loss, [w.value for w in weights])
    ):
        size = np.abs(gradient).max()
        # Normalisation takes away what the bias before it adds.
        inert = weight.path.endswith(("/bias", "hidden_1/bias"))
        inert = inert and "output" not in weight.path
        assert (size < 1e-4) == inert, weight.path


def test_float16_gives_float32_logits():
    layer = FeedForward(dtype="mixed_float16")
    output = layer([USERS, ITEMS])
    assert output.dtype == "float32"
    assert all(w.dtype == "float32" for w in layer.trainable_weights)
    assert layer.hidden_layers[0].dtype_policy.name == "mixed_float16"


def test_config_and_symbolic_shape():
    layer = check_config(
        FeedForward, {"hidden_dims": (6, 5), "activation": "sigmoid"}
    )
    json.dumps(layer.get_config())
    output = layer(
        [keras.KerasTensor((None, 1, 4)), keras.KerasTensor((None, None, 3))]
    )
    assert output.shape == (None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_dims": ()}, "at least one width"),
        ({"hidden_dims": (4, 0)}, "`hidden_dims` must be at least 1"),
        ({"dropout": 2.0}, "`dropout` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        FeedForward(**options)
