import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import LabelAwareAttention
from tests.testing import run_layer_test

random = np.random.default_rng(2)
INTERESTS = random.normal(size=(5, 3, 4)).astype("float32")
POSITIVE = random.normal(size=(5, 4)).astype("float32")


def attend(interests, positive, power):
    """Returns the vectors (B, 1, d) of the equation, row by row."""
    result = []
    for own, vector in zip(interests.astype(float), positive.astype(float)):
        products = [float(one @ vector) for one in own]
        if power is None:
            result.append([own[int(np.argmax(products))]])
            continue
        powers = [np.copysign(abs(a) ** power, a) for a in products]
        weights = np.exp(np.array(powers) - max(powers))
        result.append([weights / weights.sum() @ own])
    return np.array(result)


def gradients(layer, interests, positive):
    """Returns the gradients of a form of the output by both inputs."""
    inputs = [tf.constant(interests), tf.constant(positive)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = layer(*inputs)
        loss = tf.reduce_sum(output * tf.constant([1.0, -2.0, 3.0, 0.5]))
    zero = tf.UnconnectedGradients.ZERO
    return [
        gradient.numpy()
        for gradient in tape.gradient(loss, inputs, unconnected_gradients=zero)
    ]


@pytest.mark.parametrize("power", [None, 2.0])
def test_layer_contract(power):
    run_layer_test(
        LabelAwareAttention,
        {"power": power},
        {"interests": INTERESTS, "positive": POSITIVE},
        expected_output_shape=(5, 1, 4),
        expected_num_trainable_weights=0,
    )


@pytest.mark.parametrize("power", [None, 0.5, 1.0, 2.0, 3.0, 8.0])
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_equals_the_equation(power, scale):
    interests = scale * INTERESTS
    assert (np.einsum("bkd,bd->bk", interests, POSITIVE) < 0).any()
    np.testing.assert_allclose(
        LabelAwareAttention(power)(interests, POSITIVE),
        attend(interests, POSITIVE, power),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_large_power_chooses_as_none_does():
    # Of products above 1, whose powers grow; 100 ** 100 is no float32.
    interests = 100.0 * INTERESTS
    assert np.einsum("bkd,bd->bk", interests, POSITIVE).max(axis=1).min() > 2
    np.testing.assert_array_equal(
        LabelAwareAttention(100.0)(interests, POSITIVE),
        LabelAwareAttention()(interests, POSITIVE),
    )


def test_only_the_nearest_interest_is_trained():
    by_interests, by_positive = gradients(
        LabelAwareAttention(), INTERESTS, POSITIVE
    )
    nearest = np.einsum("bkd,bd->bk", INTERESTS, POSITIVE).argmax(axis=1)
    assert len(set(nearest)) > 1
    expected = np.zeros_like(by_interests)
    expected[np.arange(5), nearest] = [1.0, -2.0, 3.0, 0.5]
    np.testing.assert_array_equal(by_interests, expected)
    assert not by_positive.any()


def test_a_power_trains_all_interests_and_the_choice():
    by_interests, by_positive = gradients(
        LabelAwareAttention(1.0), INTERESTS, POSITIVE
    )
    assert np.abs(by_interests).min() > 0
    assert np.abs(by_positive).max(axis=1).min() > 1e-3
    step = 1e-3 * random.normal(size=POSITIVE.shape)
    factors = [1.0, -2.0, 3.0, 0.5]
    change = [
        (attend(INTERESTS, POSITIVE + sign * step, 1.0)[:, 0] @ factors).sum()
        for sign in (-1, 1)
    ]
    np.testing.assert_allclose(
        (by_positive * step).sum(), (change[1] - change[0]) / 2, rtol=1e-2
    )


@pytest.mark.parametrize("power", [None, 0.5, 1.0, 2.0, 100.0])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e3])
def test_equal_interests_are_finite(power, size):
    """Copies of one interest, and the zeros of an empty history."""
    interests = np.full((2, 3, 4), size, "float32")
    layer = LabelAwareAttention(power)
    np.testing.assert_allclose(
        layer(interests, POSITIVE[:2]), interests[:, :1], rtol=1e-6
    )
    for gradient in gradients(layer, interests, POSITIVE[:2]):
        assert np.all(np.isfinite(gradient))
        assert np.abs(gradient).max() < 10


def test_a_single_interest_is_itself():
    for power in (None, 2.0):
        np.testing.assert_allclose(
            LabelAwareAttention(power)(INTERESTS[:, :1], POSITIVE),
            INTERESTS[:, :1],
        )


@pytest.mark.parametrize("power", [0.0, -1.0, float("inf")])
def test_wrong_power(power):
    with pytest.raises(ValueError, match="`power` must be between 0.001"):
        LabelAwareAttention(power)
