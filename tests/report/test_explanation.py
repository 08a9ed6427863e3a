import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.report.explanation import MAX_EVENTS
from mgnm_tf.report.explanation import Explainer
from mgnm_tf.report.explanation import Interests
from mgnm_tf.utils.winners import winning_interests
from tests.report.explain_world import MadeUpMixture
from tests.report.explain_world import MadeUpRecommender

ITEMS = [f"item {number}" for number in range(30)]
HISTORY = ["item 3", "gone", "item 7", "item 3", "item 9"]


def explain(history, recommender=None, k=5):
    recommender = recommender or MadeUpRecommender(ITEMS, levels=2, count=3)
    (found,) = Explainer(recommender, k).explain({"ann": history})
    return found


def test_events_are_the_newest_first_with_their_weights():
    found = explain(HISTORY)
    assert (found.user, found.length, found.empty) == ("ann", 5, False)
    # What stands before the first event that is read is not shown.
    assert [event.item for event in found.events] == HISTORY[::-1]
    assert [event.known for event in found.events] == [1, 1, 1, 0, 1]
    attention = MadeUpRecommender(ITEMS, 2, 3).interests([HISTORY])["attention"]
    for event, weights in zip(found.events, attention[0].T[::-1], strict=True):
        np.testing.assert_array_equal(event.weights, weights)
    total = sum(event.weights for event in found.events)
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_recommendations_name_interest_and_items_behind():
    recommender = MadeUpRecommender(ITEMS, levels=2, count=3)
    found = explain(HISTORY, recommender)
    made = recommender.interests([HISTORY])
    ids = recommender.recommend([HISTORY], k=5, users=["ann"])["item_id"]
    places = winning_interests(
        made["interests"], made["level"], recommender.item_vectors(ids)
    )[0]
    assert [one.item for one in found.recommendations] == list(ids)
    assert [one.place for one in found.recommendations] == places.tolist()
    np.testing.assert_array_equal(
        found.produced, np.bincount(places, minlength=6)
    )
    assert found.recommended.tolist() == [
        np.sum(places < 3),
        np.sum(places >= 3),
    ]
    weights = made["attention"][0][places[0]]
    totals = {
        "item 3": weights[0] + weights[3],
        "item 7": weights[2],
        "item 9": weights[4],
    }
    best = sorted(totals.items(), key=lambda pair: -pair[1])[:2]
    named = found.recommendations[0].sources
    assert [item for item, _ in named] == [item for item, _ in best]
    np.testing.assert_allclose(
        [share for _, share in named], [share for _, share in best], rtol=1e-5
    )


def test_winners_are_counted_over_the_catalogue():
    recommender = MadeUpRecommender(ITEMS, levels=2, count=3)
    made = recommender.interests([HISTORY])
    places = winning_interests(
        made["interests"], made["level"], recommender.vectors
    )[0]
    found = explain(HISTORY, recommender)
    assert found.sampled.tolist() == [np.sum(places < 3), np.sum(places >= 3)]


def test_of_a_large_catalogue_a_sample_is_counted():
    recommender = MadeUpRecommender([f"{one}" for one in range(3000)], 2, 2)
    found = explain(["1", "2"], recommender)
    assert found.sampled.sum() == 1000


def test_without_levels_interests_are_counted():
    interests = Interests(np.zeros(3, int), np.array([1, 2, 3]))
    assert interests.group_names == ["Interest 1", "Interest 2", "Interest 3"]
    assert interests.name(1) == "interest 2"
    assert interests.count(np.array([2, 2, 0])).tolist() == [1, 0, 2]


def test_levels_need_not_start_at_0():
    interests = Interests(np.array([1, 1, 3]), np.array([1, 2, 1]))
    assert interests.group_names == ["Level 1", "Level 3"]
    assert interests.name(2) == "level 3, interest 1"
    assert interests.count(np.array([2, 2, 0])).tolist() == [1, 2]


def test_long_histories_are_cut():
    history = [f"item {i % 9}" for i in range(1000)]
    found = explain(history)
    assert (found.length, len(found.events)) == (1000, 50)  # what is read
    recommender = MadeUpRecommender(ITEMS, 2, 3, max_length=500)
    found = explain(history, recommender)
    assert len(found.events) == MAX_EVENTS
    assert found.events[0].item == history[-1]


@pytest.mark.parametrize("history", [[], ["gone", "lost"]])
def test_nothing_known(history):
    found = explain(history)
    assert found.empty
    assert len(found.events) == len(history)
    assert [one.place for one in found.recommendations] == [None] * 5
    assert not found.sampled.any() and not found.produced.any()


def test_fewer_items_than_asked_for():
    found = explain(ITEMS[:28])
    assert len(found.recommendations) == 2
    assert explain(ITEMS).recommendations == []


def test_a_model_without_interests():
    recommender = MadeUpRecommender(ITEMS)
    recommender.interests = lambda *_, **__: {"interests": np.zeros((1, 1, 8))}
    with pytest.raises(UserError, match="needs a model with several interests"):
        Explainer(recommender)


def test_of_a_mixture_the_interest_that_adds_most_wins():
    shares = np.array([0.7, 0.2, 0.1])
    recommender = MadeUpMixture(ITEMS, shares)
    found = explain(HISTORY, recommender)
    np.testing.assert_array_equal(found.expected, shares)
    made = recommender.interest_distribution([HISTORY])["interests"][0]
    ids = [one.item for one in found.recommendations]
    products = made @ recommender.item_vectors(ids).T
    places = np.argmax(shares[:, None] * products, axis=0)
    assert [one.place for one in found.recommendations] == places.tolist()
    assert places.tolist() != np.argmax(products, axis=0).tolist()
    assert explain([], recommender).expected is None
    assert explain(HISTORY).expected is None


def test_shares_of_interests_add_up_to_those_of_levels():
    interests = Interests(np.array([0, 0, 1]), np.array([1, 2, 1]))
    shares = interests.share(np.array([0.5, 0.125, 0.375]))
    assert shares.tolist() == [0.625, 0.375]
