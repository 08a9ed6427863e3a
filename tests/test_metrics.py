"""Ranking metrics: by hand, against libraries, and what must not matter."""

import ir_measures
import keras
import numpy as np
import pytest
from sklearn.metrics import ndcg_score
from sklearn.metrics import roc_auc_score

from mgnm_tf.metrics import MRR
from mgnm_tf.metrics import NDCG
from mgnm_tf.metrics import GroupAUC
from mgnm_tf.metrics import HitRate
from mgnm_tf.metrics import count_above
from mgnm_tf.metrics import positive_ranks

ALL = [
    pytest.param(lambda: HitRate(k=5), id="hit"),
    pytest.param(lambda: NDCG(k=5), id="ndcg"),
    pytest.param(lambda: MRR(k=5), id="mrr"),
    pytest.param(GroupAUC, id="gauc"),
]


def value_of(metric, *args, **kwargs):
    """Returns the value of a fresh metric after one batch."""
    metric.update_state(*args, **kwargs)
    return float(metric.result())


def random_batch(rows=200, columns=30, seed=0):
    """Returns labels with the positive anywhere, and scores without ties."""
    random = np.random.default_rng(seed)
    scores = random.permuted(
        np.tile(np.arange(columns, dtype="float32"), (rows, 1)), axis=1
    )
    labels = np.zeros((rows, columns), "float32")
    labels[np.arange(rows), random.integers(0, columns, rows)] = 1
    return labels, scores


@pytest.mark.parametrize(
    ("labels", "scores", "rank", "negatives"),
    [
        pytest.param([1, 0, 0], [3, 2, 1], 0, 2, id="first"),
        pytest.param([1, 0, 0], [1, 2, 3], 2, 2, id="last"),
        pytest.param([0, 1, 0], [1, 2, 3], 1, 2, id="not_column_0"),
        pytest.param([1, 0, 0, 0], [2, 2, 3, 1], 1.5, 3, id="tie_by_half"),
        pytest.param([1, 0, -1, -1], [1, 2, 9, 1], 1, 1, id="ignored"),
        pytest.param([1, 1, 0], [2, 9, 3], 1, 1, id="first_positive_counts"),
        pytest.param([0, 0, -1], [1, 2, 3], 0, 0, id="no_positive"),
        pytest.param([1, -1, -1], [1, 2, 3], 0, 0, id="no_negative"),
        pytest.param([1, 0, 0], [np.nan, 1, 2], 2, 2, id="nan_positive"),
        pytest.param([1, 0, 0], [5, np.nan, 2], 1, 2, id="nan_negative"),
    ],
)
def test_rank(labels, scores, rank, negatives):
    found = positive_ranks(np.array([labels]), np.array([scores], "float32"))
    assert [float(x[0]) for x in found] == [rank, negatives]


@pytest.mark.parametrize(
    ("metric", "name", "expected"),
    [
        (HitRate(k=2), "hit@2", (1 + 1 + 0) / 3),
        (NDCG(k=2), "ndcg@2", (1 + 1 / np.log2(3) + 0) / 3),
        (MRR(k=2), "mrr@2", (1 + 1 / 2 + 0) / 3),
        (GroupAUC(), "gauc", (1 + 2 / 3 + 0) / 3),
    ],
)
def test_by_hand(metric, name, expected):
    labels = np.array([[1.0, 0, 0, 0]] * 3)
    scores = np.array([[4.0, 1, 2, 3], [3, 4, 2, 1], [1, 2, 3, 4]])
    assert metric.name == name
    assert value_of(metric, labels, scores) == pytest.approx(expected)


def test_against_scikit_learn():
    labels, scores = random_batch()
    auc = [roc_auc_score(y, s) for y, s in zip(labels, scores)]
    found = value_of(GroupAUC(), labels, scores)
    assert found == pytest.approx(np.mean(auc), abs=1e-6)
    found = value_of(NDCG(k=7), labels, scores)
    assert found == pytest.approx(ndcg_score(labels, scores, k=7), abs=1e-6)


def test_against_scikit_learn_with_ties():
    labels, scores = random_batch()
    scores = np.floor(scores / 4)
    auc = [roc_auc_score(y, s) for y, s in zip(labels, scores)]
    found = value_of(GroupAUC(), labels, scores)
    assert found == pytest.approx(np.mean(auc), abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "name"),
    [(HitRate(k=5), "Success@5"), (NDCG(k=5), "nDCG@5"), (MRR(k=5), "RR@5")],
)
def test_against_ir_measures(metric, name):
    labels, scores = random_batch()
    qrels, run = {}, {}
    for row, (y, s) in enumerate(zip(labels, scores)):
        qrels[str(row)] = {str(c): int(y[c]) for c in range(len(y))}
        run[str(row)] = {str(c): float(s[c]) for c in range(len(s))}
    measure = ir_measures.parse_measure(name)
    expected = ir_measures.calc_aggregate([measure], qrels, run)[measure]
    found = value_of(metric, labels, scores)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: HitRate(k=5), 0.0),
        (lambda: HitRate(k=6), 1.0),
        (lambda: NDCG(k=6), 1 / np.log2(7)),
        (lambda: MRR(k=6), 1 / 6),
        (GroupAUC, 0.5),
    ],
)
def test_constant_scores_are_middling(make, expected):
    labels, scores = random_batch(columns=11)
    found = value_of(make(), labels, np.ones_like(scores))
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("make", ALL)
def test_diverged_model_is_last(make):
    labels, scores = random_batch()
    assert value_of(make(), labels, np.full_like(scores, np.nan)) == 0.0


@pytest.mark.parametrize("make", ALL)
def test_ignored_columns_and_rows_change_nothing(make):
    labels, scores = random_batch(rows=20)
    expected = value_of(make(), labels, scores)
    more_labels = np.r_[np.c_[labels, -np.ones((20, 3))], -np.ones((2, 33))]
    more_scores = np.pad(scores, ((0, 2), (0, 3)), constant_values=99.0)
    assert value_of(make(), more_labels, more_scores) == expected


@pytest.mark.parametrize("make", ALL)
def test_rows_without_a_negative_do_not_count(make):
    labels, scores = random_batch(rows=20)
    expected = value_of(make(), labels, scores)
    lone = np.where(labels[:5] == 1, 1.0, -1.0)
    found = value_of(make(), np.r_[labels, lone], np.r_[scores, scores[:5]])
    assert found == pytest.approx(expected, rel=1e-6)


def test_negatives_that_stand_twice_count_twice():
    labels, scores = random_batch(rows=20)
    ranks, negatives = positive_ranks(labels, scores)
    twice = positive_ranks(
        np.c_[labels, np.where(labels == 1, -1.0, labels)],
        np.c_[scores, scores],
    )
    np.testing.assert_array_equal(twice[0], 2 * np.asarray(ranks))
    np.testing.assert_array_equal(twice[1], 2 * np.asarray(negatives))


@pytest.mark.parametrize("make", ALL)
def test_nothing_but_ignored_is_zero(make):
    assert value_of(make(), -np.ones((2, 3)), np.ones((2, 3))) == 0.0


def test_k_above_the_number_of_candidates():
    labels, scores = random_batch(columns=4)
    ranks = np.asarray(positive_ranks(labels, scores)[0])
    assert value_of(HitRate(k=50), labels, scores) == 1.0
    assert value_of(MRR(k=50), labels, scores) == pytest.approx(
        (1 / (ranks + 1)).mean()
    )


@pytest.mark.parametrize("make", ALL)
def test_sample_weight(make):
    labels, scores = random_batch(rows=20)
    weight = np.r_[np.zeros(10), np.full(5, 2.0), np.ones(5)]
    expected = value_of(
        make(),
        np.r_[labels[10:15], labels[10:]],
        np.r_[scores[10:15], scores[10:]],
    )
    for shape in ((20,), (20, 1)):
        found = value_of(
            make(), labels, scores, sample_weight=weight.reshape(shape)
        )
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("make", ALL)
def test_two_batches_equal_one(make):
    labels, scores = random_batch()
    metric = make()
    metric.update_state(labels[:70], scores[:70])
    found = value_of(metric, labels[70:], scores[70:])
    assert found == pytest.approx(value_of(make(), labels, scores), rel=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("make", ALL)
def test_order_of_candidates_does_not_matter(make):
    labels, scores = random_batch()
    scores = np.floor(scores / 3)
    order = np.random.default_rng(1).permutation(labels.shape[1])
    found = value_of(make(), labels[:, order], scores[:, order])
    assert found == value_of(make(), labels, scores)


@pytest.mark.parametrize("make", ALL)
def test_config_round_trip(make):
    metric = make()
    stored = keras.saving.serialize_keras_object(metric)
    assert stored["registered_name"].startswith("mgnm_tf>")
    copy = keras.saving.deserialize_keras_object(stored)
    assert type(copy) is type(metric)
    assert copy.get_config() == metric.get_config()
    assert copy.name == metric.name


def test_half_precision_scores():
    labels, scores = random_batch()
    expected = value_of(NDCG(), labels, scores)
    found = value_of(NDCG(), labels, scores.astype("float16"))
    assert found == expected


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"one shape.*\(2, 3\) and \(2, 4\)"):
        NDCG().update_state(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="one shape"):
        NDCG().update_state(np.ones((2, 3)), np.ones((2, 1, 3)))


@pytest.mark.parametrize("metric", [HitRate, NDCG, MRR])
def test_k_is_checked(metric):
    with pytest.raises(ValueError, match="`k` must be at least 1"):
        metric(k=0)
    with pytest.raises(TypeError, match="`k` must be an integer"):
        metric(k=True)


def test_what_is_above_counts_with_ties_by_half_and_nan_as_above():
    scores = np.array([[1, 2, 3, 2, np.nan], [9, 9, 9, 9, 9]], "float32")
    positive = np.array([[2], [np.nan]], "float32")
    every = np.ones(5, bool)
    np.testing.assert_array_equal(
        count_above(scores, positive, every), [1 + 2 * 0.5 + 1, 5]
    )
    some = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0]], bool)
    np.testing.assert_array_equal(count_above(scores, positive, some), [1.5, 0])
