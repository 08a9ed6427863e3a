"""Splits of whole sessions by the time at which they end."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.index import Sorted
from mgnm_tf.data.log import read_log
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.steps.session_splits import last_days
from mgnm_tf.data.steps.session_splits import read_training_share
from mgnm_tf.data.steps.splits import split_log
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


def test_the_latest_training_sessions_that_hold_a_share_stay():
    # 8 sessions of 1, 2, ..., 8 samples before the test.
    rows = []
    for number in range(8):
        rows += session(f"s{number}", number * DAY, "x" * (number + 2))
    rows += session("t0", 20 * DAY, "xx") + session("t1", 21 * DAY, "xx")
    log = log_of(rows)
    # Of 36 samples the last 8 hold 0.2; 9, a quarter, need one session more.
    for share, first in (
        ("0.2", 7),
        ("1/4", 6),
        (0.25, 6),
        ("0.23", 6),
        ("15/36", 6),
    ):
        with pytest.raises(DataError, match="leaves the validation part empty"):
            split_log(log, "last_days=7", training_share=share)
        parts, note = last_days(
            Sorted.of(log, np.lexsort((log.times, log.users))),
            7,
            read_training_share(share, "last_days=7"),
        )
        assert (parts == -1).sum() == sum(range(2, first + 2))
        assert note["sessions"] == {
            "train": 8 - first,
            "validation": 0,
            "test": 2,
        }
    # 31 of 36 samples: without the first two, and 10 % of 6 are validation.
    data = split_log(log, "last_days=7", training_share="31/36")
    assert parts_of(data) == {
        "train": {"s2", "s3", "s4", "s5", "s6"},
        "validation": {"s7"},
        "test": {"t0", "t1"},
    }
    assert data.metadata["split"]["training_share"] == "31/36"
    assert data.metadata["filters"][-1] == {
        "filter": "training_share",
        "share": "31/36",
        "dropped_events": 5,
    }
    assert data.metadata["filtered"]["users"] == 8
    whole = split_log(log, "last_days=7", training_share=1)
    assert parts_of(whole) == parts_of(split_log(log, "last_days=7"))


def test_the_share_of_the_test_part_is_of_all_sessions():
    """And sessions that end with the first of those that stay, stay, too."""
    days = [*range(1, 13), 12, 12, *range(13, 19)]
    log = log_of_days(days)
    data = split_log(log, "last_share=0.2", training_share="4/16")
    parts = parts_of(data)
    assert parts["test"] == {"s16", "s17", "s18", "s19"}
    assert parts["validation"] == {"s15"}
    # The fourth from the end is one of three that end on day 12.
    assert parts["train"] == {"s11", "s12", "s13", "s14"}
    small = split_log(log, "last_share=0.2", training_share="3/16")
    assert parts_of(small) == parts
    large = split_log(log, "last_share=0.2", training_share="6/16")
    assert parts_of(large)["train"] == {"s10", *parts["train"]}


@pytest.mark.parametrize("given", [True, False])
def test_a_share_of_given_sessions(given):
    rows = [(f"s{n:02}", item, 0) for n in range(20) for item in "xy"]
    parts = ["train"] * 12 * 2 + ["validation"] * 4 + ["test"] * 12
    if not given:
        parts = ["train"] * 28 + ["test"] * 12
    log = log_of(rows, split=parts)
    data = split_log(log, "sessions", training_share="1/2")
    found = parts_of(data)
    assert found["test"] == {f"s{n}" for n in range(14, 20)}
    assert found["validation"] == ({"s12", "s13"} if given else {"s13"})
    first, last = (6, 12) if given else (7, 13)
    assert found["train"] == {f"s{n:02}" for n in range(first, last)}
    assert data.metadata["split"]["training_share"] == "1/2"


@pytest.mark.parametrize(
    "share",
    ["0", 0, "1.5", 64, "-1/4", "x", "", "1/0", "nan", "25%", True, "٣"],
)
def test_what_is_no_share_of_the_training(share, tmp_path):
    message = "must be a number above 0 and at most 1, as in 1/64 or 0.25"
    with pytest.raises(UserError, match=message) as caught:
        split_log(log_of_days([1, 2]), "last_days=1", training_share=share)
    assert "\n" not in str(caught.value)
    # Before the log is read.
    with pytest.raises(UserError, match=message):
        prepare(
            tmp_path / "none.csv",
            tmp_path / "out",
            split="last_days=1",
            training_share=share,
        )


@pytest.mark.parametrize("split", ["leave_one_out", "temporal"])
def test_only_sessions_have_a_share_of_the_training(split):
    with pytest.raises(UserError, match="goes with the splits sessions, last_"):
        split_log(log_of_days([1, 2]), split, training_share="1/4")


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
