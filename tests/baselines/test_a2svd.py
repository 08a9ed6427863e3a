"""A2SVD against sums in NumPy."""

import keras
import numpy as np
import pytest

from baselines.a2svd import A2SVD
from mgnm_tf.losses import get_loss
from tests.reference.numpy_blocks import feed_forward
from tests.reference.numpy_blocks import named_weights
from tests.reference.numpy_blocks import softmax

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0], [9, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 3, 5]]),
}
CATEGORIES = np.array([0, 1, 2, 1, 0, 2, 2, 1, 1, 2])


def randomized(model, seed=0):
    """Gives every weight a random value; variances stay positive."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype == "float32":
            value = random.normal(scale=0.5, size=weight.shape)
            if "variance" in weight.path:
                value = np.square(value) + 0.5
            weight.assign(value)
    return model


def item_vectors(model):
    """Returns the vectors of all items; padding is zero."""
    weights = named_weights(model.item_embedding)
    vectors = weights["embeddings"]
    if model.category_dim:
        vectors = np.concatenate(
            [vectors, weights["category_embeddings"][CATEGORIES]], axis=1
        )
    return vectors * (np.arange(len(vectors)) > 0)[:, None]


@pytest.mark.parametrize("category_dim", [0, 3])
@pytest.mark.parametrize("activation", [None, "tanh"])
def test_equals_numpy(activation, category_dim):
    model = A2SVD(
        2,
        9,
        5,
        attention_activation=activation,
        category_dim=category_dim,
        num_categories=2,
    )
    randomized(model)
    if category_dim:
        model.load_tables({"item_categories": CATEGORIES})
    vectors = item_vectors(model)
    pooling = named_weights(model.pooling)
    network = named_weights(model.network)
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = vectors[history[history > 0]]
        user = np.zeros(vectors.shape[1])
        if len(items):
            hidden = items @ pooling["kernel"]
            if activation:
                hidden = np.tanh(hidden + pooling["bias"])
            user = softmax(hidden @ pooling["query"][:, 0]) @ items
        expected = [
            feed_forward(network, np.concatenate([user, vectors[item]]))
            for item in FEATURES["candidates"][row]
        ]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # D^2 + D, and 100 units over [u ; x].
        ({}, 10_429),
        ({"embedding_dim": 40}, 16_597),
        ({"attention_activation": "tanh"}, 10_429 + 16),
        (
            {"embedding_dim": 32, "category_dim": 8, "num_categories": 2},
            16_597 + 3 * 8 - 10 * 8,
        ),
    ],
)
def test_parameter_count(options, expected):
    model = A2SVD(2, 9, **options)
    width = model.item_embedding.output_dim
    counts = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(counts) == expected + 10 * width


def test_order_does_not_matter():
    model = randomized(A2SVD(2, 9))
    turned = {**FEATURES, "history": FEATURES["history"].copy()}
    turned["history"][0] = turned["history"][0, [2, 3, 1, 0]]
    turned["history"][1, :2] = turned["history"][1, 1::-1]
    np.testing.assert_allclose(
        model(turned), model(FEATURES), rtol=1e-5, atol=1e-5
    )


def test_a_user_of_one_item_is_that_item():
    model = randomized(A2SVD(2, 9))
    np.testing.assert_allclose(
        np.asarray(model.encode(FEATURES))[3],
        item_vectors(model)[9],
        rtol=1e-5,
    )


def test_dropout_acts_in_training_only():
    model = randomized(A2SVD(2, 9))
    quiet = np.asarray(model(FEATURES))
    noisy = np.asarray(model(FEATURES, training=True))
    again = np.asarray(model(FEATURES, training=True))
    assert not np.allclose(noisy, again)
    np.testing.assert_array_equal(randomized(model)(FEATURES), quiet)


def test_positives_and_shared_negatives_are_normalised_together():
    """Apart, the mean of either would be taken away and nothing learned."""
    keras.utils.set_random_seed(0)
    model = A2SVD(2, 9, embedding_dim=8, dropout=0.0)
    rows = np.arange(24)
    features = {
        "user": np.zeros(24, "int32"),
        "history": (1 + rows[:, None] % 9).astype("int32"),
        # Item 1 is what everybody takes next.
        "candidates": np.ones((24, 1), "int32"),
        "shared_negatives": np.arange(2, 10, dtype="int32"),
    }
    labels = np.eye(1, 9, dtype="float32").repeat(24, axis=0)
    model.compile(
        loss=get_loss("sampled_softmax"), optimizer=keras.optimizers.Adam(0.01)
    )
    for _ in range(60):
        model.train_on_batch(features, labels)
    scores = np.asarray(model(features))
    assert np.argmax(scores, axis=1).tolist() == [0] * 24
    assert model.test_on_batch(features, labels) < 0.5


def test_same_item_over_and_over_is_finite():
    model = randomized(A2SVD(2, 9))
    same = {**FEATURES, "history": np.full((4, 6), 3)}
    model.compile()
    model.fit(same, np.eye(4, 3, dtype="float32"), verbose=0)
    assert np.all(np.isfinite(np.asarray(model(same))))


def test_padding_is_not_trained():
    model = A2SVD(2, 9)
    before = model.item_embedding.get_weights()[0]
    model.compile()
    model.fit(FEATURES, np.eye(4, 3, dtype="float32"), epochs=2, verbose=0)
    after = model.item_embedding.get_weights()[0]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[4], after[4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"attention_activation": "tan"}, "Did you mean 'tanh'"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"category_dim": 4}, "`category_dim` needs items with categories"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        A2SVD(2, 9, **options)
