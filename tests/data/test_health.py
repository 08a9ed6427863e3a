"""Facts about logs whose faults are known, because they were put there."""

import json

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.health import BURST
from mgnm_tf.data.health import QUANTILES
from mgnm_tf.data.health import log_health
from mgnm_tf.data.health_words import findings
from mgnm_tf.data.health_words import percent
from mgnm_tf.data.log import read_log

START = 1_400_000_000
DAY = 86_400


def health_of(users, items, times, now=2e9):
    frame = pd.DataFrame({"user_id": users, "item_id": items})
    return log_health(read_log(frame.assign(timestamp=times)), now)


def texts(health, split="leave_one_out"):
    return " ".join(text for _, text in findings(health, split))


def test_sizes():
    users = [1] * 4 + [2] * 2 + [3]
    health = health_of(users, [1, 2, 3, 4, 1, 2, 1], START + np.arange(7))
    assert (health.rows, health.users, health.items) == (7, 3, 4)
    assert health.events_per_user[0] == 1 and health.events_per_user[-1] == 4
    assert health.events_per_user[QUANTILES.index(0.5)] == 2
    assert health.events_per_item == tuple(
        np.quantile([3, 2, 1, 1], QUANTILES).tolist()
    )
    assert health.users_below_3 == 2
    found = dict((text, kind) for kind, text in findings(health, "temporal"))
    assert not any("fewer than 3" in text for text in found)
    assert "2 users (67 %) have fewer than 3 events" in texts(health)


def test_rows_that_repeat_and_items_that_come_again():
    users, items = [1, 1, 1, 1, 2], [5, 5, 5, 6, 5]
    health = health_of(users, items, START + np.array([0, 0, 9, 10, 0]))
    assert health.duplicates == 1
    assert health.repeats == pytest.approx(1 / 4)
    assert "1 rows (20 %) repeat user, item and time" in texts(health)
    assert "In 25 % of the events the user had the item before" in texts(health)


def test_ties_and_whole_days():
    times = START // DAY * DAY + DAY * np.array([0, 0, 1, 2, 2, 2])
    health = health_of([1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 3], times)
    assert health.whole_days and health.burst_events == 0
    assert health.ties == pytest.approx(3 / 4)
    assert "Times are whole days." in texts(health)
    assert "75 % of the events have the time of the user's event before" in (
        texts(health)
    )


def test_bursts():
    many = BURST + 2
    times = [START] * many + [START + 5] * (BURST - 1) + [START + 9]
    health = health_of([1] * len(times), np.arange(len(times)), times)
    assert (health.burst_events, health.largest_burst) == (many, many)
    assert f"the largest of {many}" in texts(health)


def test_clock_faults():
    times = np.array([START, START + 5, START + 2, 100, 3_000_000_000])
    health = health_of([1, 1, 1, 2, 2], [1, 2, 3, 1, 2], times, now=2e9)
    assert (health.in_future, health.before_first_year) == (1, 1)
    assert health.unordered == pytest.approx(1 / 3)
    said = texts(health)
    assert "1 rows have times in the future" in said
    assert "1 rows have times before 1995" in said
    assert "33 % of the rows are earlier than the user's row before" in said
    assert health_of([1, 1], [1, 2], [START, START + 1]).in_future == 0


def test_drift():
    """Of the last 10 of 100 events 4 are of a new item, 2 of new users."""
    users = np.arange(100) % 30
    items = np.arange(100) % 7
    items[90:94] = 50
    users[98:] = [70, 71]
    health = health_of(users, items, START + np.arange(100))
    assert health.new_items_at_end == pytest.approx(0.4)
    assert health.new_users_at_end == pytest.approx(0.2)
    # 7 of the 8 items of the log.
    assert health.popular is None and health.popular_that_stay is None
    said = texts(health)
    assert "most popular" not in said
    assert "20 % of users that were not there before." in said


@pytest.mark.parametrize("count", [10, 100])
def test_drift_of_what_is_popular(count):
    """Half of the items at the end were among the popular ones before."""
    popular, end = np.arange(count), np.arange(count) + count // 2
    others = np.arange(count, 4 * count)
    items = np.concatenate([np.repeat(popular, 3), np.repeat(others, 2), end])
    users, times = np.arange(len(items)) % 90, START + np.arange(len(items))
    health = health_of(users, items, times)
    assert (health.popular, health.popular_that_stay) == (count, 0.5)
    assert (
        f"50 % of its {count} most popular items were among the {count} most "
        "popular before."
    ) in texts(health)


def test_what_splits_leak():
    """Two users after each other: the first is tested before the second."""
    users, items = [1] * 5 + [2] * 5, [1, 2, 3, 4, 5] * 2
    health = health_of(users, items, START + np.arange(10))
    leave_one_out = health.leaks["leave_one_out"]
    assert leave_one_out["records_with_later"] == 0.5
    # Training: 3 events of each; all of the second's are later than the
    # first's test, none is later than the second's.
    assert leave_one_out["later_training"] == pytest.approx(0.25)
    # The events from 8 on are test, those before 7 are training.
    assert health.leaks["temporal"] == {"cold_users": 0.0, "cold_items": 0.0}
    said = texts(health)
    assert "Split leave_one_out (the split used here): 50 %" in said
    assert "Split temporal: leaks nothing" in said
    newcomers = health_of([1] * 8 + [2] * 2, range(10), START + np.arange(10))
    assert newcomers.leaks["temporal"] == {"cold_users": 1.0, "cold_items": 1.0}


def test_positions_leave_times_out():
    health = health_of([1, 1, 1, 2, 2], [1, 2, 3, 1, 2], [1, 2, 3, 1, 2])
    assert health.order_only
    assert health.ties is None and health.leaks is None
    assert "The log has positions, no times" in texts(health)


def test_facts_are_json_and_care_comes_first():
    users, items = np.arange(40) % 8, np.arange(40) % 3
    health = health_of(users, items, START + np.arange(40))
    assert json.loads(json.dumps(health.to_dict()))["rows"] == 40
    kinds = [kind for kind, _ in findings(health, "leave_one_out")]
    assert kinds == sorted(kinds) and set(kinds) == {"care", "fact"}


def test_shares_in_words():
    assert [percent(share) for share in (0.0, 0.0004, 0.034, 0.4)] == [
        "0.0 %",
        "below 0.1 %",
        "3.4 %",
        "40 %",
    ]
