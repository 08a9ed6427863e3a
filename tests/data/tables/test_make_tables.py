import logging

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.tables.make_tables import make_tables
from mgnm_tf.errors import DataError


def log(times, categories=None):
    table = pd.DataFrame(
        {
            "user_id": [1, 1, 1, 1, 2, 2, 2],
            "item_id": ["a", "b", "a", "b", "b", "a", "b"],
            "timestamp": times,
        }
    )
    if categories is None:
        return read_log(table)
    table["category"] = categories
    return read_log(table, category_column="category")


ORDER = [1, 2, 3, 4, 1, 2, 3]


@pytest.mark.parametrize(
    ("times", "order_only"),
    [
        (ORDER, True),
        ([0, 1, 2, 3, 0, 1, 2], True),
        ([4, 3, 2, 1, 3, 1, 2], True),
        ([1, 2, 3, 5, 1, 2, 3], False),
        ([1, 2, 2, 3, 1, 2, 3], False),
        ([2, 3, 4, 5, 2, 3, 4], False),
        ([10**9 + n for n in ORDER], False),
    ],
)
def test_positions_are_told_from_times(times, order_only, tmp_path):
    read = log(times)
    assert read.order_only == order_only
    data = split_log(read)
    data.save(tmp_path / "data")
    assert data.load(tmp_path / "data").has_times == (not order_only)


def test_positions_stay_positions_after_a_filter():
    read = log(ORDER)
    kept = read.keep(np.arange(7) != 1, {"filter": "second row"})
    assert kept.order_only
    assert not split_log(kept).has_times


@pytest.mark.parametrize("key", ["history_time", "candidate_time"])
def test_times_are_asked_of_data_that_know_only_the_order(key):
    with pytest.raises(DataError, match=f"`{key}`.*no timestamps"):
        make_dataset(split_log(log(ORDER)), features=(key,))


@pytest.mark.parametrize("name", ["temporal_graph", "smallest_gaps"])
def test_tables_of_times_need_times(name):
    with pytest.raises(DataError, match="no timestamps"):
        make_tables(split_log(log(ORDER)), [name])


def test_smallest_gaps_are_whole_seconds_between_training_events():
    # Milliseconds; the last two events of a user are of later parts.
    times = [0, 2500, 9000, 9001, 0, 3000, 3001]
    data = split_log(log([1_700_000_000_000 + time for time in times]))
    assert data.time_unit == "ms"
    gaps = make_tables(data, ["smallest_gaps"])["smallest_gaps"]
    assert gaps.dtype == np.int32
    assert gaps.tolist() == [0, 2, 0]


def test_categories_are_those_of_the_items(caplog):
    data = split_log(log(ORDER, ["x", "y", "x", "y", "y", "x", "y"]))
    with caplog.at_level(logging.WARNING):
        tables = make_tables(data, ["item_categories"])
    assert list(tables) == ["item_categories"]
    np.testing.assert_array_equal(
        tables["item_categories"], data.item_categories
    )
    assert not caplog.messages


def test_items_without_a_category_are_told_of(caplog):
    data = split_log(log(ORDER, ["x", None, "x", None, None, "x", None]))
    tables = make_tables(data, ["item_categories"])
    np.testing.assert_array_equal(tables["item_categories"], [0, 1, 0])
    assert caplog.messages == [
        "1 of 2 items have no category; they share the vector of the "
        "category 0."
    ]


def test_categories_that_are_not_there():
    with pytest.raises(DataError, match="reads categories.*have none"):
        make_tables(split_log(log(ORDER)), ["item_categories"])


def test_an_unknown_table():
    with pytest.raises(ValueError, match="Did you mean 'item_categories'"):
        make_tables(split_log(log(ORDER)), ["item_category"])


def test_a_model_without_tables_takes_none():
    from baselines.gru4rec import GRU4Rec

    with pytest.raises(AttributeError, match="GRU4Rec has no tables"):
        GRU4Rec(2, 9).load_tables({})
