"""Ranks against NumPy, sampled and over the whole catalogue."""

import keras
import numpy as np
import pytest

from mgnm_tf.evaluation.ranking import RankingModel
from tests.evaluation.models import Fixed
from tests.evaluation.models import SumVector


def make_batch(num_items, rows=6, seed=0):
    """Returns features whose `excluded` is the history and the positive."""
    random = np.random.default_rng(seed)
    history = random.integers(1, num_items + 1, (rows, 5)).astype("int32")
    history[:, 4] = 0
    positive = random.integers(1, num_items + 1, (rows, 1)).astype("int32")
    return {
        "user": np.arange(rows, dtype="int32"),
        "history": history,
        "candidates": positive,
        "excluded": np.sort(np.c_[history, positive, positive], axis=1),
    }


def expected_ranks(scores, features):
    """Ranks by definition; `scores` is (B, M + 1)."""
    ranks, counts = [], []
    for row, excluded, positive in zip(
        scores, features["excluded"], features["candidates"][:, 0]
    ):
        others = np.delete(row, excluded)
        ranks.append(
            (others > row[positive]).sum()
            + 0.5 * (others == row[positive]).sum()
        )
        counts.append(len(others))
    return ranks, counts


@pytest.mark.parametrize("num_items", [7, 31, 32, 33, 100])
@pytest.mark.parametrize("chunk_size", [1, 32, 1000])
def test_catalogue_ranks_for_any_chunk(num_items, chunk_size):
    features = make_batch(num_items)
    # Few levels, so that there are many ties.
    levels = np.random.default_rng(1).integers(0, 4, num_items + 1)
    levels[0] = 100
    model = Fixed(9, num_items, levels)
    ranking = RankingModel(model, True, chunk_size)
    found = ranking.predict(features, verbose=0)
    ranks, counts = expected_ranks(np.tile(levels, (6, 1)), features)
    assert found["rank"].tolist() == ranks
    assert found["num_negatives"].tolist() == counts


def test_catalogue_ranks_depend_on_the_history():
    model = SumVector(9, 50)
    features = make_batch(50)
    table = np.asarray(model.table.embeddings)
    known = np.r_[np.zeros((1, 4)), table[1:]]
    scores = known[features["history"]].sum(axis=1) @ table.T
    found = RankingModel(model, True, 16).predict(features, verbose=0)
    ranks, counts = expected_ranks(scores, features)
    np.testing.assert_array_equal(found["rank"], ranks)
    np.testing.assert_array_equal(found["num_negatives"], counts)


def test_sampled_ranks():
    model = Fixed(9, 6, [0, 5, 3, 3, 2, 1, np.nan])
    features = make_batch(6, rows=3) | {
        "candidates": np.array([[3, 1, 2, 4], [6, 1, 2, 3], [1, 1, 2, 6]])
    }
    found = RankingModel(model).predict(features, verbose=0)
    assert found["rank"].tolist() == [1.5, 3.0, 1.5]
    assert found["num_negatives"].tolist() == [3, 3, 3]


@pytest.mark.parametrize("whole_catalogue", [False, True])
def test_constant_scorer_is_in_the_middle(whole_catalogue):
    features = make_batch(40)
    if not whole_catalogue:
        features["candidates"] = np.arange(1, 25).reshape(6, 4)
    model = Fixed(9, 40, np.ones(41))
    found = RankingModel(model, whole_catalogue, 8).predict(features, verbose=0)
    np.testing.assert_array_equal(found["rank"] * 2, found["num_negatives"])


def test_diverged_model_ranks_last_in_the_catalogue():
    model = Fixed(9, 40, np.full(41, np.nan))
    found = RankingModel(model, True, 8).predict(make_batch(40), verbose=0)
    np.testing.assert_array_equal(found["rank"], found["num_negatives"])


def test_half_precision_model():
    model = SumVector(9, 50, dtype="mixed_float16")
    features = make_batch(50)
    ranking = RankingModel(model, True, 16)
    assert ranking.dtype_policy.name == "mixed_float16"
    found = ranking.predict(features, verbose=0)
    assert found["rank"].dtype == "float32"
    reference = RankingModel(model, True, 64).predict(features, verbose=0)
    np.testing.assert_allclose(found["rank"], reference["rank"], atol=1)


def test_the_catalogue_is_never_scored_at_once():
    seen = []

    class Spy(Fixed):
        def score(self, encoded, candidates, training=False):
            seen.append(tuple(candidates.shape))
            return super().score(encoded, candidates, training)

    model = Spy(9, 1000, np.arange(1001))
    RankingModel(model, True, 64).predict(make_batch(1000), verbose=0)
    assert set(seen) == {(None, 1), (64,)} or set(seen) == {(6, 1), (64,)}


def test_chunk_size_is_checked():
    with pytest.raises(ValueError, match="chunk_size"):
        RankingModel(Fixed(1, 2, [0, 1, 2]), True, 0)


def test_weights_are_those_of_the_model():
    model = SumVector(9, 50)
    assert isinstance(RankingModel(model), keras.Model)
    assert RankingModel(model).weights[0] is model.weights[0]
