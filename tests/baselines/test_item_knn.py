"""Item-kNN against a dense cosine in NumPy."""

import numpy as np
import pytest

from baselines import item_knn
from baselines.item_knn import ItemKNN
from baselines.item_knn import nearest_items
from mgnm_tf.data.batches.pipeline import make_dataset

USERS, ITEMS = 30, 12


def made_events(seed=0, count=150):
    random = np.random.default_rng(seed)
    return (
        random.integers(1, USERS + 1, count),
        random.integers(1, ITEMS + 1, count),
    )


def cosine(users, items, shrinkage=0.0):
    """Returns the dense (M + 1, M + 1) similarities, diagonal 0."""
    taken = np.zeros((USERS + 1, ITEMS + 1))
    taken[users, items] = 1
    both = taken.T @ taken
    count = np.diag(both)
    norm = np.sqrt(np.outer(count, count)) + shrinkage
    similarity = np.divide(both, norm, out=np.zeros_like(both), where=norm > 0)
    np.fill_diagonal(similarity, 0)
    return similarity


def fitted(num_neighbors=ITEMS, **options):
    users, items = made_events()
    model = ItemKNN(USERS, ITEMS, num_neighbors=num_neighbors, **options)
    neighbors, similarities = nearest_items(
        users, items, USERS, ITEMS, num_neighbors, options.get("shrinkage", 0)
    )
    model.neighbors.assign(neighbors)
    model.similarities.assign(similarities)
    return model, cosine(users, items, options.get("shrinkage", 0.0))


def test_ties_at_the_cut_are_not_broken_by_the_number_of_the_item():
    # One user took all items, so that all are equally similar.
    items = np.arange(1, 201)
    ids, similarities = nearest_items(np.ones(200, int), items, 1, 200, 20)
    np.testing.assert_allclose(similarities[1:], 1.0)
    assert abs(ids[1:].mean() - 100) < 30
    # The same 20 for all, but for the item itself: a lot drawn for items.
    assert len(np.unique(ids[1:])) == 21


@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
@pytest.mark.parametrize("block", [1, 40, 10**9])
def test_nearest_items(shrinkage, block, monkeypatch):
    monkeypatch.setattr(item_knn, "BLOCK_ENTRIES", block)
    users, items = made_events(count=40)
    dense = cosine(users, items, shrinkage)
    ids, similarities = nearest_items(users, items, USERS, ITEMS, 8, shrinkage)
    assert ids.shape == similarities.shape == (ITEMS + 1, 8)
    for item in range(ITEMS + 1):
        best = np.sort(dense[item][dense[item] > 0])[::-1][:8]
        found = ids[item, : len(best)]
        assert len(set(found)) == len(best)
        # Any of equally similar ones may be kept.
        np.testing.assert_allclose(dense[item, found], best, rtol=1e-6)
        np.testing.assert_allclose(
            similarities[item, : len(best)], best, rtol=1e-6
        )
        assert not similarities[item, len(best) :].any()
        assert not ids[item, len(best) :].any()


HISTORY = np.array([[3, 5, 5, 0], [1, 0, 0, 0], [0, 0, 0, 0], [2, 7, 4, 9]])


@pytest.mark.parametrize("last", [None, 1, 2])
def test_score_is_the_sum_over_the_history(last):
    model, dense = fitted(last=last)
    candidates = np.tile(np.arange(ITEMS + 1), (4, 1))
    scores = model(
        {"user": np.ones(4, int), "history": HISTORY, "candidates": candidates}
    )
    for row, history in enumerate(HISTORY):
        items = history[history > 0]
        items = items if last is None else items[-last:]
        np.testing.assert_allclose(
            scores[row], dense[items].sum(axis=0), rtol=1e-5, atol=1e-6
        )


def test_neighbours_beyond_the_nearest_do_not_count():
    model, dense = fitted(num_neighbors=2)
    features = {
        "user": np.array([1]),
        "history": np.array([[3]]),
        "candidates": np.arange(1, ITEMS + 1)[None],
    }
    scores = np.asarray(model(features))[0]
    kept = np.sort(dense[3])[-2:]
    np.testing.assert_allclose(np.sort(scores)[-2:], kept, rtol=1e-5)
    assert np.count_nonzero(scores) == 2


def test_padding_never_scores():
    model, _ = fitted()
    features = {
        "user": np.array([1]),
        "history": np.array([[3, 4, 0]]),
        "candidates": np.array([[0, 5]]),
    }
    scores = np.asarray(model(features))[0]
    assert scores[0] == 0
    assert scores[1] > 0


def test_unknown_user_is_not_one_user():
    features = {
        "user": np.array([0, 0, 1]),
        "history": np.array([[1], [3], [1]]),
        "candidates": np.array([[2], [4], [3]]),
    }
    model = ItemKNN(num_users=1, num_items=4)
    model.fit(features, np.ones((3, 1)), verbose=0)
    dense = np.zeros((5, 5))
    for item, near, value in zip(
        range(5), model.neighbors.numpy(), model.similarities.numpy()
    ):
        dense[item, near] = value
    expected = np.zeros((5, 5))
    expected[1, 3] = expected[3, 1] = 1.0
    np.testing.assert_allclose(dense, expected)


def test_learns_what_the_pipeline_delivers(toy_data, training_events):
    model = ItemKNN(toy_data.num_users, toy_data.num_items)
    model.fit(make_dataset(toy_data, negatives=1, batch_size=16), verbose=0)
    ids, similarities = nearest_items(
        *training_events,
        toy_data.num_users,
        toy_data.num_items,
        model.neighbors.shape[1],
    )
    np.testing.assert_array_equal(model.neighbors.numpy(), ids)
    np.testing.assert_array_equal(model.similarities.numpy(), similarities)
    assert similarities.any()


def test_nothing_to_learn_from_is_no_error():
    model = ItemKNN(num_users=1, num_items=4)
    model.fit([], verbose=0)
    assert not model.similarities.numpy().any()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`num_neighbors` must be at least 1"):
        ItemKNN(1, 4, num_neighbors=0)
    with pytest.raises(ValueError, match="`last` must be at least 1"):
        ItemKNN(1, 4, last=0)
    with pytest.raises(ValueError, match="`shrinkage` must be between 0"):
        ItemKNN(1, 4, shrinkage=-1.0)
