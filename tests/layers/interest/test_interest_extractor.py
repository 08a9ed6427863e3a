"""The contract of layers that read interests off the levels of a history."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import BiLSTMExtractor
from mgnm_tf.layers import CapsuleExtractor
from mgnm_tf.layers import ItemExtractor
from mgnm_tf.layers import SequenceEncoder
from mgnm_tf.layers import SequentialCapsule
from mgnm_tf.layers import SumExtractor
from tests.reference import numpy_mgnm as oracle
from tests.testing import check_config

rng = np.random.default_rng(4)
LENGTHS = (4, 2, 1)
MASK = np.arange(4)[None] < np.array(LENGTHS)[:, None]
LEVELS = rng.normal(size=(3, 5, 4, 6)).astype("float32")
LEVELS *= MASK[:, None, :, None]

EXTRACTORS = {
    "capsule": (CapsuleExtractor, {"num_interests": 2}, 9),
    "capsule_of_positions": (
        CapsuleExtractor,
        {
            "num_interests": 2,
            "sequence_encoder": None,
            "projection": "position",
            "activation": None,
            "routing_prior": "recency",
        },
        2,
    ),
    "bilstm": (BiLSTMExtractor, {}, 7),
    "sum": (SumExtractor, {}, 0),
    "items": (ItemExtractor, {}, 0),
}


def make(cls, options, **kwargs):
    """Returns a built layer with random weights."""
    layer = cls(**options, **kwargs)
    if not layer.built:
        layer.build(LEVELS.shape)
    random = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(random.normal(scale=0.5, size=weight.shape))
    return layer


@pytest.fixture(params=EXTRACTORS)
def case(request):
    return EXTRACTORS[request.param]


@pytest.fixture
def layer(case):
    return make(*case[:2])


def arrays(outputs):
    return [x if x is None else np.asarray(x) for x in outputs]


def test_config(case):
    cls, options, _ = case
    check_config(cls, options)


def test_weights(case, layer):
    assert len(layer.trainable_weights) == case[2]


def test_shapes_and_dtypes_are_the_declared_ones(layer):
    outputs = layer(LEVELS, MASK)
    declared = layer.compute_output_shape(LEVELS.shape)
    symbolic = layer.compute_output_spec(keras.KerasTensor(LEVELS.shape))
    assert declared[0][2] == (layer.interests_per_level or 4)
    assert (outputs[1] is None) == (not layer.gives_weights)
    for output, shape, spec in zip(outputs, declared, symbolic, strict=True):
        if shape is None:
            assert output is spec is None
            continue
        assert tuple(output.shape) == spec.shape == shape
        assert keras.backend.standardize_dtype(output.dtype) == spec.dtype


def test_every_level_is_read_alone(layer):
    interests, weights, _ = arrays(layer(LEVELS, MASK))
    for level in range(5):
        alone = arrays(layer(LEVELS[:, level : level + 1], MASK))
        np.testing.assert_allclose(
            alone[0][:, 0], interests[:, level], atol=1e-6
        )
        if weights is not None:
            np.testing.assert_allclose(
                alone[1][:, 0], weights[:, level], atol=1e-6
            )


def test_rows_do_not_see_each_other(layer):
    whole = arrays(layer(LEVELS, MASK))
    for row in range(3):
        part = slice(row, row + 1)
        for one, all_ in zip(arrays(layer(LEVELS[part], MASK[part])), whole):
            if all_ is not None:
                np.testing.assert_allclose(one, all_[part], atol=1e-6)


def test_padding_is_no_item(layer):
    interests, weights, exist = arrays(layer(LEVELS, MASK))
    longer = arrays(
        layer(
            np.pad(LEVELS, [(0, 0), (0, 0), (0, 2), (0, 0)]),
            np.pad(MASK, [(0, 0), (0, 2)]),
        )
    )
    count = exist.shape[1]
    assert not longer[2][:, count:].any()
    there = exist[:, None, :, None]
    np.testing.assert_allclose(
        longer[0][:, :, :count] * there, interests * there, atol=1e-6
    )
    if weights is not None:
        padding = np.broadcast_to(~MASK[:, None, None], weights.shape)
        assert not weights[padding].any()
        assert weights[~padding].any()
        np.testing.assert_allclose(longer[1][..., :4], weights, atol=1e-6)


def test_an_empty_history_is_finite(layer):
    empty = np.zeros_like(MASK)
    for output in arrays(layer(np.zeros_like(LEVELS), empty)):
        if output is not None and output.dtype != bool:
            np.testing.assert_array_equal(output, 0)


def test_gradients_reach_every_weight(layer):
    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            interests = layer(LEVELS, MASK)[0]
            factors = np.random.default_rng(1).normal(size=interests.shape)
            loss = tf.reduce_sum(interests * factors.astype("float32"))
        return tape.gradient(
            loss, [weight.value for weight in layer.trainable_weights]
        )

    for weight, gradient in zip(layer.trainable_weights, gradients()):
        if isinstance(layer, BiLSTMExtractor) and weight.path.endswith(
            "backward_lstm/lstm_cell/recurrent_kernel"
        ):
            continue  # At the newest item this direction has but begun.
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient), weight.path


def test_xla_gives_the_same(layer):
    compiled = tf.function(lambda x: layer(x, MASK)[0], jit_compile=True)
    np.testing.assert_allclose(
        compiled(tf.constant(LEVELS)),
        layer(LEVELS, MASK)[0],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(case, policy):
    cls, options, _ = case
    interests, weights, _ = make(cls, options, dtype=policy)(LEVELS, MASK)
    assert keras.backend.standardize_dtype(interests.dtype) == policy[6:]
    expected = np.asarray(make(cls, options)(LEVELS, MASK)[0])
    np.testing.assert_allclose(
        np.asarray(interests).astype("float32"), expected, atol=0.1, rtol=0.1
    )
    if weights is not None:
        assert keras.backend.standardize_dtype(weights.dtype) == "float32"


def test_capsules_are_those_of_equations_5_to_11():
    layer = make(CapsuleExtractor, {"num_interests": 2})
    w = [np.asarray(weight.value) for weight in layer.encoder.weights]
    interests, weights, exist = arrays(layer(LEVELS, MASK))
    assert exist.all()
    for row, level, k in np.ndindex(3, 5, 2):
        for output, coupling in ((interests, False), (weights, True)):
            found = output[row, level, k]
            expected = oracle.capsule(
                LEVELS[row, level, : LENGTHS[row]],
                np.asarray(layer.kernel)[0, k],
                np.asarray(layer.output_kernel)[0, k],
                lambda z: oracle.bilstm(z, w[0:3], w[3:6], w[6]),
                3,
                coupling=coupling,
            )
            np.testing.assert_allclose(
                found[: len(expected)], expected, rtol=1e-3, atol=2e-5
            )


def test_noise_only_in_training():
    layer = make(CapsuleExtractor, {"num_interests": 2, "seed": 3})
    quiet, noisy = (
        np.asarray(layer(LEVELS, MASK, training=training)[0])
        for training in (False, True)
    )
    assert np.abs(quiet - noisy)[0].max() > 1e-5


def test_bilstm_is_read_at_the_newest_item():
    layer = make(BiLSTMExtractor, {})
    w = [np.asarray(weight.value) for weight in layer.weights]
    interests = np.asarray(layer(LEVELS, MASK)[0])
    for row, level in np.ndindex(3, 5):
        items = LEVELS[row, level, : LENGTHS[row]]
        expected = oracle.bilstm(items, w[0:3], w[3:6], w[6])[-1]
        np.testing.assert_allclose(
            interests[row, level, 0], expected, rtol=1e-4, atol=1e-5
        )


def test_sum_by_hand():
    interests, weights, _ = arrays(SumExtractor()(LEVELS, MASK))
    np.testing.assert_allclose(
        interests[:, :, 0], LEVELS.sum(axis=2), atol=1e-6
    )
    np.testing.assert_allclose(
        np.einsum("blkm,blmd->blkd", weights, LEVELS), interests, atol=1e-6
    )


def test_items_are_themselves():
    interests, weights, exist = arrays(ItemExtractor()(LEVELS, MASK))
    np.testing.assert_array_equal(interests, LEVELS)
    assert weights is None
    np.testing.assert_array_equal(exist, MASK)


@pytest.mark.parametrize(
    ("cls", "options", "base", "base_options"),
    [
        (CapsuleExtractor, {"num_interests": 2}, SequentialCapsule, {}),
        (BiLSTMExtractor, {}, SequenceEncoder, {"kind": "bilstm"}),
    ],
)
def test_weights_have_the_paths_and_draws_of_the_sequence_layer(
    cls, options, base, base_options
):
    # Files that were saved when the models held the sequence layers load.
    layers = []
    for made, more, shape in (
        (cls, {}, LEVELS.shape),
        (base, base_options, (None, None, 6)),
    ):
        keras.utils.set_random_seed(5)
        layers.append(made(**options, **more, name="extractor"))
        layers[-1].build(shape)
    ours, theirs = layers
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    for one, other in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_array_equal(one, other)
