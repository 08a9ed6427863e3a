"""Filters keep the right events and say what they did."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.filters import drop_duplicates
from mgnm_tf.data.steps.filters import filter_core
from mgnm_tf.data.steps.filters import filter_rating
from mgnm_tf.errors import DataError
from tests.data.worlds import log_of

ROWS = [("a", "x", 1), ("a", "y", 2), ("b", "x", 3), ("b", "x", 3)]


def rows_of(log):
    return [
        (log.user_ids[user], log.item_ids[item], int(time))
        for user, item, time in zip(log.users, log.items, log.times)
    ]


def test_rating_is_strictly_above():
    log = log_of(ROWS, rating=[2, 2.5, 5, 1])
    kept = filter_rating(log, above=2)
    assert rows_of(kept) == [("a", "y", 2), ("b", "x", 3)]
    np.testing.assert_array_equal(kept.ratings, [2.5, 5])
    assert kept.steps == (
        {"filter": "rating", "above": 2, "dropped_events": 2},
    )


def test_rating_without_ratings_and_nothing_left():
    with pytest.raises(DataError, match="above 2 is asked for, but no rating"):
        filter_rating(log_of(ROWS), above=2)
    with pytest.raises(DataError, match="none of its 4 events is left.*above"):
        filter_rating(log_of(ROWS, rating=[1, 1, 1, 1]), above=5)


def test_duplicates_keep_the_first_row():
    rows = [("a", "x", 5), ("b", "x", 5), ("a", "x", 5), ("a", "x", 6)]
    rows += [("a", "y", 5), ("a", "x", 5)]
    log = log_of(rows, category=["k1", "k2", "k3", "k4", "k5", "k6"])
    kept = drop_duplicates(log)
    assert rows_of(kept) == [rows[0], rows[1], rows[3], rows[4]]
    labels = [kept.category_ids[code] for code in kept.categories]
    assert labels == ["k1", "k2", "k4", "k5"]
    assert kept.steps == ({"filter": "duplicates", "dropped_events": 2},)


def test_core_goes_on_until_nothing_changes():
    # Without d, y has one event; without y, c has one; then z has one.
    rows = [("a", "x", 1), ("a", "w", 2), ("b", "x", 3), ("b", "w", 4)]
    rows += [("c", "y", 5), ("c", "z", 6), ("b", "z", 7), ("d", "y", 8)]
    kept = filter_core(log_of(rows), min_user=2, min_item=2)
    assert rows_of(kept) == rows[:4]
    assert kept.steps[0]["dropped_events"] == 4


def test_core_agrees_with_a_slow_loop():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_id": random.zipf(1.5, 3000) % 300,
            "item_id": random.zipf(1.5, 3000) % 300,
            "timestamp": np.arange(3000),
        }
    )
    kept = filter_core(read_log(frame), min_user=3, min_item=4)
    before = -1
    while len(frame) != before:
        before = len(frame)
        for column, least in (("user_id", 3), ("item_id", 4)):
            counts = frame[column].value_counts()
            frame = frame[frame[column].map(counts) >= least]
    assert 0 < len(frame) < 3000
    assert kept.times.tolist() == frame["timestamp"].tolist()


def test_core_nothing_left_and_bad_arguments():
    with pytest.raises(DataError, match="none of its 4 events.*min_user 9"):
        filter_core(log_of(ROWS), min_user=9)
    with pytest.raises(ValueError, match="`min_item` must be at least 1"):
        filter_core(log_of(ROWS), min_item=0)
