import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import DynamicRouting
from tests.reference.numpy_routing import route
from tests.testing import run_layer_test

BATCH, COUNT, LENGTH, DIM = 3, 2, 5, 4
LENGTHS = np.array([5, 3, 1])
MASK = np.arange(LENGTH) < LENGTHS[:, None]

random = np.random.default_rng(2)
SHARED = random.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
OWN = random.normal(size=(BATCH, COUNT, LENGTH, DIM)).astype("float32")
LOGITS = random.normal(size=(BATCH, COUNT, LENGTH)).astype("float32")
ACTIVE = np.array([[True, True], [True, False], [True, True]])


@pytest.mark.parametrize("items", [SHARED, OWN])
@pytest.mark.parametrize("routing_iterations", [1, 3])
def test_layer_contract(items, routing_iterations):
    run_layer_test(
        DynamicRouting,
        {"num_interests": COUNT, "routing_iterations": routing_iterations},
        {"items": items, "valid_mask": MASK, "logits": LOGITS},
        expected_output_shape=(BATCH, COUNT, DIM),
        expected_num_trainable_weights=0,
    )


def test_layer_contract_with_inactive_capsules():
    run_layer_test(
        DynamicRouting,
        {"num_interests": COUNT},
        {"items": SHARED, "valid_mask": MASK, "active_mask": ACTIVE},
        expected_output_shape=(BATCH, COUNT, DIM),
        expected_num_trainable_weights=0,
    )


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
@pytest.mark.parametrize("active", [False, True])
def test_equals_numpy(shared, iterations, active):
    layer = DynamicRouting(COUNT, iterations)
    out = layer(
        SHARED if shared else OWN,
        valid_mask=MASK,
        logits=LOGITS,
        active_mask=ACTIVE if active else None,
    )
    own = np.repeat(SHARED[:, None], COUNT, axis=1) if shared else OWN
    for row, length in enumerate(LENGTHS):
        expected = route(
            own[row, :, :length].transpose(1, 0, 2),
            LOGITS[row, :, :length].T,
            iterations,
            ACTIVE[row].sum() if active else None,
        )
        np.testing.assert_allclose(out[row], expected, rtol=1e-4, atol=1e-6)


def test_one_iteration_by_hand():
    """Without logits each capsule takes 1/K of the items."""
    layer = DynamicRouting(4, routing_iterations=1)
    items = np.array([[[1.0, 0.0], [3.0, 0.0], [9.0, 9.0]]])
    out = layer(items, valid_mask=np.array([[True, True, False]]))
    # The sum is (1, 0), half of which is left by squashing.
    np.testing.assert_allclose(out[0], np.tile([0.5, 0.0], (4, 1)), rtol=1e-6)


def test_capsules_are_told_apart_by_items_or_logits_alone():
    layer = DynamicRouting(COUNT)

    def spread(items, logits=None):
        return np.ptp(layer(items, logits=logits), axis=1).max()

    assert spread(SHARED) == 0
    assert spread(SHARED, LOGITS) > 0.01
    assert spread(OWN) > 0.01


def test_one_row_of_logits_serves_all():
    layer = DynamicRouting(COUNT)
    every = np.tile(LOGITS[0], (BATCH, 1, 1))
    np.testing.assert_allclose(
        layer(SHARED, valid_mask=MASK, logits=LOGITS[0]),
        layer(SHARED, valid_mask=MASK, logits=every),
    )


def test_capsules_are_shorter_than_1():
    out = DynamicRouting(COUNT)(100.0 * OWN, valid_mask=MASK)
    lengths = np.linalg.norm(out, axis=-1)
    assert 0.99 < lengths.max() <= 1.0


def test_inactive_capsules_are_zero_and_take_nothing():
    out = np.asarray(
        DynamicRouting(COUNT)(SHARED, logits=LOGITS, active_mask=ACTIVE)
    )
    np.testing.assert_array_equal(np.any(out != 0, axis=-1), ACTIVE)
    alone = DynamicRouting(1)(SHARED[1:2])
    np.testing.assert_allclose(out[1, :1], alone[0], rtol=1e-5)


def test_gradient_passes_through_the_last_sum_only():
    layer = DynamicRouting(COUNT)
    items, logits = tf.constant(OWN), tf.constant(LOGITS)
    factors = np.random.default_rng(3).normal(size=(BATCH, COUNT, DIM))
    with tf.GradientTape() as tape:
        tape.watch([items, logits])
        out = layer(items, valid_mask=MASK, logits=logits)
        loss = tf.reduce_sum(out * factors)
    by_items, by_logits = tape.gradient(loss, [items, logits])
    assert by_logits is None
    # The couplings of the last iteration, taken as constants.
    step = 1e-3
    for row, length in enumerate(LENGTHS):
        own = OWN[row, :, :length].transpose(1, 0, 2).astype("float64")
        coupling = last_coupling(own, LOGITS[row, :, :length].T)
        for i, k, e in [(0, 0, 1), (length - 1, 1, 2)]:
            high, low = own.copy(), own.copy()
            high[i, k, e] += step
            low[i, k, e] -= step
            slope = (
                value(coupling, high, factors[row])
                - value(coupling, low, factors[row])
            ) / (2 * step)
            np.testing.assert_allclose(
                by_items[row, k, i, e], slope, rtol=1e-3, atol=1e-5
            )


def last_coupling(items, logits):
    """Returns the (n, K) couplings of the third iteration."""
    logits = logits.astype("float64")
    for _ in range(2):
        capsules = route(items, logits, 1)
        logits = logits + np.einsum("ike,ke->ik", items, capsules)
    share = np.exp(logits)
    return share / share.sum(axis=1, keepdims=True)


def value(coupling, items, factors):
    """Returns the loss with couplings that are given."""
    sums = np.einsum("ik,ike->ke", coupling, items)
    square = np.sum(sums**2, axis=-1, keepdims=True)
    return np.sum(factors * sums * np.sqrt(square) / (1 + square))


@pytest.mark.parametrize("name", ["num_interests", "routing_iterations"])
def test_wrong_sizes(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        DynamicRouting(**{"num_interests": 4, name: 0})


@pytest.mark.parametrize("active", [False, True])
def test_last_coupling_equals_numpy(active):
    layer = DynamicRouting(COUNT)
    inputs = {
        "valid_mask": MASK,
        "logits": LOGITS,
        "active_mask": ACTIVE if active else None,
    }
    capsules, coupling = layer(OWN, **inputs, return_coupling=True)
    np.testing.assert_array_equal(capsules, layer(OWN, **inputs))
    for row, length in enumerate(LENGTHS):
        expected = route(
            OWN[row, :, :length].transpose(1, 0, 2),
            LOGITS[row, :, :length].T,
            3,
            ACTIVE[row].sum() if active else None,
            coupling=True,
        )
        np.testing.assert_allclose(
            coupling[row, :, :length], expected, rtol=1e-4
        )
        assert not np.any(coupling[row, :, length:])


def test_symbolic_coupling():
    items = keras.KerasTensor((None, COUNT, None, DIM))
    capsules, coupling = DynamicRouting(COUNT)(items, return_coupling=True)
    assert capsules.shape == (None, COUNT, DIM)
    assert coupling.shape == (None, COUNT, None)


def test_weights_count_besides_the_coupling():
    weights = np.random.default_rng(4).uniform(0, 2, LOGITS.shape)
    layer = DynamicRouting(COUNT)
    capsules, coupling = layer(
        OWN, logits=LOGITS, weights=weights, return_coupling=True
    )
    logits = LOGITS.astype("float64")
    for _ in range(3):
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        share = share * weights
        sums = np.einsum("bkm,bkmd->bkd", share, OWN)
        square = np.sum(sums**2, axis=-1, keepdims=True)
        expected = sums * np.sqrt(square) / (1 + square)
        logits += np.einsum("bkd,bkmd->bkm", expected, OWN)
    np.testing.assert_allclose(capsules, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(coupling, share, rtol=1e-4)


def test_weights_learn_by_the_last_sum():
    weights = tf.ones(LOGITS.shape)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        out, coupling = DynamicRouting(COUNT)(
            OWN, logits=LOGITS, weights=weights, return_coupling=True
        )
        loss = tf.reduce_sum(out[:, 0])
    gradient = tape.gradient(loss, weights)
    assert np.abs(gradient[:, 0]).min() > 0
    assert not np.any(gradient[:, 1])
