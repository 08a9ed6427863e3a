"""Sessions by a gap in time, and milliseconds within a day."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.sessions import cut_sessions
from mgnm_tf.data.steps.sessions import seconds_of_gap
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.worlds import log_of

DAY = 1_700_000_000
"""A moment that is no position in a sequence."""


def users_of(log):
    return [log.user_ids[code] for code in log.users]


@pytest.mark.parametrize(
    ("gap", "seconds"),
    [("1s", 1), ("30m", 1800), ("8h", 28_800), ("1d", 86_400)],
)
def test_seconds_of_gap(gap, seconds):
    assert seconds_of_gap(gap) == seconds


@pytest.mark.parametrize(
    "gap", ["0m", "-5m", "30", "m", "1.5h", "30 m", "2w", "", "30min", 30, "٣m"]
)
def test_what_is_no_gap(gap):
    with pytest.raises(UserError, match="whole number above 0 and one of s"):
        seconds_of_gap(gap)
    with pytest.raises(UserError, match="for example 30m. Received: "):
        cut_sessions(log_of([("a", "x", DAY)]), gap)


def test_a_gap_is_cut_where_it_is_exceeded():
    rows = [("a", "x", DAY), ("b", "x", DAY + 1), ("a", "y", DAY + 60)]
    # Out of order, and later than the row above by 60 and by 61 seconds.
    rows += [("a", "z", DAY + 181), ("a", "x", DAY + 120)]
    log = log_of(rows, rating=[1, 2, 3, 4, 5])
    cut = cut_sessions(log, "1m")
    assert users_of(cut) == ["a#1", "b#1", "a#1", "a#2", "a#1"]
    np.testing.assert_array_equal(cut.times, log.times)
    np.testing.assert_array_equal(cut.items, log.items)
    np.testing.assert_array_equal(cut.ratings, log.ratings)
    assert cut.steps == (
        {
            "filter": "sessions_by_gap",
            "gap": "1m",
            "users": 2,
            "sessions": 3,
            "dropped_events": 0,
        },
    )


def test_the_gap_holds_in_every_unit_of_time():
    rows = [("a", "x", DAY), ("a", "y", DAY + 60.0), ("a", "z", DAY + 120.001)]
    log = log_of(rows)
    assert log.time_unit == "ms"
    assert users_of(cut_sessions(log, "1m")) == ["a#1", "a#1", "a#2"]


def test_sessions_keep_apart_whatever_users_are_called():
    rows = [("a", "x", DAY), ("a#1", "x", DAY), ("a#1#1", "x", DAY)]
    rows += [(user, "y", DAY + 99) for user in ("a", "a#1", "a#1#1")]
    cut = cut_sessions(log_of(rows), "1m")
    assert len(set(users_of(cut))) == len(rows)


def test_sessions_agree_with_a_slow_loop():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_id": random.integers(0, 30, 2000),
            "item_id": random.integers(0, 9, 2000),
            "timestamp": DAY + random.integers(0, 100_000, 2000),
        }
    )
    cut = cut_sessions(read_log(frame), "10m")
    expected = {}
    for user, rows in frame.groupby("user_id"):
        number, before = 1, None
        for row in rows.sort_values("timestamp", kind="stable").itertuples():
            if before is not None and row.timestamp - before > 600:
                number += 1
            expected[row.Index], before = f"{user}#{number}", row.timestamp
    assert users_of(cut) == [expected[row] for row in range(2000)]
    assert len(set(expected.values())) > 500


def test_sessions_need_times():
    log = log_of([("a", "x", 1), ("a", "y", 2), ("b", "x", 1)])
    assert log.order_only
    with pytest.raises(
        DataError, match="cutting sessions by a gap in time nee"
    ):
        cut_sessions(log, "30m")


def read_days(days, milliseconds):
    frame = pd.DataFrame({"user_id": "a", "item_id": "x", "timestamp": days})
    frame["within"] = milliseconds
    return read_log(frame, milliseconds_column="within")


def test_milliseconds_are_added():
    log = read_days(["2016-05-09", "2016-05-10"], [1500, 0])
    assert log.time_unit == "ms"
    second = np.datetime64("2016-05-10", "ms").astype(np.int64)
    assert log.times.tolist() == [second - 86_400_000 + 1500, second]
    log = read_days(["2016-05-09T00:00:00.000001", "2016-05-10"], [7, 0])
    assert log.time_unit == "us"
    assert log.times[0] % 1_000_000 == 7001
    # Added to places in a sequence they would be neither times nor places.
    assert not read_days([0, 1], [5, 5]).order_only


@pytest.mark.parametrize("wrong", [-1, 0.5, None, "soon"])
def test_milliseconds_are_whole_numbers(wrong):
    with pytest.raises(DataError, match="row 2, column 'within': found"):
        read_days(["2016-05-09", "2016-05-10"], [0, wrong])
