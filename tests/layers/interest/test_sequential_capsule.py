import keras
import numpy as np
import pytest

from mgnm_tf.layers import SequentialCapsule
from tests.reference import numpy_mgnm as oracle
from tests.testing import run_layer_test

rng = np.random.default_rng(6)
LENGTHS = (4, 2, 1)
MASK = np.arange(4)[None] < np.array(LENGTHS)[:, None]
ITEMS = rng.normal(size=(3, 4, 6)).astype("float32") * MASK[..., None]


def randomized(layer, scale=1.0):
    layer.build(ITEMS.shape)
    for weight in layer.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize(
    "options, weights",
    [
        ({}, 9),
        (
            {
                "encoder_input": "joint",
                "encoded_iterations": "second",
                "routing_softmax": "interests",
                "routing_gradient": "last",
                "projection": "position",
                "activation": None,
            },
            8,
        ),
    ],
    ids=["paper", "released"],
)
def test_layer_contract(options, weights):
    run_layer_test(
        SequentialCapsule,
        {"num_interests": 3, "max_length": 8, **options},
        {"items": ITEMS, "valid_mask": MASK},
        expected_output_shape=(3, 3, 6),
        expected_num_trainable_weights=weights,
        expected_num_seed_generators=1,
        time_axes=(),
    )


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize("kind", ["bilstm", None])
def test_equals_equations_5_to_11(kind, iterations):
    layer = randomized(
        SequentialCapsule(
            2, sequence_encoder=kind, routing_iterations=iterations
        )
    )
    encode = None
    if kind:
        w = [np.asarray(weight.value) for weight in layer.encoder.weights]

        def encode(z):
            return oracle.bilstm(z, w[0:3], w[3:6], w[6])

    out = np.asarray(layer(ITEMS, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        for k in range(2):
            expected = oracle.capsule(
                ITEMS[row, :n],
                np.asarray(layer.kernel)[0, k],
                np.asarray(layer.output_kernel)[0, k],
                encode,
                iterations,
            )
            np.testing.assert_allclose(out[row, k], expected, atol=2e-5)


def test_softmax_over_interests_by_hand():
    layer = SequentialCapsule(
        2,
        routing_iterations=1,
        sequence_encoder=None,
        routing_softmax="interests",
        projection_initializer="identity",
        squash=False,
        activation=None,
    )
    out = np.asarray(layer(ITEMS, valid_mask=MASK))
    # Logits are 0, so each of the two capsules gets half of every item.
    half = ITEMS.sum(axis=1) / 2
    np.testing.assert_allclose(out[:, 0], half, atol=1e-6)
    np.testing.assert_allclose(out[:, 1], half, atol=1e-6)


def test_position_projection_uses_the_weights_of_the_position():
    layer = SequentialCapsule(
        1,
        routing_iterations=1,
        sequence_encoder=None,
        projection="position",
        squash=False,
        activation=None,
        max_length=4,
    )
    layer.build(ITEMS.shape)
    kernel = np.asarray(layer.kernel)  # (4, 1, d, d)
    out = np.asarray(layer(ITEMS, valid_mask=MASK))
    expected = np.einsum("bmd,mde->be", ITEMS, kernel[:, 0])
    np.testing.assert_allclose(
        out[:, 0] * np.array(LENGTHS)[:, None], expected, atol=1e-5
    )


def test_encoded_items_serve_one_iteration_or_all_that_remain():
    outputs = []
    for choice in ("remaining", "second"):
        keras.utils.set_random_seed(7)
        layer = SequentialCapsule(2, encoded_iterations=choice)
        outputs.append(np.asarray(layer(ITEMS, valid_mask=MASK)))
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-4


def test_noise_only_in_training():
    layer = SequentialCapsule(2, seed=3)
    first = np.asarray(layer(ITEMS, valid_mask=MASK))
    drawn = np.asarray(layer(ITEMS, valid_mask=MASK, training=True))
    again = np.asarray(layer(ITEMS, valid_mask=MASK))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - drawn)[0].max() > 1e-5
    quiet = SequentialCapsule(2, routing_noise=0.0)
    quiet(ITEMS)
    np.testing.assert_array_equal(
        np.asarray(quiet(ITEMS, training=True)), np.asarray(quiet(ITEMS))
    )


def test_same_seed_same_noise():
    outputs = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        layer = SequentialCapsule(2, seed=3)
        outputs.append(np.asarray(layer(ITEMS, training=True)))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("gradient, stopped", [("all", False), ("last", True)])
def test_gradient_through_the_routing(gradient, stopped):
    # With one item, routing changes nothing; with several, "last" drops the
    # path through the agreement. Compare with frozen couplings.
    tf = pytest.importorskip("tensorflow")
    options = {
        "sequence_encoder": None,
        "activation": None,
        "routing_gradient": gradient,
    }
    layer = randomized(SequentialCapsule(2, **options), scale=0.7)
    items = tf.Variable(ITEMS[:1])
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(items) ** 2)
    got = tape.gradient(value, items).numpy()
    twin = SequentialCapsule(2, **{**options, "routing_gradient": "all"})
    twin.build(ITEMS.shape)
    twin.set_weights(layer.get_weights())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(twin(items) ** 2)
    full = tape.gradient(value, items).numpy()
    assert (np.abs(got - full).max() > 1e-4) == stopped


def test_errors():
    with pytest.raises(ValueError, match="Did you mean 'items'"):
        SequentialCapsule(2, routing_softmax="item")
    with pytest.raises(ValueError, match="`num_interests` must be at least 1"):
        SequentialCapsule(0)
    with pytest.raises(TypeError, match="`num_interests` must be an integer"):
        SequentialCapsule(True)
    layer = SequentialCapsule(2, projection="position", max_length=3)
    with pytest.raises(ValueError, match="length 4, max_length=3"):
        layer(ITEMS)


@pytest.mark.parametrize("iterations", [1, 3])
def test_last_coupling_is_that_of_equation_6(iterations):
    layer = randomized(
        SequentialCapsule(2, routing_iterations=iterations), scale=0.5
    )
    w = [np.asarray(weight.value) for weight in layer.encoder.weights]
    interests, coupling = layer(ITEMS, valid_mask=MASK, return_coupling=True)
    np.testing.assert_array_equal(interests, layer(ITEMS, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        for k in range(2):
            expected = oracle.capsule(
                ITEMS[row, :n],
                np.asarray(layer.kernel)[0, k],
                np.asarray(layer.output_kernel)[0, k],
                lambda z: oracle.bilstm(z, w[0:3], w[3:6], w[6]),
                iterations,
                coupling=True,
            )
            np.testing.assert_allclose(
                coupling[row, k, :n], expected, rtol=1e-4, atol=1e-6
            )
    assert not np.any(np.asarray(coupling)[~np.repeat(MASK[:, None], 2, 1)])


def test_symbolic_coupling():
    items = keras.KerasTensor((None, None, 6))
    interests, coupling = SequentialCapsule(3)(items, return_coupling=True)
    assert interests.shape == (None, 3, 6)
    assert coupling.shape == (None, 3, None)
    assert coupling.dtype == "float32"


def test_the_prior_is_the_coupling_of_the_first_iteration():
    layer = SequentialCapsule(
        2,
        routing_iterations=1,
        sequence_encoder=None,
        routing_prior="recency",
        projection_initializer="identity",
        squash=False,
        activation=None,
        max_length=4,
    )
    layer.build(ITEMS.shape)
    learned = rng.normal(size=(4, 2))
    layer.prior.logits.assign(learned)
    out = np.asarray(layer(ITEMS, valid_mask=MASK))
    for row, n in enumerate(LENGTHS):
        weights = np.exp(learned[:n][::-1])
        weights /= weights.sum(axis=0)
        expected = weights.T @ ITEMS[row, :n]
        np.testing.assert_allclose(out[row], expected, atol=1e-6)


def test_an_encoder_that_begins_at_zero_changes_nothing():
    outputs = []
    for options in (
        {"encoder_initializer": "zeros"},
        {"sequence_encoder": None},
    ):
        layer = SequentialCapsule(
            2, projection_initializer="identity", activation=None, **options
        )
        outputs.append(np.asarray(layer(ITEMS, valid_mask=MASK)))
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)
