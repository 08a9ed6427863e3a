"""Atten-Mixer against its readout in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.atten_mixer.atten_mixer import AttenMixer
from mgnm_tf.models.registry import create_model
from tests.reference import numpy_atten_mixer as oracle
from tests.reference.numpy_blocks import named_weights

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6, 2], [7, 8, 0, 0, 0], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2]]),
}
SMALL = {"embedding_dim": 8, "num_levels": 3, "num_heads": 2}
RELEASED = {
    "query": "concat",
    "head_split": "released",
    "mask_first_softmax": False,
}


def randomized(model, seed=0):
    """Gives every weight a random value, so that no bias is 0."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(size=w.shape) for w in model.get_weights()]
    )
    return model


def small(**options):
    return randomized(AttenMixer(2, 9, **{**SMALL, **options}))


def longer(columns):
    history = np.pad(FEATURES["history"], [(0, 0), (0, columns)])
    return {**FEATURES, "history": history}


@pytest.mark.parametrize(
    ("options", "padding"), [({}, 0), (RELEASED, 0), (RELEASED, 4)]
)
def test_equals_numpy(options, padding):
    padded_length = 5 + padding if padding else None
    model = small(padded_length=padded_length, **options)
    weights = named_weights(model.readout)
    table = np.asarray(model.item_embedding.embeddings, "float64")
    table = table / np.linalg.norm(table, axis=-1, keepdims=True)
    table[0] = 0.0
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = history[history > 0]
        if not len(items):
            continue
        vector = oracle.readout(
            weights,
            table[items],
            padding=len(history) - len(items) + padding,
            levels=3,
            heads=2,
            query=options.get("query", "sum"),
            split=options.get("head_split", "heads"),
            mask_first=options.get("mask_first_softmax", True),
        )
        expected = table[FEATURES["candidates"][row]] @ vector
        expected = 16 * expected / np.linalg.norm(vector)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("query", ["sum", "concat"])
def test_parameter_count(query):
    dim, levels = 256, 7
    of_queries = levels * (dim**2 + dim)
    if query == "concat":
        of_queries = dim**2 * levels * (levels + 1) // 2 + levels * dim
    expected = 10 * dim + of_queries + 3 * (dim**2 + dim) + 2 * dim
    expected += 2 * dim**2 + dim
    assert AttenMixer(2, 9, query=query).count_params() == expected


def test_scores_are_cosines_times_sixteen():
    model = small()
    scores = np.asarray(model(FEATURES))
    assert 2.0 < np.abs(scores).max() <= 16.0
    table = model.item_embedding.get_weights()[0]
    factors = np.random.default_rng(2).uniform(0.2, 5.0, size=(10, 1))
    model.item_embedding.set_weights([table * factors])
    np.testing.assert_allclose(model(FEATURES), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("options", "same"), [({}, True), (RELEASED, False)])
def test_more_padding(options, same):
    model = small(**options)
    difference = np.abs(np.asarray(model(longer(3))) - model(FEATURES)).max()
    assert difference < 1e-4 if same else difference > 1e-3


def test_padded_length_takes_the_place_of_padding():
    model = small(**RELEASED, padded_length=8)
    expected = small(**RELEASED)(longer(3))
    for columns in (0, 2, 3):
        np.testing.assert_allclose(
            model(longer(columns)), expected, rtol=1e-4, atol=1e-5
        )
    # A longer one stays as it is.
    np.testing.assert_allclose(
        model(longer(5)), small(**RELEASED)(longer(5)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    "option",
    [
        {"num_levels": 2},
        {"num_heads": 4},
        {"pooling_power": 1.0},
        {"query": "concat"},
        {"query_items": "all"},
        {"query_normalization": "feature"},
        {"query_normalization": None},
        {"head_split": "released"},
        {"mask_first_softmax": False},
        {"layer_norm": False},
        {"temperature": 0.5},
    ],
)
def test_every_option_reaches_the_scores(option):
    model, other = small(), small(**option)
    if len(model.weights) == len(other.weights) and "query" not in option:
        other.set_weights(model.get_weights())
    difference = np.abs(np.asarray(other(FEATURES)) - model(FEATURES))
    assert difference.max() > 1e-3
    again = AttenMixer.from_config(other.get_config())
    again.set_weights(other.get_weights())
    np.testing.assert_array_equal(again(FEATURES), other(FEATURES))


def test_the_published_form_is_a_recipe():
    model = create_model("atten_mixer:released", 2, 9)
    config = model.get_config()
    assert {**config, **RELEASED, "padded_length": 20} == config
    assert not model.readout.mask_first_softmax
    repaired = create_model("atten_mixer", 2, 9).get_config()
    assert repaired["head_split"] == "heads"
    assert repaired["query"] == "sum"
    assert repaired["mask_first_softmax"]


@pytest.mark.parametrize(
    "options",
    [
        {"num_levels": 1, "query_normalization": "feature"},
        {"query_items": "all"},
        {"query": "concat"},
        {"pooling_power": 1.0},
    ],
)
def test_the_ablations_train_every_weight(options):
    model = small(**options)
    with tf.GradientTape() as tape:
        scores = model(FEATURES, training=True)
        factors = np.random.default_rng(0).normal(size=scores.shape)
        form = tf.reduce_sum(scores * factors.astype("float32"))
    gradients = tape.gradient(form, [w.value for w in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 1e-7, weight.path


def test_renaming_items_renames_the_scores():
    model = small()
    scores = np.asarray(model(FEATURES))
    new = np.concatenate([[0], np.random.default_rng(1).permutation(9) + 1])
    moved = model.item_embedding.get_weights()[0].copy()
    moved[new] = model.item_embedding.get_weights()[0]
    model.item_embedding.set_weights([moved])
    renamed = {**FEATURES}
    for key in ("history", "candidates"):
        renamed[key] = new[FEATURES[key]]
    np.testing.assert_allclose(model(renamed), scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dropout", "item_dropout"])
def test_dropout_acts_in_training_only(name):
    shares = {"dropout": 0.0, "item_dropout": 0.0}
    quiet_model = small(**shares)
    quiet = np.asarray(quiet_model(FEATURES))
    np.testing.assert_allclose(quiet_model(FEATURES, training=True), quiet)
    model = small(**{**shares, name: 0.5})
    np.testing.assert_array_equal(model(FEATURES), quiet)
    keras.utils.set_random_seed(3)
    assert not np.allclose(model(FEATURES, training=True), quiet)


def test_a_repeated_item_loses_the_same_numbers():
    model = small(dropout=0.5)
    seen = []

    def readout(states, valid_mask, training):
        seen.append(np.asarray(states))
        return states[:, 0]

    model.readout.call = readout
    history = np.array([[4, 5, 4, 6, 5, 0, 0]])
    model.user_vector({"history": history}, training=True)
    (states,) = seen[0]
    np.testing.assert_array_equal(states[0], states[2])
    np.testing.assert_array_equal(states[1], states[4])
    assert (states[0] == 0).any()
    assert not np.array_equal(states[0] == 0, states[1] == 0)
    assert not states[5:].any()
    lengths = np.linalg.norm(states[:5], axis=-1)
    np.testing.assert_allclose(lengths[lengths > 0], 1.0, rtol=1e-5)


def test_the_first_loss_is_that_of_guessing():
    keras.utils.set_random_seed(1)
    model = AttenMixer(2, 200)
    history = np.random.default_rng(0).integers(1, 201, (64, 6))
    logits = model(
        {"history": history, "candidates": np.tile(np.arange(1, 201), (64, 1))}
    )
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        np.arange(64), logits
    )
    # Cosines of random vectors, times 16, spread by 1 at width 256.
    np.testing.assert_allclose(np.mean(losses), np.log(200) + 0.5, atol=0.3)


def test_initial_values():
    table = AttenMixer(2, 400).item_embedding.get_weights()[0]
    assert 0.062 < np.abs(table).max() <= 0.0625


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"num_heads": 3}, "`num_heads` must divide the width"),
        ({"num_levels": 0}, "`num_levels` must be at least 1"),
        ({"padded_length": 0}, "`padded_length` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"item_dropout": 1.5}, "`item_dropout` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        AttenMixer(2, 9, **options)
