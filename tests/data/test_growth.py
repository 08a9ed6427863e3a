"""Rows of earlier data in data that grew, and which targets are new."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.growth import growth_of
from mgnm_tf.data.growth import without_old_targets
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import DataError
from tests.data.worlds import events_of

# Leave-one-out: the last event of a user is test, the last but one
# validation; both are training as soon as there are later ones.
OLD = [
    *(("b", "x", 1, "toys"), ("b", "z", 2, "books"), ("b", "x", 3, "toys")),
    *(("b", "z", 4, "books"), ("d", "z", 7, "books"), ("d", "x", 9, "toys")),
]
# New users a and c, new items m (of a known category), w and y.
NEW = [
    *OLD,
    *(("b", "y", 5, "new"), ("b", "w", 6, None), ("b", "x", 7, "toys")),
    *(("b", "m", 8, "toys"), ("b", "x", 9, "toys"), ("b", "x", 10, "toys")),
    *(("a", "x", 3, "toys"), ("c", "z", 1, "books")),
]


def data_of(rows):
    names = ["user_id", "item_id", "timestamp", "category"]
    frame = pd.DataFrame(rows, columns=names)
    return split_log(read_log(frame, category_column="category"))


@pytest.fixture
def old():
    return data_of(OLD)


@pytest.fixture
def new():
    return data_of(NEW)


def test_rows_are_found_by_id(old, new):
    growth = growth_of(old, new, "runs/a")
    assert (old.user_ids, old.item_ids) == (["b", "d"], ["x", "z"])
    assert new.user_ids == ["a", "b", "c", "d"]
    assert new.item_ids == ["m", "w", "x", "y", "z"]
    np.testing.assert_array_equal(growth.users, [0, 2, 4])
    np.testing.assert_array_equal(growth.items, [0, 3, 5])
    np.testing.assert_array_equal(growth.new_users, [1, 3])
    np.testing.assert_array_equal(growth.new_items, [1, 2, 4])
    assert [new.category_ids[row - 1] for row in growth.categories[1:]] == [
        "books",
        "toys",
    ]
    (added,) = growth.new_categories
    assert new.category_ids[added - 1] == "new"
    np.testing.assert_array_equal(growth.item_categories, new.item_categories)


def test_old_items_directly_beside_new_ones_are_neighbors(old, new):
    growth = growth_of(old, new, "runs/a")
    # z, y, w, x, m in the training part of b: w stands between y and x.
    named = [
        [new.item_ids[row - 1] for row in pair] for pair in growth.neighbors
    ]
    assert named == [["m", "x"], ["w", "x"], ["y", "z"]]


def test_only_targets_that_the_earlier_data_had_not_are_left(old, new):
    growth = growth_of(old, new, "runs/a")
    rest = without_old_targets(old, new, growth)
    assert set(events_of(old, "train")) >= {("b", "x", 1), ("b", "z", 2)}
    assert events_of(rest, "train") == [
        ("a", "x", 3),
        *(("b", "x", 3), ("b", "z", 4), ("b", "y", 5)),
        *(("b", "w", 6), ("b", "x", 7), ("b", "m", 8)),
        ("c", "z", 1),
    ]
    assert rest.fingerprint == new.fingerprint
    np.testing.assert_array_equal(rest.positions("test"), new.positions("test"))


def test_an_event_that_was_there_once_is_new_the_second_time():
    rest = [
        ("b", item, time, "t") for time, item in [(5, "x"), (7, "y"), (9, "x")]
    ]
    old = data_of([("a", "x", 1, "t"), ("a", "y", 2, "t"), *rest])
    new = data_of([("a", "x", 1, "t")] * 2 + [("a", "y", 2, "t")] * 3 + rest)
    left = without_old_targets(old, new, growth_of(old, new, "runs/a"))
    assert events_of(new, "train")[:3] == [
        *(("a", "x", 1), ("a", "x", 1), ("a", "y", 2)),
    ]
    assert events_of(left, "train") == [("a", "x", 1)]


def test_times_of_other_units_are_compared_in_seconds(old, new):
    fine = replace(new, times=np.asarray(new.times) * 1000, time_unit="ms")
    growth = growth_of(old, fine, "runs/a")
    rest = without_old_targets(old, fine, growth)
    expected = without_old_targets(old, new, growth)
    np.testing.assert_array_equal(rest.parts, expected.parts)


@pytest.mark.parametrize(
    ("gone", "kind", "name"), [(1, "items", "z"), (0, "users", "d")]
)
def test_ids_that_are_gone_are_named(old, gone, kind, name):
    rows = [row for row in NEW if row[gone] != name]
    with pytest.raises(DataError) as error:
        growth_of(old, data_of(rows), "runs/a")
    assert f"1 of the 2 {kind} of runs/a have no training event" in str(
        error.value
    )
    assert repr(name) in str(error.value)


def test_an_order_and_times_do_not_go_together(old, new):
    ordered = replace(new, metadata={**new.metadata, "order_only": True})
    with pytest.raises(DataError, match="only an order of events and those"):
        growth_of(old, ordered, "runs/a")
    with pytest.raises(DataError, match="have times and those of runs/a only"):
        growth_of(replace(old, metadata=ordered.metadata), new, "runs/a")
