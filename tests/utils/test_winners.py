import numpy as np
import pytest

from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.utils.winners import winners_behind
from mgnm_tf.utils.winners import winning_interests
from tests.reference.numpy_mgnm import level_score
from tests.reference.numpy_mgnm import softmax

random = np.random.default_rng(4)
INTERESTS = random.normal(size=(3, 6, 4))
LEVELS = np.array([0, 0, 0, 1, 1, 1])
OWN = random.normal(size=(3, 5, 4))


@pytest.mark.parametrize("vectors", [OWN, OWN[0]], ids=["own", "shared"])
def test_equals_the_equations_one_by_one(vectors):
    found = winning_interests(INTERESTS, LEVELS, vectors)
    vectors = np.broadcast_to(vectors, OWN.shape)
    for row in range(3):
        for column in range(5):
            x = vectors[row, column]
            scores = [
                level_score(INTERESTS[row, LEVELS == level], x)
                for level in (0, 1)
            ]
            level = int(np.argmax(scores))
            own = INTERESTS[row, LEVELS == level]
            main = int(np.argmax(softmax(own @ x)))
            assert found[row, column] == 3 * level + main
    assert len(np.unique(found)) > 3


def test_the_level_with_the_best_interest_may_lose():
    # (4 e^4 + 3 e^3) / (e^4 + e^3) = 3.73, which is less than 3.9.
    interests = np.array([[[4.0], [3.0], [3.9], [3.9]]])
    found = winning_interests(
        interests, np.array([0, 0, 1, 1]), np.array([[1.0]])
    )
    assert found.tolist() == [[2]]


def test_without_levels_the_nearest_interest_wins():
    found = winning_interests(INTERESTS, np.zeros(6, int), OWN)
    products = np.einsum("bnd,bcd->bcn", INTERESTS, OWN)
    np.testing.assert_array_equal(found, products.argmax(axis=-1))


def test_of_a_mixture_the_largest_product_of_any_level_wins():
    found = {
        "interests": np.array([[[4.0], [3.0], [3.9], [3.9]]]),
        "level": np.array([0, 0, 1, 1]),
    }
    vectors = np.array([[1.0]])
    assert winners_behind(found, vectors).tolist() == [[2]]
    mixed = {**found, "distribution": np.full((1, 4), 0.25)}
    assert winners_behind(mixed, vectors).tolist() == [[0]]


def test_the_winner_explains_the_score_of_the_model():
    model = MGNM(3, 9, embedding_dim=4, embeddings_initializer=1.0)
    features = {
        "user": np.array([1, 2]),
        "history": np.array([[3, 4, 5], [6, 0, 0]]),
        "candidates": np.array([[7, 8], [9, 1]]),
    }
    interests = np.asarray(model.interests(features))
    levels = np.array([level for level, _ in model.interest_labels()])
    vectors = np.asarray(model.item_vectors())[features["candidates"]]
    places = winning_interests(interests, levels, vectors)
    scores = np.asarray(model(features))
    for row in range(2):
        for column in range(2):
            level = levels[places[row, column]]
            np.testing.assert_allclose(
                level_score(
                    interests[row, levels == level], vectors[row, column]
                ),
                scores[row, column],
                rtol=1e-4,
            )
