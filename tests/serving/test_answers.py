"""Answers to queries are those of the recommender, filtered exactly."""

import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.serving.answers import Answers
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests.query import Query
from tests.export.worlds import ITEMS
from tests.export.worlds import export_sums
from tests.serving.exports import CATEGORIES
from tests.serving.exports import export_interests
from tests.serving.exports import export_times

HISTORIES = [["tea"], ["milk", "é", "tea"], [], ["gone", "[b]"]]


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    path = tmp_path_factory.mktemp("interests") / "served"
    return Recommender.load(export_interests(path))


@pytest.fixture(scope="module")
def answers(recommender):
    return Answers(recommender)


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    path = tmp_path_factory.mktemp("times") / "served"
    return Recommender.load(export_times(path))


def ranked(recommender, query, k):
    """Returns the whole list of one user as pairs."""
    table = recommender.recommend(
        [query.history],
        k=k,
        users=[query.user],
        exclude_seen=query.exclude_seen,
    )
    return list(zip(table["item_id"], table["score"]))


def pairs(answer):
    return list(zip(answer.ids, answer.scores))


def assert_equal(found, expected):
    assert [one for one, _ in found] == [one for one, _ in expected]
    np.testing.assert_allclose(
        [score for _, score in found],
        [score for _, score in expected],
        rtol=1e-5,
    )


def test_many_at_once_are_answered_as_each_alone(recommender, answers):
    queries = [
        Query(history, "ann", k=k, exclude_seen=seen)
        for history in HISTORIES
        for k in (1, 3, 5)
        for seen in (True, False)
    ]
    for query, found in zip(queries, answers.of(queries)):
        assert len(found.ids) <= query.k
        assert_equal(pairs(found), ranked(recommender, query, query.k))
        assert found.reasons is None


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("k", [1, 3, 9])
def test_filters_leave_what_the_whole_list_has_of_them(
    recommender, answers, history, exclude_seen, k
):
    allow = frozenset({"tea", "é", "[b]", "gone", "x\u2028y"})
    deny = frozenset({"é", "milk", "nothing"})
    category = dict(zip(ITEMS, CATEGORIES))
    for filters in (
        {"deny": deny},
        {"allow": allow},
        {"categories": frozenset({3})},
        {"categories": frozenset({1, 2}), "deny": deny},
        {"allow": allow, "deny": deny, "categories": frozenset({1, 3})},
        {"allow": frozenset()},
    ):
        query = Query(history, k=k, exclude_seen=exclude_seen, **filters)
        expected = [
            (one, score)
            for one, score in ranked(recommender, query, 9)
            if one not in query.deny
            and (query.allow is None or one in query.allow)
            and (query.categories is None or category[one] in query.categories)
        ]
        (found,) = answers.of([query])
        assert_equal(pairs(found), expected[:k])


def test_more_is_ranked_until_the_filter_has_enough(
    recommender, answers, monkeypatch
):
    asked = []
    rank = recommender.rank

    def counted(requests, k, exclude_seen):
        asked.append(k)
        return rank(requests, k, exclude_seen)

    monkeypatch.setattr(recommender, "rank", counted)
    monkeypatch.setattr("mgnm_tf.serving.answers._WIDER", 2)
    last = ranked(recommender, Query(["tea"]), 9)[-1][0]
    only = frozenset({int(CATEGORIES[ITEMS.index(last)])})
    (found,) = answers.of([Query(["tea"], k=1, categories=only)])
    (all_of_them,) = answers.of([Query(["tea"], k=9, categories=only)])
    assert found.ids == all_of_them.ids[:1]
    assert asked[0] == 2 and asked[-1] == 9


def test_diverse_lists_are_those_of_the_recommender(recommender, answers):
    (found,) = answers.of([Query(["tea"], k=4, diversity=5.0)])
    table = recommender.recommend([["tea"]], k=4, diversity=5.0)
    assert found.ids == list(table["item_id"])
    (plain,) = answers.of([Query(["tea"], k=4)])
    assert found.ids != plain.ids


def test_explained(answers):
    history = ["milk", "é", "tea"]
    (found,) = answers.of([Query(history, k=3, explain=True)])
    reasons = found.reasons
    assert reasons.attention.shape == (2, 3)
    np.testing.assert_allclose(reasons.attention.sum(axis=1), 1, rtol=1e-5)
    assert len(reasons.items) == 3
    assert all(one.interest in (1, 2) for one in reasons.items)
    (empty,) = answers.of([Query([], explain=True)])
    assert empty.reasons is None


def test_a_wrong_query_is_refused_alone(answers):
    wrong = Query(["tea"], categories=frozenset({1}))
    right = Query(["tea"], k=2)
    sums = answers
    first, second = sums.of([wrong, right])
    assert len(first.ids) and len(second.ids) == 2


def test_what_an_export_cannot_do(tmp_path):
    answers = Answers(Recommender.load(export_sums(tmp_path / "sums")))
    queries = [
        Query(["tea"], categories=frozenset({1})),
        Query(["tea"], k=2),
        Query(["tea"], diversity=1.0),
        Query(["tea"], k=2, explain=True),
    ]
    first, second, third, fourth = answers.of(queries)
    assert isinstance(first, UserError) and "categories" in str(first)
    assert second.ids == fourth.ids == ["é", "[b]"]
    assert isinstance(third, UserError) and "no item vectors" in str(third)
    assert fourth.reasons is None


def test_times(timed):
    answers = Answers(timed)
    mixed = Query(["tea", "milk"], times=[200, 100], time=300, k=3)
    assert mixed.history == ["milk", "tea"] and mixed.times == [100, 200]
    missing = Query(["tea"], k=3)
    empty = Query([], k=3)
    at = Query([], k=2, time=5)
    found = answers.of([mixed, missing, empty, at])
    table = timed.recommend(
        _frame([("u", "milk", 100), ("u", "tea", 200)]), k=3, times=[300]
    )
    assert found[0].ids == list(table["item_id"])
    assert "give `times`" in str(found[1])
    assert "give `time`" in str(found[2])
    assert found[3].ids == ["milk", "x\u2028y"]
    with pytest.raises(UserError, match="Received: 1 times, 2 items"):
        Query(["tea", "milk"], times=[1])


def _frame(rows):
    import pandas as pd

    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
