"""What the tests of the models of sessions share."""

import numpy as np

ITEMS, DIM = 9, 5
FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6, 6], [7, 8, 0, 0, 0], [3, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 5, 9]]),
}


def randomized(model, seed=0):
    """Gives every weight a random value, so that no bias is 0."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in model.get_weights()]
    )
    return model


def table_of(model):
    return np.asarray(model.item_embedding.embeddings)


def user_vectors(model, history=FEATURES["history"]):
    return np.asarray(model.encode({"history": np.asarray(history)}))


def check_scores(model, vector_of, item_vectors, rtol=1e-4, atol=1e-5):
    """Compares all scores with those of an oracle.

    Args:
        model: with random weights.
        vector_of: session, a list of ids that is not empty -> user vector.
        item_vectors: (M + 1, d).
    """
    scores = np.asarray(model(FEATURES))
    for row, session in enumerate(FEATURES["history"]):
        session = session[session > 0].tolist()
        expected = np.zeros(3)
        if session:
            ids = FEATURES["candidates"][row]
            expected = item_vectors[ids] @ vector_of(session)
        np.testing.assert_allclose(scores[row], expected, rtol=rtol, atol=atol)


def check_items_can_be_renamed(model):
    """Shuffled ids, with the rows of the table, give the same scores."""
    before = np.asarray(model(FEATURES))
    order = np.concatenate(
        [[0], 1 + np.random.default_rng(3).permutation(ITEMS)]
    )
    table = table_of(model)
    renamed = np.empty_like(table)
    renamed[order] = table
    model.item_embedding.embeddings.assign(renamed)
    features = {
        **FEATURES,
        "history": order[FEATURES["history"]],
        "candidates": order[FEATURES["candidates"]],
    }
    np.testing.assert_allclose(model(features), before, rtol=1e-4, atol=1e-5)
    model.item_embedding.embeddings.assign(table)


def first_loss(model):
    """Returns the loss over the whole catalogue at the start of training."""
    random = np.random.default_rng(0)
    history = random.integers(1, model.num_items + 1, (64, 6))
    length = random.integers(1, 7, 64)
    history = np.where(np.arange(6) < length[:, None], history, 0)
    positive = random.integers(1, model.num_items + 1, 64)
    scores = model(
        {
            "history": history,
            "candidates": np.tile(np.arange(1, model.num_items + 1), (64, 1)),
        }
    )
    scores = np.asarray(scores, "float64")
    highest = scores.max(axis=1, keepdims=True)
    totals = np.log(np.exp(scores - highest).sum(axis=1)) + highest[:, 0]
    return float(np.mean(totals - scores[np.arange(64), positive - 1]))
