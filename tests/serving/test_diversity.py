"""Greedy choice by score and difference."""

import numpy as np
import pytest

from mgnm_tf.serving.diversity import diversify

RANDOM = np.random.default_rng(3)
SCORES = RANDOM.normal(size=(5, 12))
CATEGORIES = RANDOM.integers(0, 4, (5, 12))
VECTORS = RANDOM.normal(size=(5, 12, 3)).astype(np.float32)


def choose(scores, k, weight, difference):
    """Algorithm 1 of the paper, for one user, in plain loops.

    Args:
        scores: f(u, i) for each i, equation 10.
        k: number of items.
        weight: lambda.
        difference: g(i, j) of each pair, equation 12.
    """
    chosen = []
    while len(chosen) < min(k, len(scores)):
        best, largest = None, None
        for i in range(len(scores)):
            if i in chosen:
                continue
            value = scores[i]
            for j in chosen:
                value += weight * difference[i][j]
            if best is None or value > largest:
                best, largest = i, value
        chosen.append(best)
    return chosen


def cosine(x, y):
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def pairs(values, difference):
    """Returns g of each pair of values."""
    return [[difference(x, y) for y in values] for x in values]


@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0, 50.0])
@pytest.mark.parametrize("k", [1, 6, 12, 40])
def test_categories_as_in_the_paper(weight, k):
    expected = [
        choose(scores, k, weight, pairs(kinds, lambda x, y: float(x != y)))
        for scores, kinds in zip(SCORES, CATEGORIES)
    ]
    found = diversify(SCORES, k, weight, categories=CATEGORIES)
    assert found.tolist() == expected


@pytest.mark.parametrize("weight", [0.3, 2.0, 50.0])
def test_vectors_where_there_are_no_categories(weight):
    expected = [
        choose(scores, 6, weight, pairs(x, lambda x, y: 1 - cosine(x, y)))
        for scores, x in zip(SCORES, VECTORS.astype(np.float64))
    ]
    assert diversify(SCORES, 6, weight, vectors=VECTORS).tolist() == expected


def test_the_value_of_a_set_grows_with_the_weight():
    def different_pairs(weight):
        found = diversify(SCORES, 6, weight, categories=CATEGORIES)
        kinds = np.take_along_axis(CATEGORIES, found, axis=1)
        return (kinds[:, :, None] != kinds[:, None]).sum()

    counts = [different_pairs(weight) for weight in (0.0, 0.5, 50.0)]
    assert counts[0] < counts[1] <= counts[2]


def test_without_a_weight_the_best_come_in_order():
    expected = np.argsort(-SCORES, axis=1)[:, :5]
    np.testing.assert_array_equal(diversify(SCORES, 5, 0.0), expected)


def test_what_is_no_candidate_comes_last_whatever_the_weight():
    scores = np.array([[-np.inf, 0.0, -np.inf, -5.0], [-np.inf] * 4])
    found = diversify(scores, 4, 1e6, categories=[[1, 2, 3, 2]] * 2)
    assert found[0].tolist() == [1, 3, 0, 2]
    assert sorted(found[1].tolist()) == [0, 1, 2, 3]


def test_of_equals_the_first_is_chosen():
    found = diversify(np.zeros((1, 4)), 4, 1.0, categories=[[7, 7, 7, 7]])
    assert found.tolist() == [[0, 1, 2, 3]]


def test_a_zero_vector_differs_from_all_alike():
    vectors = np.array([[[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]])
    found = diversify([[3.0, 2.0, 2.5]], 3, 1.0, vectors=vectors)
    assert found.tolist() == [[0, 1, 2]]


def test_nobody_and_nothing():
    assert diversify(np.zeros((0, 3)), 2, 0.0).shape == (0, 2)
    assert diversify(np.zeros((2, 0)), 2, 0.0).shape == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"k": 0}, "`k` must be at least 1"),
        ({"weight": -1.0}, "`weight` must be between 0.0 and inf"),
        ({"weight": float("nan")}, "`weight` must be between"),
        ({"scores": np.zeros(3)}, r"`scores` must have the shape \(users"),
        ({"categories": np.zeros((5, 3))}, "`categories` must begin with"),
        ({"categories": None, "vectors": np.zeros((5, 12))}, "`vectors` must"),
        ({"categories": None}, "Either `categories` or `vectors`"),
    ],
)
def test_what_cannot_be_used(arguments, sentence):
    given = {"scores": SCORES, "k": 3, "weight": 1.0, "categories": CATEGORIES}
    with pytest.raises(ValueError, match=sentence):
        diversify(**{**given, **arguments})
