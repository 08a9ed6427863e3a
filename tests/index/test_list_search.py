"""Interests that ask as one, against sorting all products."""

import numpy as np
import pytest

pytest.importorskip("faiss", reason="needs the extra [retrieval]")

from mgnm_tf.index import list_search as module
from mgnm_tf.index.interest_index import InterestIndex


def made(users=40, count=900, dim=6, seed=0):
    """Returns vectors of very different norms, and interests (B, 4, d)."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, dim)).astype(np.float32)
    vectors *= random.lognormal(sigma=0.5, size=(count, 1)).astype("float32")
    interests = 3 * random.normal(size=(users, 4, dim)).astype(np.float32)
    return vectors, interests


def best_of_any(vectors, interests, k):
    """Returns rows (B, k) with the largest products of any interest."""
    products = np.einsum("bnd,md->bnm", interests, vectors).max(axis=1)
    return np.argsort(-products, axis=1)[:, :k]


def finds(found, best):
    return [np.isin(mine, row).mean() for mine, row in zip(best, found)]


@pytest.mark.parametrize("users", [5, 40], ids=["by_query", "by_list"])
def test_the_best_of_any_interest(users):
    vectors, interests = made(users)
    built = InterestIndex.build(vectors, np.arange(900) * 3 + 1, "ivf")
    best = best_of_any(vectors, interests, 10)
    # All lists: nothing is lost.
    found = built.search(interests, 10, effort=100.0, together=True)
    assert found.dtype == np.int64
    assert min(finds(found, 3 * best + 1)) == 1.0
    for row in found:
        row = row[row >= 0]
        assert (np.diff(row) > 0).all() and (row % 3 == 1).all()
    # Few lists: some of it.
    found = built.search(interests, 10, together=True)
    assert 0.8 < np.mean(finds(found, 3 * best + 1)) < 1.0


def test_many_users_find_what_each_would_find(monkeypatch):
    vectors, interests = made(80)
    built = InterestIndex.build(vectors, kind="ivf")
    best = best_of_any(vectors, interests, 10)
    together = built.search(interests, 10, together=True)
    alone = [
        finds(built.search(interests[u : u + 1], 10, together=True), best[[u]])
        for u in range(80)
    ]
    # Alone, a user may meet an item by another interest than the nearest.
    lost = np.concatenate(alone) - finds(together, best)
    assert np.abs(lost).max() < 0.21 and np.abs(lost).mean() < 0.01
    # Blocks of users change nothing.
    monkeypatch.setattr(module, "_PRODUCTS", 40 * 4 * 120)
    np.testing.assert_array_equal(
        built.search(interests, 10, together=True), together
    )


def test_a_far_interest_finds_nothing_of_its_own():
    vectors, interests = made()
    interests[:, 1:] *= 0.01
    built = InterestIndex.build(vectors, kind="ivf")
    found = built.search(interests, 10, together=True)
    alone = built.search(interests, 10)
    assert (found >= 0).sum() < 0.6 * (alone >= 0).sum()
    best = best_of_any(vectors, interests, 10)
    assert np.mean(finds(found, best)) > 0.8


@pytest.mark.parametrize("users", [5, 40])
def test_changes_are_seen(users):
    vectors, interests = made(users)
    built = InterestIndex.build(vectors, kind="ivf")
    built.search(interests, 10, together=True)
    gone = best_of_any(vectors, interests[:1], 5)[0]
    built.remove(gone)
    built.add(np.arange(900, 900 + users), 2 * interests[:, 0])
    found = built.search(interests, 10, effort=100.0, together=True)
    vectors[gone] = 0.0
    vectors = np.concatenate([vectors, 2 * interests[:, 0]])
    best = best_of_any(vectors, interests, 10)
    assert finds(found, best) == [1.0] * users
    assert not np.isin(found, gone).any()


@pytest.mark.parametrize("users", [5, 40])
def test_more_than_there_are(users):
    vectors, interests = made(users, 30)
    built = InterestIndex.build(vectors, kind="ivf")
    found = built.search(interests, 1000, effort=100.0, together=True)
    assert found.tolist() == [list(range(30))] * users


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_other_kinds_ask_one_by_one(kind):
    vectors, interests = made(5)
    built = InterestIndex.build(vectors, kind=kind)
    np.testing.assert_array_equal(
        built.search(interests, 10, together=True),
        built.search(interests, 10),
    )
