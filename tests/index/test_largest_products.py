"""All vectors that reach a bound, against all products."""

import numpy as np
import pytest

from mgnm_tf.index import largest_products as module
from mgnm_tf.index.largest_products import LargestProducts
from mgnm_tf.index.pairs import table_of_pairs


def made(users=9, count=700, dim=5):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(count, dim)).astype(np.float32)
    vectors *= random.lognormal(sigma=0.5, size=(count, 1)).astype("float32")
    interests = random.normal(size=(users, 3, dim)).astype(np.float32)
    interests[:, 1] *= 0.05  # Of unequal lengths.
    interests[2, 2] = 0.0
    return vectors, interests


def largest(vectors, interests):
    return np.einsum("bnd,md->bnm", interests, vectors).max(axis=1)


@pytest.mark.parametrize("blocks", ["one", "many"])
def test_none_is_missed_and_none_too_many(blocks, monkeypatch):
    if blocks == "many":
        monkeypatch.setattr(module, "_PRODUCTS", 80)
        monkeypatch.setattr(module, "_QUERIES", 4)
    vectors, interests = made()
    products = largest(vectors, interests)
    # From nothing to everything: some bounds are negative.
    bounds = np.quantile(products, [1, 0.99, 0.9, 0.5, 0.3, 0.1, 0.9, 0.9, 0])
    bounds[0], bounds[8] = np.inf, -np.inf
    bounds = bounds.astype(np.float32)
    users, rows = LargestProducts(vectors).reaching(interests, bounds, 10**6)
    found = table_of_pairs(users, rows, 9)
    for user in range(9):
        expected = np.flatnonzero(products[user] >= bounds[user])
        assert found[user][found[user] >= 0].tolist() == expected.tolist()
    assert bounds[5] < 0 and (found[0] == -1).all() and (found[8] >= 0).all()


def test_short_vectors_are_not_looked_at():
    vectors, interests = made()
    searched = LargestProducts(vectors)
    bounds = np.sort(largest(vectors, interests), axis=1)[:, -5]
    # What is not read cannot be found.
    searched.vectors = searched.vectors.copy()
    least = (bounds / np.linalg.norm(interests, axis=2).max(axis=1)).min()
    short = searched.lengths < 0.99 * least
    assert short.mean() > 0.3
    searched.vectors[short] = np.nan
    users, rows = searched.reaching(interests, 0.9999 * bounds, 10**6)
    assert (np.bincount(users, minlength=9) >= 5).all()


def test_an_interest_of_zeros_reaches_a_bound_of_zero():
    vectors, interests = made()
    interests = interests[:1]
    interests[:] = 0.0
    searched = LargestProducts(vectors)
    for bound, count in ((0.0, 700 * 3), (1e-3, 0)):
        users, _ = searched.reaching(
            interests, np.array([bound], np.float32), 10**6
        )
        assert len(users) == count


def test_too_many_are_no_answer():
    vectors, interests = made()
    searched = LargestProducts(vectors)
    bounds = np.full(9, -1e9, np.float32)
    assert searched.reaching(interests, bounds, 9 * 3 * 700 - 1) is None
    users, _ = searched.reaching(interests, bounds, 9 * 3 * 700)
    assert len(users) == 9 * 3 * 700


def test_the_first_are_the_best_of_the_longest(monkeypatch):
    vectors, interests = made(users=40)
    monkeypatch.setattr(module, "_SAMPLE", 50)
    searched = LargestProducts(vectors)
    assert (searched.most, len(searched)) == (50, 700)
    lengths = np.linalg.norm(vectors, axis=1)
    assert searched.longest == lengths.max()
    found = searched.first(interests, 4)
    products = largest(vectors, interests)
    products[:, lengths < np.sort(lengths)[-50]] = -np.inf
    best = np.argsort(-products, axis=1)[:, :4]
    np.testing.assert_array_equal(np.sort(found), np.sort(best))


def test_pairs_as_a_table():
    users = np.array([2, 0, 2, 2, 0])
    ids = np.array([7, 1, 3, 7, 0])
    found = table_of_pairs(users, ids, 4)
    assert found.tolist() == [[0, 1], [-1, -1], [3, 7], [-1, -1]]
    none = np.zeros(0, np.int64)
    assert table_of_pairs(none, none, 2).shape == (2, 0)
