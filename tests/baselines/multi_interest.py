"""What the tests of models with several interests share."""

import numpy as np
import tensorflow as tf

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6], [7, 8, 9, 0], [3, 0, 0, 0], [0, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 5, 9]]),
}
ROWS = range(len(FEATURES["history"]))


def randomized(model, seed=0):
    """Gives every trainable weight a random value."""
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    return model


def table(model):
    """Returns the (M + 1, d) item vectors in float64, zeros at padding."""
    vectors = np.asarray(model.item_embedding.embeddings, dtype="float64")
    return np.where(np.arange(len(vectors))[:, None] > 0, vectors, 0.0)


def items_of(row):
    """Returns the ids of the history of a row, without padding."""
    history = FEATURES["history"][row]
    return history[history > 0]


def check_scores(model, interests, features=FEATURES):
    """Scores are the best products of `interests`, a list of (K, d)."""
    vectors = table(model)
    np.testing.assert_allclose(
        model.interests(features), interests, rtol=1e-4, atol=1e-5
    )
    expected = [
        [max(vectors[item] @ one for one in own) for item in candidates]
        for own, candidates in zip(interests, features["candidates"])
    ]
    np.testing.assert_allclose(model(features), expected, rtol=1e-4, atol=1e-5)
    products = np.einsum(
        "bkd,bcd->bck",
        model.interests(features),
        np.asarray(model.item_vectors())[features["candidates"]],
    )
    np.testing.assert_allclose(
        model(features), products.max(axis=-1), rtol=1e-4, atol=1e-5
    )


def check_padding(model):
    """Padding among the candidates scores 0 and is not trained."""
    padded = {**FEATURES, "candidates": FEATURES["candidates"].copy()}
    padded["candidates"][:, 1] = 0
    np.testing.assert_array_equal(np.asarray(model(padded))[:, 1], 0)
    assert not np.any(np.asarray(model.item_vectors())[0])
    gradient = gradients(model, padded)["item_embedding/embeddings"]
    assert not np.any(gradient[0])
    assert np.any(gradient[4])


def check_repeated_item(model):
    """A history of one item again and again has finite gradients."""
    features = {**FEATURES, "history": np.full((4, 4), 5)}
    assert np.all(np.isfinite(np.asarray(model(features))))
    for path, gradient in gradients(model, features).items():
        assert np.all(np.isfinite(gradient)), path


def gradients(model, features=FEATURES, training=False):
    """Returns path below the model -> gradient of a form of the scores."""
    factors = np.random.default_rng(1).normal(size=features["candidates"].shape)
    with tf.GradientTape() as tape:
        scores = model(features, training=training)
        loss = tf.reduce_sum(scores * factors.astype("float32"))
    values = [weight.value for weight in model.trainable_weights]
    return {
        weight.path.removeprefix(f"{model.name}/"): tf.convert_to_tensor(
            gradient
        ).numpy()
        for weight, gradient in zip(
            model.trainable_weights, tape.gradient(loss, values)
        )
    }


def permuted(history):
    """Returns the histories with their real items in another order."""
    turned = history.copy()
    for row, items in enumerate(history):
        count = np.count_nonzero(items)
        turned[row, :count] = np.roll(items[:count], 1)
    return {**FEATURES, "history": turned}


def check_attention(model, weights):
    """`history_attention` has the shares of `weights`, a list of (K, n)."""
    attention = np.asarray(model.history_attention(FEATURES))
    assert attention.dtype == "float32"
    assert attention.shape == (len(ROWS), model.num_interests, 4)
    for row in ROWS:
        length = len(items_of(row))
        expected = weights[row] / weights[row].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(
            attention[row, :, :length], expected, rtol=1e-4, atol=1e-6
        )
        assert not attention[row, :, length:].any()
    labels = [(0, number) for number in range(1, model.num_interests + 1)]
    assert model.interest_labels() == labels
