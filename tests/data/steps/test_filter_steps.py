"""Filters of sessions, one by one and in an order."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.filter_steps import FILTERS
from mgnm_tf.data.steps.filter_steps import apply_filters
from mgnm_tf.data.steps.filter_steps import check_filters
from mgnm_tf.data.steps.filters import filter_core
from mgnm_tf.data.steps.filters import filter_support
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.worlds import log_of


def rows_of(log):
    return [
        (log.user_ids[user], log.item_ids[item], int(time))
        for user, item, time in zip(log.users, log.items, log.times)
    ]


def test_first_events_are_the_first_by_time():
    rows = [("a", "x", 5), ("b", "x", 9), ("a", "y", 1), ("a", "z", 3)]
    # b's two events at 9 keep the order of the rows.
    rows += [("b", "y", 9), ("b", "z", 7)]
    kept = apply_filters(log_of(rows), ["first_events=2"])
    assert rows_of(kept) == [rows[1], rows[2], rows[3], rows[5]]
    assert kept.steps == (
        {"filter": "first_events", "count": 2, "dropped_events": 2},
    )


def test_no_repeats_looks_at_neighbours_of_one_user():
    rows = [("a", "x", 1), ("a", "x", 4), ("a", "x", 2), ("a", "y", 3)]
    rows += [("b", "y", 4), ("b", "y", 5), ("b", "y", 6), ("c", "y", 7)]
    kept = apply_filters(log_of(rows), ["no_repeats"])
    assert rows_of(kept) == [rows[0], rows[1], rows[3], rows[4], rows[7]]
    assert kept.steps == ({"filter": "repeats", "dropped_events": 3},)


@pytest.mark.parametrize("items", ["zzyyxxxw", "yyzzxxxw"])
def test_top_items_and_their_ties(items):
    rows = [("a", item, n) for n, item in enumerate(items)]
    kept = apply_filters(log_of(rows), ["top_items=2"])
    assert {item for _, item, _ in rows_of(kept)} == {"x", "y"}
    kept = apply_filters(log_of(rows), ["top_items=9"])
    assert len(kept) == 8
    assert kept.steps[0] == {
        "filter": "top_items",
        "count": 9,
        "dropped_events": 0,
    }


def test_support_is_counted_once():
    rows = [("a", "x", 1), ("a", "y", 2), ("b", "x", 3), ("c", "y", 4)]
    rows += [("c", "z", 5)]
    log = log_of(rows)
    kept = apply_filters(log, ["item_support=2"])
    # c has one event left, and stays.
    assert rows_of(kept) == rows[:4]
    assert kept.steps[0] == {
        "filter": "support",
        "min_user": 1,
        "min_item": 2,
        "dropped_events": 1,
    }
    assert rows_of(apply_filters(log, ["user_support=2"])) == [
        rows[0],
        rows[1],
        rows[3],
        rows[4],
    ]
    # Again until nothing changes: without b and z, x and c have one event.
    with pytest.raises(DataError, match="none of its 5 events"):
        apply_filters(log, ["core=2:2"])


def test_the_order_counts():
    rows = [("a", "x", 1), ("a", "x", 2), ("a", "y", 3), ("b", "y", 4)]
    log = log_of(rows)
    one = apply_filters(log, ["no_repeats", "first_events=2"])
    two = apply_filters(log, ["first_events=2", "no_repeats"])
    assert rows_of(one) == [rows[0], rows[2], rows[3]]
    assert rows_of(two) == [rows[0], rows[3]]


def random_log():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_id": random.zipf(1.5, 3000) % 300,
            "item_id": random.zipf(1.5, 3000) % 300,
            "timestamp": random.permutation(3000),
        }
    )
    return frame, read_log(frame)


def test_steps_agree_with_pandas():
    frame, log = random_log()
    kept = apply_filters(
        log,
        ["user_support=2", "first_events=20", "item_support=5"]
        + ["no_repeats", "user_support=2"],
    )

    def counted(frame, column, least):
        sizes = frame.groupby(column)[column].transform("size")
        return frame[sizes >= least]

    frame = frame.sort_values(["user_id", "timestamp"])
    frame = counted(frame, "user_id", 2)
    frame = frame[frame.groupby("user_id").cumcount() < 20]
    frame = counted(frame, "item_id", 5)
    same = frame["user_id"].eq(frame["user_id"].shift())
    frame = frame[~(same & frame["item_id"].eq(frame["item_id"].shift()))]
    frame = counted(frame, "user_id", 2).sort_index()
    assert 100 < len(frame) < 2000
    assert kept.times.tolist() == frame["timestamp"].tolist()


def test_core_is_that_of_filter_core():
    _, log = random_log()
    kept = apply_filters(log, ["core=3:4"])
    assert rows_of(kept) == rows_of(filter_core(log, 3, 4))
    assert kept.steps == filter_core(log, 3, 4).steps


def test_no_filters():
    log = log_of([("a", "x", 1)])
    assert apply_filters(log, []) is log


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("first_event=2", "Unknown filter 'first_event'. Did you mean 'first_"),
        ("", "Unknown filter ''"),
        ("first_events", "written as first_events=5, with whole numbers from"),
        ("first_events=", "Received: 'first_events='"),
        ("first_events=0", "Received: 'first_events=0'"),
        ("first_events=-1", "Received: 'first_events=-1'"),
        ("first_events=2:3", "Received: 'first_events=2:3'"),
        ("core=2", "written as core=2:5, with whole numbers from 1. Received"),
        ("core=2:x", "Received: 'core=2:x'"),
        ("no_repeats=1", "'no_repeats' is written as no_repeats. Received"),
    ],
)
def test_what_is_no_filter(text, message):
    with pytest.raises(UserError, match=message):
        check_filters(["no_repeats", text])
    with pytest.raises(UserError, match=message):
        apply_filters(log_of([("a", "x", 1)]), [text])


@pytest.mark.parametrize("name", ["user_support=9", "item_support=9"])
def test_nothing_left(name):
    with pytest.raises(DataError, match="none of its 1 events is left.*suppo"):
        apply_filters(log_of([("a", "x", 1)]), [name])


def test_wrong_numbers_in_python():
    log = log_of([("a", "x", 1)])
    with pytest.raises(ValueError, match="`min_item` must be at least 1"):
        filter_support(log, min_item=0)
    for name in ("first_events", "top_items"):
        with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
            FILTERS[name][1](log, 0)
