"""Ranks against NumPy, sampled and over the whole catalogue."""

import keras
import numpy as np
import pytest

from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.layers.scoring.level_pooling import MODES
from mgnm_tf.models.registry import model_class
from mgnm_tf.training.memory import peak_memory
from mgnm_tf.training.memory import reset_peak_memory
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


def expected_ranks(scores, features, tie=0.5):
    """Ranks by definition; `scores` is (B, M + 1)."""
    ranks, counts = [], []
    for row, excluded, positive in zip(
        scores, features["excluded"], features["candidates"][:, 0]
    ):
        others = np.delete(row, excluded)
        ranks.append(
            (others > row[positive]).sum()
            + tie * (others == row[positive]).sum()
        )
        counts.append(len(others))
    return ranks, counts


@pytest.mark.parametrize("num_items", [7, 31, 32, 33, 100])
@pytest.mark.parametrize(
    ("chunk_size", "tie"), [(1, 0.5), (32, 0.5), (1000, 0.5), (32, 1.0)]
)
def test_catalogue_ranks_for_any_chunk(num_items, chunk_size, tie):
    features = make_batch(num_items)
    # Few levels, so that there are many ties.
    levels = np.random.default_rng(1).integers(0, 4, num_items + 1)
    levels[0] = 100
    model = Fixed(9, num_items, levels)
    ranking = RankingModel(model, True, chunk_size, tie=tie)
    found = ranking.predict(features, verbose=0)
    ranks, counts = expected_ranks(np.tile(levels, (6, 1)), features, tie)
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
    found = RankingModel(model, tie=1.0).predict(features, verbose=0)
    assert found["rank"].tolist() == [2.0, 3.0, 2.0]
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
    assert set(seen) == {(64,)}


def rank_bounds(scores, features):
    """Bounds of the ranks by sorting: (lowest, highest), each (B,).

    What agrees with the positive within rounding may stand on either side of
    it or tie with it. The columns of one product of matrices need not have
    the same bits even for equal vectors: it depends on how the processor's
    library cut the product. `test_collapsed_model_is_in_the_middle` and those
    with a `Fixed` model count ties exactly.
    """
    lowest, highest = [], []
    for row, excluded, positive in zip(
        scores, features["excluded"], features["candidates"][:, 0]
    ):
        others = np.delete(row, excluded) - row[positive]
        slack = 2e-6 * np.abs(row).max()
        lowest.append((others > slack).sum())
        highest.append((others >= -slack).sum())
    return np.array(lowest), np.array(highest)


MODELS = [
    *(("mgnm", {"level_pooling": mode}) for mode in MODES),
    ("mgnm", {"interest_extractor": "self_attention"}),
    ("mgnm", {"interest_extractor": "sum"}),
    ("gru4rec", {}),
    ("gru4rec", {"tied": False}),
    ("caser", {"tied": True}),
    ("mind", {}),
    ("comirec_sa", {}),
]


def model_with_twins(name, options):
    """Returns a model, and a batch with its scores of all items.

    Each item has a twin with the same vector.
    """
    keras.utils.set_random_seed(5)
    model = model_class(name)(9, 61, **options)
    for weight in model.trainable_weights:
        weight.assign(keras.random.normal(weight.shape, 0.0, 0.5))
    table = model.item_embedding.embeddings
    values = np.array(table)
    values[31:61] = values[1:31]
    table.assign(values)
    features = make_batch(61, rows=9)
    everything = np.tile(np.arange(62, dtype="int32"), (9, 1))
    scores = np.asarray(model({**features, "candidates": everything}))
    return model, features, scores


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_catalogue_ranks_equal_scoring_and_sorting(name, options):
    model, features, scores = model_with_twins(name, options)
    lowest, highest = rank_bounds(scores, features)
    # One twin at most is near a positive, and nothing else.
    assert highest.max() < 61 and (highest - lowest).max() <= 1
    if options.get("tied", True):
        assert (highest > lowest).sum() > 3, "no tie"
    # By XLA; as a graph, for two kinds of scores; else step by step, for the
    # graph is the same that XLA compiles and takes longer to make.
    ways = [(16, True, False), (16, False, True), (62, False, True)]
    if (name, options) in (MODELS[0], ("gru4rec", {})):
        ways += [(62, True, False), (16, False, False)]
    for chunk_size, compile_scores, eagerly in ways:
        ranking = RankingModel(model, True, chunk_size, compile_scores)
        ranking.compile(run_eagerly=eagerly)
        rank = ranking.predict(features, batch_size=4, verbose=0)["rank"]
        assert np.all((lowest <= rank) & (rank <= highest)), (
            f"{chunk_size=}, {compile_scores=}, {eagerly=}: {rank}"
        )


@pytest.mark.parametrize("compile_scores", [True, False])
def test_collapsed_model_is_in_the_middle(compile_scores):
    keras.utils.set_random_seed(5)
    model = model_class("mgnm")(9, 500)
    table = model.item_embedding.embeddings
    vector = np.random.default_rng(0).normal(size=(1, 16))
    table.assign(np.repeat(vector, 501, axis=0))
    ranking = RankingModel(model, True, 64, compile_scores)
    found = ranking.predict(make_batch(500), verbose=0)
    np.testing.assert_array_equal(found["rank"] * 2, found["num_negatives"])


@pytest.mark.parametrize("compile_scores", [True, False])
@pytest.mark.parametrize("name", ["mgnm", "comirec_sa"])
def test_sampled_ranks_equal_scoring_and_sorting(name, compile_scores):
    keras.utils.set_random_seed(5)
    model = model_class(name)(9, 61)
    features = make_batch(61)
    candidates = np.random.default_rng(2).permuted(
        np.tile(np.arange(1, 62, dtype="int32"), (6, 1)), axis=1
    )[:, :40]
    features["candidates"] = candidates
    scores = np.asarray(model(features))
    ranking = RankingModel(model, compile_scores=compile_scores)
    found = ranking.predict(features, batch_size=4, verbose=0)
    ranks = (scores[:, 1:] > scores[:, :1]).sum(axis=1)
    assert found["rank"].tolist() == ranks.tolist()


@pytest.mark.large
def test_memory_grows_neither_with_items_nor_with_rows():
    peaks = []
    for num_items, rows in ((30_000, 256), (300_000, 256), (300_000, 2048)):
        model = model_class("mgnm")(9, num_items, embedding_dim=40)
        ranking = RankingModel(model, True)
        features = make_batch(num_items, rows)
        features["user"] %= 10
        # The table, and what was there before, are in memory already.
        reset_peak_memory()
        before = peak_memory()
        ranking.predict(features, batch_size=256, verbose=0)
        peaks.append(peak_memory() - before)
    assert max(peaks) < 500, peaks  # MiB


def test_chunk_size_is_checked():
    with pytest.raises(ValueError, match="chunk_size"):
        RankingModel(Fixed(1, 2, [0, 1, 2]), True, 0)


def test_weights_are_those_of_the_model():
    model = SumVector(9, 50)
    assert isinstance(RankingModel(model), keras.Model)
    assert RankingModel(model).weights[0] is model.weights[0]
