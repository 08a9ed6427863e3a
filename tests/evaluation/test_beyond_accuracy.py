"""Lists and what is said of them, against NumPy."""

import dataclasses

import numpy as np
import pytest

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.evaluation.beyond_accuracy import BestItems
from mgnm_tf.evaluation.beyond_accuracy import beyond_accuracy
from mgnm_tf.evaluation.beyond_accuracy import coverage
from mgnm_tf.evaluation.beyond_accuracy import gini
from mgnm_tf.evaluation.beyond_accuracy import novelty
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.selected import with_selected
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import make_model
from tests.evaluation.models import Fixed
from tests.evaluation.models import SumVector
from tests.training.worlds import small_data

PROTOCOL = Protocol(negatives="all", max_length=20)


@pytest.fixture(scope="module")
def data():
    return small_data()


def lists_of(model, features, **options):
    options = {
        "k": 4,
        "chunk_size": 7,
        "exclude_history": True,
    } | options
    return BestItems(model, **options)(features)


def batch(num_items, rows=6, seed=0):
    random = np.random.default_rng(seed)
    history = random.integers(1, num_items + 1, (rows, 5)).astype("int32")
    history[:, 4] = 0
    return {"user": np.arange(rows, dtype="int32"), "history": history}


@pytest.mark.parametrize("chunk_size", [1, 7, 50, 1000])
@pytest.mark.parametrize("exclude_history", [True, False])
def test_lists_are_the_best_by_definition(chunk_size, exclude_history):
    model, features = SumVector(9, 50), batch(50)
    table = np.asarray(model.table.embeddings)
    known = np.r_[np.zeros((1, 4)), table[1:]]
    scores = known[features["history"]].sum(axis=1) @ table.T
    scores[:, 0] = -np.inf
    if exclude_history:
        np.put_along_axis(scores, features["history"], -np.inf, axis=1)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :4]
    found = lists_of(
        model,
        features,
        chunk_size=chunk_size,
        exclude_history=exclude_history,
    )
    np.testing.assert_array_equal(found, expected)


def test_equal_scores_go_by_id_and_what_is_no_number_comes_last():
    scores = [9, 1, 1, np.nan, 2, 1]
    features = {"user": np.array([0]), "history": np.array([[2, 0]])}
    found = lists_of(Fixed(1, 5, scores), features, chunk_size=2)
    assert found.tolist() == [[4, 1, 5, 0]]


def test_half_precision():
    model, features = SumVector(9, 50, dtype="mixed_float16"), batch(50)
    found = lists_of(model, features, k=50, exclude_history=False)
    assert np.sort(found, axis=1).tolist() == [list(range(1, 51))] * 6


def test_the_catalogue_is_never_scored_at_once():
    seen = []

    class Spy(Fixed):
        def score(self, encoded, candidates, training=False):
            seen.append(tuple(candidates.shape))
            return super().score(encoded, candidates, training)

    lists_of(Spy(9, 50, np.arange(51)), batch(50))
    assert set(seen) == {(7,), (1,)}


def test_popular_items_are_not_novel_and_cover_little(data):
    counts = np.bincount(
        data.items[data.parts == 0], minlength=data.num_items + 1
    )
    popular = Fixed(data.num_users, data.num_items, counts)
    rare = Fixed(data.num_users, data.num_items, -counts)
    found = beyond_accuracy(popular, data, PROTOCOL)
    other = beyond_accuracy(rare, data, PROTOCOL)
    assert found["k"] == 5 and found["records"] == 59
    assert found["novelty"] < other["novelty"]
    assert found["coverage"] < 0.2 and found["gini"] > 0.8
    free = dataclasses.replace(PROTOCOL, exclude="none")
    assert beyond_accuracy(popular, data, free)["coverage"] == pytest.approx(
        5 / data.num_items
    )


def test_figures_do_not_depend_on_batches_and_chunks(data):
    model = SumVector(data.num_users, data.num_items)
    whole = beyond_accuracy(model, data, PROTOCOL)
    parts = beyond_accuracy(model, data, PROTOCOL, batch_size=7, chunk_size=9)
    assert parts == whole
    assert 0 < whole["coverage"] <= 1


def test_records_are_drawn_with_the_seed(data, monkeypatch):
    module = "mgnm_tf.evaluation.beyond_accuracy"
    monkeypatch.setattr(f"{module}.MAX_RECORDS", 20)
    model = SumVector(data.num_users, data.num_items)
    found = beyond_accuracy(model, data, PROTOCOL)
    assert found["records"] == 20
    assert beyond_accuracy(model, data, PROTOCOL) == found
    other = dataclasses.replace(PROTOCOL, seed=1)
    assert beyond_accuracy(model, data, other) != found


def test_a_model_that_looks_at_pairs_gets_fewer_records(data, monkeypatch):
    module = "mgnm_tf.evaluation.beyond_accuracy"
    model = SumVector(data.num_users, data.num_items)
    model.max_pairs = 1000
    assert beyond_accuracy(model, data, PROTOCOL)["records"] == 59
    monkeypatch.setattr(f"{module}._FEWEST_PAIRS", 1)
    # A tenth of 59 records, each among all items, or among 60 of 120.
    assert beyond_accuracy(model, data, PROTOCOL)["records"] == 5
    sampled = dataclasses.replace(PROTOCOL, negatives=59)
    assert beyond_accuracy(model, data, sampled)["records"] == 2
    model.max_pairs = None
    assert beyond_accuracy(model, data, sampled)["records"] == 59


def test_only_later_records_where_the_protocol_says_so(data):
    times = np.array(data.times)
    targets = data.positions("test")
    times[targets[:15]] = times[targets[:15] - 1]
    tied = dataclasses.replace(data, times=times)
    later = dataclasses.replace(PROTOCOL, later_only=True)
    model = SumVector(data.num_users, data.num_items)
    assert beyond_accuracy(model, tied, later)["records"] == 44


def test_selected_samples_keep_their_histories(data):
    chosen = data.positions("test")[::7]
    fewer = with_selected(data, "test", chosen)
    np.testing.assert_array_equal(fewer.positions("test"), chosen)
    for part in ("train", "validation"):
        np.testing.assert_array_equal(
            fewer.positions(part), data.positions(part)
        )
    assert fewer.items is data.items


def test_measures_against_their_definitions():
    random = np.random.default_rng(0)
    lists = random.integers(0, 31, (40, 5))
    counts = random.integers(1, 50, 30)
    listed = [item for row in lists.tolist() for item in row if item]
    assert coverage(lists, 30) == len(set(listed)) / 30
    bits = [-np.log2(counts[item - 1] / counts.sum()) for item in listed]
    assert novelty(lists, counts) == pytest.approx(np.mean(bits))
    # The mean difference of all pairs of items, over twice the mean.
    often = np.array([listed.count(item) for item in range(1, 31)], float)
    pairs = np.abs(often[:, None] - often).sum() / (2 * 30 * often.sum())
    assert gini(lists, 30) == pytest.approx(pairs * 30 / 29)


def test_measures_of_nothing():
    nothing = np.zeros((2, 3), int)
    assert coverage(nothing, 5) == novelty(nothing, np.ones(5)) == 0
    assert gini(nothing, 5) == gini(np.ones((2, 3), int), 1) == 0


@pytest.mark.parametrize("name", ["item_knn", "slirec", "tgsrec", "mgnm"])
def test_models_of_every_kind_list_what_they_score_highest(name, data):
    model = make_model(data, configure(name, max_length=20))
    some = with_selected(data, "test", data.positions("test")[:6])
    batches = make_dataset(
        some,
        "test",
        max_length=20,
        negatives=0,
        bucket_widths=(),
        features=model.required_features,
    )
    ((features, _),) = batches
    lists = lists_of(model, features, chunk_size=50, exclude_history=False)
    items = np.arange(1, data.num_items + 1, dtype="int32")
    encoded = model.encode(features, training=False)
    scores = np.asarray(model.score(encoded, items, training=False))
    np.testing.assert_allclose(
        np.take_along_axis(scores, lists - 1, axis=1),
        -np.sort(-scores, axis=1)[:, :4],
        rtol=1e-4,
        atol=1e-5,
    )
