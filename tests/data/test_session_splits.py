"""Splits of whole sessions by the time at which they end."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.splits import split_log
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.worlds import events_of
from tests.data.worlds import log_of

START = 1_700_000_000
DAY = 86_400


def session(name, end, items="xy", unit=1):
    """A session of a click an hour; the last one `end` after `START`."""
    first = end - 3600 * (len(items) - 1)
    return [
        (name, item, (START + first + 3600 * n) * unit)
        for n, item in enumerate(items)
    ]


def log_of_days(days, items="xy"):
    """A session for each of the days at which they end."""
    rows = []
    for number, day in enumerate(days):
        rows += session(f"s{number:02}", int(day * DAY), items)
    return log_of(rows)


def parts_of(data):
    """Returns part -> the sessions in it."""
    return {
        part: {user for user, _, _ in events_of(data, part)}
        for part in ("train", "validation", "test")
    }


def test_last_days_take_the_sessions_from_the_limit_on():
    # Of 13 days the last 7: day 6 is at the limit, a second less is not.
    days = [*range(1, 5), 4.5, 6 - 1 / DAY, 6, 9, 13]
    data = split_log(log_of_days(days), "last_days=7")
    parts = parts_of(data)
    assert parts["test"] == {"s06", "s07", "s08"}
    # 10 % of 6 sessions, rounded.
    assert parts["validation"] == {"s05"}
    assert data.metadata["split"] == {
        "method": "last_days",
        "days": 7,
        "validation_from": START + 6 * DAY - 1,
        "test_from": START + 6 * DAY,
        "sessions": {"train": 5, "validation": 1, "test": 3},
    }


def test_a_session_across_the_limit_is_test_as_a_whole():
    days = [1, 2, 3, 4, 5, 6 + 0.5 / 24, 12, 13]
    data = split_log(log_of_days(days), "last_days=7")
    assert parts_of(data)["test"] == {"s05", "s06", "s07"}
    # Its first click is before the limit.
    assert min(time for _, _, time in events_of(data, "test")) < (
        START + 6 * DAY
    )


@pytest.mark.parametrize(("unit", "name"), [(1000, "ms"), (10**9, "ns")])
def test_days_hold_in_every_unit_of_time(unit, name):
    rows = []
    for number, day in enumerate([1, 2, 3, 4, 5, 6, 7, 13]):
        rows += session(f"s{number}", day * DAY, unit=unit)
    # A fraction of a second keeps the times in their unit.
    rows += [("s0", "x", (START - DAY) * unit + 1)]
    log = log_of(rows)
    assert log.time_unit == name
    data = split_log(log, "last_days=7")
    assert parts_of(data)["test"] == {"s5", "s6", "s7"}
    assert data.metadata["split"]["test_from"] == START + 6 * DAY


def test_last_share_counts_sessions_and_keeps_equal_ends_together():
    data = split_log(log_of_days(range(1, 21)), "last_share=0.2")
    parts = parts_of(data)
    assert parts["test"] == {"s16", "s17", "s18", "s19"}
    assert parts["validation"] == {"s14", "s15"}
    note = data.metadata["split"]
    assert (note["method"], note["share"]) == ("last_share", 0.2)
    # As many as a share of 0.2 rounded down; then equal ends come along.
    data = split_log(log_of_days(range(1, 20)), "last_share=0.2")
    assert len(parts_of(data)["test"]) == 3
    days = [*range(1, 13), 13, 13, 13, 16, 16, 16, 19, 20]
    data = split_log(log_of_days(days), "last_share=0.2")
    parts = parts_of(data)
    assert parts["test"] == {"s15", "s16", "s17", "s18", "s19"}
    assert parts["validation"] == {"s12", "s13", "s14"}


def test_last_share_needs_no_order_of_rows():
    log = log_of_days(np.random.default_rng(0).permutation(30) + 1)
    data = split_log(log, "last_share=0.2")
    ends = {
        part: [data.times[data.sequences == s].max() for s in sequences]
        for part, sequences in (
            (part, np.unique(data.sequences[data.parts == index]))
            for index, part in enumerate(("train", "validation", "test"))
        )
    }
    assert max(ends["train"]) < min(ends["validation"])
    assert max(ends["validation"]) < min(ends["test"])


def test_an_item_only_in_test_is_dropped_and_its_short_session_asks_nothing():
    rows = []
    for number in range(8):
        rows += session(f"s{number}", number * DAY)
    rows += session("v", 8 * DAY, "xy")
    rows += session("t1", 20 * DAY, "xNy")
    rows += session("t2", 20 * DAY, "xN")
    data = split_log(log_of(rows), "last_days=7")
    assert "N" not in data.item_ids
    assert data.metadata["cold_item_events"] == {"validation": 0, "test": 2}
    # Only t1 is left with two events; N no longer stands between them.
    (target,) = data.positions("test")
    before = data.item_ids[data.items[target - 1] - 1]
    assert (before, data.item_ids[data.items[target] - 1]) == ("x", "y")


def test_the_future_changes_nothing_in_training():
    log = log_of_days(range(1, 31), "xyz")
    frame = pd.DataFrame(
        {
            "user_id": [log.user_ids[code] for code in log.users],
            "item_id": [log.item_ids[code] for code in log.items],
            "timestamp": log.times,
        }
    )
    # Validation begins with the session that ends on day 21.
    later = frame["timestamp"] >= START + 20.5 * DAY

    def view(frame):
        data = split_log(read_log(frame), "last_days=7")
        training = data.parts == 0
        arrays = (data.items, data.times, data.sequences)
        return [data.item_ids, *(a[training].tolist() for a in arrays)]

    before = view(frame)
    future = frame.copy()
    random = np.random.default_rng(0)
    future.loc[later, "item_id"] = random.choice(list("xyzab"), later.sum())
    assert view(future) == before
    future.loc[~later & (frame["item_id"] == "z"), "item_id"] = "y"
    assert view(future) != before


@pytest.mark.parametrize("amount", ["", "0", "-7", "1.5", "x", "7d", "٣"])
def test_what_is_no_number_of_days(amount):
    with pytest.raises(UserError, match="'last_days' needs a whole number of"):
        split_log(log_of_days([1, 2]), f"last_days={amount}")


@pytest.mark.parametrize("amount", ["", "0", "1", "-0.2", "x", "nan", "20%"])
def test_what_is_no_share(amount):
    with pytest.raises(UserError, match="'last_share' needs a number between"):
        split_log(log_of_days([1, 2]), f"last_share={amount}")


def test_only_these_splits_take_a_number():
    with pytest.raises(UserError, match="needs a whole number of days"):
        split_log(log_of_days([1, 2]), "last_days")
    with pytest.raises(UserError, match="split 'temporal=3'. Did you mean 't"):
        split_log(log_of_days([1, 2]), "temporal=3")
    with pytest.raises(UserError, match="Did you mean 'last_days'"):
        split_log(log_of_days([1, 2]), "last_day=7")


@pytest.mark.parametrize("split", ["last_days=7", "last_share=0.2"])
def test_they_need_times(split):
    log = log_of([(s, "x", n) for s in "abc" for n in (1, 2)])
    with pytest.raises(DataError, match=f"split '{split}' needs times, but"):
        split_log(log, split)


def test_more_days_than_the_log_has():
    message = "spans 4.04 days and all .*within the last 7, .*the train part"
    with pytest.raises(DataError, match=message):
        split_log(log_of_days([1, 2, 3, 4, 5]), "last_days=7")


def test_a_share_of_too_few_sessions():
    with pytest.raises(DataError, match="of 4 sessions leaves the test part"):
        split_log(log_of_days([1, 2, 3, 4]), "last_share=0.2")


def test_too_few_sessions_for_validation():
    with pytest.raises(DataError, match="leaves the validation part empty"):
        split_log(log_of_days([1, 2, 3, 4, 5]), "last_share=0.2")


@pytest.mark.parametrize("split", ["last_days=7", "last_share=0.2"])
def test_sessions_of_one_click_only(split):
    log = log_of_days(range(1, 21), "x")
    with pytest.raises(DataError, match="only sessions of one event in the tr"):
        split_log(log, split)


def test_given_sessions_of_one_click_only():
    rows = [(f"s{n}", "x", 0) for n in range(20)]
    parts = ["train"] * 16 + ["test"] * 4
    with pytest.raises(DataError, match="'sessions' leaves only sessions of o"):
        split_log(log_of(rows, split=parts), "sessions")
