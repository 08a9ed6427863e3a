"""Events of one time: left out, or put into another order."""

import dataclasses

import numpy as np
import pytest
from keras import ops

from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.ties import with_shuffled_ties
from mgnm_tf.models.base import SequentialRecommender
from tests.data.toy import toy_data
from tests.data.worlds import log_of
from tests.evaluation.models import SumVector


def tied_data(seed=0):
    """Returns data in which three events on average share a time."""
    data = toy_data(seed=seed)
    place = np.arange(len(data.times)) - data.offsets[data.sequences]
    return dataclasses.replace(data, times=1_500_000_000 + place // 3 * 86400)


@pytest.mark.parametrize("negatives", [20, "all"])
def test_only_later_samples_count(negatives):
    data = tied_data()
    model = SumVector(data.num_users, data.num_items)
    every = evaluate(model, data, Protocol(negatives=negatives)).samples
    later = evaluate(
        model, data, Protocol(negatives=negatives, later_only=True)
    ).samples
    place = every["position"] - data.offsets[data.sequences[every["position"]]]
    expected = every[place % 3 == 0]
    assert 0 < len(expected) < len(every)
    assert later.to_dict("list") == expected.to_dict("list")


def test_a_sample_is_later_than_the_last_event_of_any_part():
    # The test events of u tie with its validation event, those of v do not.
    rows = [("u", "a", 1), ("u", "b", 2), ("u", "c", 3), ("u", "a", 3)]
    rows += [("v", "b", 1), ("v", "c", 2), ("v", "a", 3), ("v", "b", 4)]
    rows += [("w", item, time) for time, item in enumerate("abcab")]
    data = split_log(log_of(rows), "leave_one_out")
    model = SumVector(data.num_users, data.num_items)
    protocol = Protocol(negatives=1, exclude="none", later_only=True)
    samples = evaluate(model, data, protocol).samples
    assert samples["user_id"].tolist() == ["v", "w"]


def test_there_must_be_a_later_sample():
    data = toy_data()
    data = dataclasses.replace(data, times=np.zeros_like(data.times))
    model = SumVector(data.num_users, data.num_items)
    with pytest.raises(UserError, match="no test sample that is later than"):
        evaluate(model, data, Protocol(negatives=5, later_only=True))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_shuffled_are_earlier_events_of_one_time(part):
    data = tied_data()
    shuffled = with_shuffled_ties(data, part, 3)
    earlier = data.parts < PARTS.index(part)
    np.testing.assert_array_equal(
        shuffled.items[~earlier], data.items[~earlier]
    )
    moved = shuffled.items != data.items
    assert moved.any()
    groups = {}
    for position in np.flatnonzero(earlier):
        key = (data.sequences[position], data.times[position])
        pair = groups.setdefault(key, ([], []))
        pair[0].append(data.items[position])
        pair[1].append(shuffled.items[position])
    assert all(sorted(old) == sorted(new) for old, new in groups.values())
    for name in ("times", "parts", "sequences", "offsets"):
        assert getattr(shuffled, name) is getattr(data, name)
    again = with_shuffled_ties(data, part, 3)
    np.testing.assert_array_equal(shuffled.items, again.items)
    other = with_shuffled_ties(data, part, 4)
    assert (shuffled.items != other.items).any()


def test_each_order_of_a_tie_is_as_likely():
    rows = [("u", "a", 1), ("u", "b", 1), ("u", "c", 1)]
    rows += [("u", "a", 2), ("u", "b", 3)]
    data = split_log(log_of(rows), "leave_one_out")
    orders = [
        tuple(with_shuffled_ties(data, "test", seed).items[:3])
        for seed in range(600)
    ]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6 and min(counts) > 60


class LastItem(SequentialRecommender):
    """Scores every item by how near its id is to that of the last item."""

    def __init__(self, num_users, num_items):
        super().__init__(num_users, num_items)
        self.built = True

    def encode(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        length = ops.sum(ops.cast(history > 0, "int32"), axis=1)
        return ops.take_along_axis(history, length[:, None] - 1, axis=1)

    def score(self, encoded, candidates, training=False):
        return -ops.abs(ops.cast(candidates - encoded, "float32"))


def test_the_model_reads_the_drawn_order():
    data = tied_data()
    model = LastItem(data.num_users, data.num_items)
    source, drawn, again, other = (
        evaluate(model, data, Protocol(negatives=20, shuffle_ties=seed)).samples
        for seed in (None, 0, 0, 1)
    )
    # The same targets and the same negatives, where none is excluded anew.
    assert source.drop(columns="rank").equals(drawn.drop(columns="rank"))
    assert (source["rank"] != drawn["rank"]).any()
    assert (other["rank"] != drawn["rank"]).any()
    assert drawn.equals(again)


@pytest.mark.parametrize("option", [{"later_only": True}, {"shuffle_ties": 1}])
def test_without_times_there_are_no_ties(option):
    data = dataclasses.replace(toy_data(), metadata={"order_only": True})
    model = SumVector(data.num_users, data.num_items)
    with pytest.raises(DataError, match="the data have no timestamps"):
        evaluate(model, data, Protocol(negatives=5, **option))
