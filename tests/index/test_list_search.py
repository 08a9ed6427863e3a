"""Interests that ask as one, against sorting all products."""

import numpy as np
import pytest

pytest.importorskip("faiss", reason="needs the extra [retrieval]")

from mgnm_tf.index import list_search as module
from mgnm_tf.index.interest_index import InterestIndex
from mgnm_tf.index.pairs import table_of_pairs


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


def test_the_best_of_any_interest():
    vectors, interests = made()
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


@pytest.mark.parametrize("effort", [1.0, 100.0])
def test_all_that_reaches_a_bound_in_the_lists_that_are_asked(
    effort, monkeypatch
):
    monkeypatch.setattr(module, "_PAYS", 0.0)
    vectors, interests = made()
    ids = np.arange(900) * 3 + 1
    built = InterestIndex.build(vectors, ids, "ivf")
    products = np.einsum("bnd,md->bnm", interests, vectors).max(axis=1)
    bounds = np.sort(products, axis=1)[:, -12].astype(np.float32) - 1e-4
    bounds[3] = np.inf
    users, found = built.lists.reaching(interests, bounds, 10**6, effort)
    shares = []
    for user in range(40):
        mine = found[users == user]
        expected = ids[products[user] >= bounds[user]]
        assert set(mine) <= set(expected)
        shares.append(len(set(mine)) / max(1, len(expected)))
    shares = np.delete(shares, 3)
    assert (shares == 1.0).all() if effort > 1 else 0.8 < shares.mean() < 1.0
    assert not (users == 3).any()
    assert built.lists.reaching(interests, bounds, 20, effort) is None


def test_where_little_is_long_enough_nothing_is_missed(monkeypatch):
    vectors, interests = made(30)
    ids = np.arange(900) * 3 + 1
    lists = InterestIndex.build(vectors, ids, "ivf").lists
    products = np.einsum("bnd,md->bnm", interests, vectors).max(axis=1)
    bounds = np.sort(products, axis=1)[:, -12].astype(np.float32) - 1e-4
    shares = lists._all.shares(interests, bounds)
    assert shares.shape == (30,) and 0 < shares.min() < shares.max() < 1
    monkeypatch.setattr(module, "_PAYS", float(np.median(shares)))
    users, found = lists.reaching(interests, bounds, 10**6)
    misses = np.zeros(30)
    for user in range(30):
        expected = ids[products[user] >= bounds[user]]
        mine = found[users == user]
        assert np.isin(mine, expected).all()
        misses[user] = (~np.isin(expected, mine)).sum()
        alone = lists.reaching(
            interests[user : user + 1], bounds[user : user + 1], 10**6
        )
        assert set(alone[1]) == set(mine)
    assert not misses[shares < module._PAYS].any() and misses.any()
    assert lists.reaching(interests, bounds, 20) is None
    np.testing.assert_array_equal(lists.vectors(ids[5:7]), vectors[5:7])


def test_the_first_are_good_and_different(monkeypatch):
    vectors, interests = made()
    built = InterestIndex.build(vectors, kind="ivf")
    found = built.lists.first(interests, 10)
    assert found.shape == (40, 10) and (found >= 0).all()
    assert all(len(set(row)) == 10 for row in found.tolist())
    assert np.mean(finds(found, best_of_any(vectors, interests, 10))) > 0.5
    few = InterestIndex.build(vectors[:7], kind="ivf").lists
    found = few.first(interests, 10)
    assert np.sort(found).tolist() == [[-1] * 3 + list(range(7))] * 40


def test_no_list_is_asked_where_the_longest_leave_little(monkeypatch):
    vectors, interests = made()
    vectors[:12] *= 50.0
    lists = InterestIndex.build(vectors, kind="ivf").lists
    best = np.sort(best_of_any(vectors, interests, 10))
    # The first user asks so weakly that any vector may do.
    interests[0] = 0.0
    asked = []

    def in_lists(interests, *arguments):
        asked.append(len(interests))
        return None

    monkeypatch.setattr(lists, "_first_of_lists", lambda x, k: -len(x))
    first = lists.first(interests, 10)
    assert (first[0] == -1).all()
    np.testing.assert_array_equal(np.sort(first)[1:], best[1:])
    monkeypatch.setattr(lists, "_reaching_in_lists", in_lists)
    bounds = np.full(40, 400.0, np.float32)
    users, found = lists.reaching(interests, bounds, 10**6)
    assert not asked and len(found) and set(found) <= set(range(12))
    bounds[0] = -1.0
    assert lists.reaching(interests, bounds, 10**6) is None
    assert asked == [1]


def test_pieces_of_users_change_nothing(monkeypatch):
    vectors, interests = made()
    lists = InterestIndex.build(vectors, kind="ivf").lists
    bounds = np.full(40, 5.0, np.float32)

    def answers():
        return (
            table_of_pairs(*lists.near(interests, 10), 40),
            np.sort(lists.first(interests, 10)),
            table_of_pairs(*lists.reaching(interests, bounds, 10**6), 40),
        )

    whole = answers()
    monkeypatch.setattr(module, "_PRODUCTS", 7 * 4 * 120)
    for found, expected in zip(answers(), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_far_interest_finds_nothing_of_its_own():
    vectors, interests = made()
    interests[:, 1:] *= 0.01
    built = InterestIndex.build(vectors, kind="ivf")
    found = built.search(interests, 10, together=True)
    alone = built.search(interests, 10)
    assert (found >= 0).sum() < 0.6 * (alone >= 0).sum()
    best = best_of_any(vectors, interests, 10)
    assert np.mean(finds(found, best)) > 0.8


def test_changes_are_seen():
    users = 5
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
    bounds = np.full(users, -np.inf, np.float32)
    _, every = built.lists.reaching(interests, bounds, 10**6)
    assert (every >= 0).all()
    for ids in (found, every, built.lists.first(interests, 300)):
        assert not np.isin(ids, gone).any() and np.isin(900, ids)


def test_more_than_there_are():
    vectors, interests = made(5, 30)
    built = InterestIndex.build(vectors, kind="ivf")
    found = built.search(interests, 1000, effort=100.0, together=True)
    assert found.tolist() == [list(range(30))] * 5


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_other_kinds_ask_one_by_one(kind):
    vectors, interests = made(5)
    built = InterestIndex.build(vectors, kind=kind)
    assert built.lists is None
    np.testing.assert_array_equal(
        built.search(interests, 10, together=True),
        built.search(interests, 10),
    )
