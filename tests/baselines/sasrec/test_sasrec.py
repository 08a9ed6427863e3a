"""SASRec against its formulas in NumPy."""

import keras
import numpy as np
import pytest

from baselines.sasrec.sasrec import SASRec
from mgnm_tf.models.registry import create_model
from tests.reference.numpy_transformer import causal_transformer
from tests.reference.numpy_transformer import layer_norm

NORMALIZATION = {"paper": "before", "code": "query", "rechorus": "after"}
FEATURES = {
    "user": np.array([1, 2, 0]),
    "history": np.array([[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0]]),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
}


def randomized(model, seed=0):
    """Gives every weight a random value, so that no bias is 0."""
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(random.normal(scale=0.5, size=weight.shape))
    return model


def weights_of(layer):
    return {
        "/".join(weight.path.split("/")[-2:]): np.asarray(weight.value)
        for weight in layer.weights
    }


@pytest.mark.parametrize("variant", NORMALIZATION)
@pytest.mark.parametrize(("num_layers", "num_heads"), [(1, 1), (2, 1), (3, 2)])
def test_equals_numpy(variant, num_layers, num_heads):
    model = randomized(
        SASRec(
            2,
            9,
            embedding_dim=6,
            num_layers=num_layers,
            num_heads=num_heads,
            variant=variant,
            max_length=7,
        )
    )
    table = model.item_embedding.get_weights()[0]
    places = model.position_embedding.get_weights()[0]
    scale = 1.0 if variant == "rechorus" else np.sqrt(6)
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = history[history > 0]
        vector = np.zeros(6)
        if len(items):
            states = scale * table[items] + places[: len(items)][::-1]
            for block in model.blocks:
                states = causal_transformer(
                    states,
                    weights_of(block),
                    num_heads,
                    NORMALIZATION[variant],
                )
            vector = states[-1]
            if variant != "rechorus":
                vector = layer_norm(vector, *model.output_norm.get_weights())
        expected = table[FEATURES["candidates"][row]] @ vector
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # max_length d + num_layers (5 (d^2 + d) + 4 d) + 2 d
        ({}, 1600 + 2 * (5 * 272 + 64) + 32),
        ({"num_heads": 4, "max_length": 9}, 144 + 2 * (5 * 272 + 64) + 32),
        ({"num_layers": 1, "variant": "code"}, 1600 + 5 * 272 + 64 + 32),
        ({"num_layers": 1, "variant": "rechorus"}, 1600 + 5 * 272 + 64),
    ],
)
def test_parameter_count(options, expected):
    model = SASRec(2, 9, **options)
    weights = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert weights == expected + 10 * 16


def test_order_matters():
    model = randomized(SASRec(2, 9, num_layers=1))
    # The newest item stays: only the places of the others tell.
    swapped = {
        **FEATURES,
        "history": np.array([[5, 4, 4, 6], [8, 7, 0, 0], [0, 0, 0, 0]]),
    }
    difference = np.abs(
        np.asarray(model(swapped)) - np.asarray(model(FEATURES))
    )
    assert difference[:2].min() > 1e-4


@pytest.mark.parametrize("variant", NORMALIZATION)
def test_a_single_item_attends_to_itself(variant):
    # With zero products for queries and keys nothing changes.
    model = randomized(SASRec(2, 9, num_layers=1, variant=variant))
    single = {**FEATURES, "history": np.array([[4], [5], [6]])}
    before = np.asarray(model(single))
    query = model.blocks[0].query
    query.set_weights([np.zeros_like(w) for w in query.get_weights()])
    np.testing.assert_allclose(model(single), before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("variant", NORMALIZATION)
def test_scores_are_products_of_interests_and_item_vectors(variant):
    model = randomized(SASRec(2, 9, variant=variant))
    interests = np.asarray(model.interests(FEATURES))
    vectors = np.asarray(model.item_vectors())
    assert interests.shape == (3, 1, 16)
    assert vectors.shape == (10, 16)
    expected = np.take_along_axis(
        interests[:, 0] @ vectors.T, FEATURES["candidates"], axis=1
    )
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", NORMALIZATION)
def test_padding_and_an_empty_history_score_0(variant):
    model = randomized(SASRec(2, 9, variant=variant))
    padded = {**FEATURES, "candidates": np.array([[0, 1], [2, 0], [3, 0]])}
    scores = np.asarray(model(padded))
    np.testing.assert_array_equal(scores[:2] == 0, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(scores[2], [0, 0])


def test_dropout_acts_in_training_only():
    model = randomized(SASRec(2, 9))
    quiet = np.asarray(model(FEATURES))
    keras.utils.set_random_seed(3)
    noisy = np.asarray(model(FEATURES, training=True))
    assert not np.allclose(quiet, noisy)
    np.testing.assert_array_equal(quiet, np.asarray(model(FEATURES)))


def test_padding_is_not_trained():
    model = SASRec(2, 9)
    before = model.item_embedding.get_weights()[0]
    model.compile()
    model.fit(FEATURES, np.eye(3, dtype="float32"), epochs=2, verbose=0)
    after = model.item_embedding.get_weights()[0]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[4], after[4])


def test_history_longer_than_its_places():
    with pytest.raises(ValueError, match="at most `max_length` long"):
        SASRec(2, 9, max_length=3)(FEATURES)


def test_temperature_is_an_option():
    model = create_model("sasrec", 2, 9, {"temperature": "0.1"})
    assert model.temperature == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"num_layers": 0}, "`num_layers` must be at least 1"),
        ({"num_heads": 3}, "divisible by `num_heads`"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"variant": "papre"}, "Did you mean 'paper'"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SASRec(2, 9, **options)
