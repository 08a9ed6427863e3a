"""Each split by hand, and no look into the future."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.worlds import events_of
from tests.data.worlds import log_of

ITEMS = "xyz"


def test_leave_one_out():
    rows = [("b", "x", 9), ("a", "x", 1), ("a", "y", 2), ("a", "z", 3)]
    rows += [("b", "z", 4), ("b", "y", 4), ("c", "y", 1), ("c", "z", 2)]
    rows += [("a", "x", 5), ("d", "z", 0)]
    data = split_log(log_of(rows))
    assert events_of(data, "train") == [
        ("a", "x", 1),
        ("a", "y", 2),
        ("b", "z", 4),
        ("c", "y", 1),
        ("c", "z", 2),
        ("d", "z", 0),
    ]
    # b's events at time 4 keep the order of the rows.
    assert events_of(data, "validation") == [("a", "z", 3), ("b", "y", 4)]
    assert events_of(data, "test") == [("a", "x", 5), ("b", "x", 9)]
    assert data.user_ids == ["a", "b", "c", "d"]
    assert data.item_ids == ["x", "y", "z"]
    np.testing.assert_array_equal(data.offsets, [0, 0, 4, 7, 9, 10])
    np.testing.assert_array_equal(
        data.sequences, [1, 1, 1, 1, 2, 2, 2, 3, 3, 4]
    )
    assert data.metadata["counts"] == {
        "events": 10,
        "known_users": 4,
        "unknown_users": 0,
        "items": 3,
        "categories": 0,
        "train": 6,
        "validation": 2,
        "test": 2,
    }


def test_temporal_keeps_equal_times_together():
    times = [1, 2, 3, 4, 5, 6, 8, 8, 9, 10]
    rows = [(f"u{n % 2}", ITEMS[n % 2], time) for n, time in enumerate(times)]
    data = split_log(log_of(rows), "temporal", (7, 1, 2))
    # The eighth event stands at 8, and so does the seventh.
    assert sorted(t for _, _, t in events_of(data, "train")) == times[:6]
    assert sorted(t for _, _, t in events_of(data, "validation")) == [8, 8]
    assert sorted(t for _, _, t in events_of(data, "test")) == [9, 10]
    assert data.metadata["split"]["validation_from"] == 8
    assert data.metadata["split"]["test_from"] == 9


def test_temporal_new_users_and_items():
    rows = [("b", "x", n) for n in range(7)]
    rows += [("b", "x", 7), ("a", "x", 8), ("a", "new", 9)]
    data = split_log(log_of(rows), "temporal", (7, 1, 2), name="here")
    assert data.user_ids == ["b", "a"]
    assert data.num_users == 1
    assert data.num_sequences == 2
    assert data.item_ids == ["x"]
    np.testing.assert_array_equal(
        data.user_rows(np.array([0, 1, 2])), [0, 1, 0]
    )
    assert events_of(data, "test") == [("a", "x", 8)]
    assert data.metadata["name"] == "here"
    assert data.metadata["cold_item_events"] == {"validation": 0, "test": 1}
    assert data.metadata["filtered"] == {"events": 10, "users": 2, "items": 2}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, [1, 0, 0]),
        (2, [1, 1, 0]),
        (3, [2, 0, 1]),
        (5, [4, 0, 1]),
        (10, [7, 1, 2]),
        (100, [70, 10, 20]),
    ],
)
def test_per_user_ratio(size, expected):
    rows = [("a", "x", n) for n in range(size)]
    rows += [("b", "x", n) for n in range(10)]
    data = split_log(log_of(rows), "per_user_ratio", (0.7, 0.1, 0.2))
    parts = data.parts[data.sequences == 1]
    np.testing.assert_array_equal(np.bincount(parts, minlength=3), expected)
    assert (np.diff(parts) >= 0).all()


def test_per_user_ratio_keeps_a_training_event_for_everybody():
    rows = [("a", "x", 1), ("b", "x", 1)] + [("b", "x", n) for n in range(9)]
    data = split_log(log_of(rows), "per_user_ratio", (0.2, 0.3, 0.5))
    assert data.num_users == 2
    assert data.parts[data.sequences == 1].tolist() == [0]


def test_sessions_given():
    rows = [("s1", "x", 1), ("s1", "y", 2), ("s2", "x", 1), ("s2", "y", 2)]
    rows += [("s3", "y", 1), ("s3", "x", 2)]
    split = ["test"] * 2 + ["train"] * 2 + ["validation"] * 2
    data = split_log(log_of(rows, split=split), "sessions")
    assert data.num_users == 1
    assert data.user_ids == ["s2", "s1", "s3"]
    assert events_of(data, "test") == [("s1", "x", 1), ("s1", "y", 2)]
    assert data.positions("test").tolist() == [3]
    assert data.positions("test", min_history=2).tolist() == []


def test_sessions_take_the_last_tenth_for_validation():
    rows, split = [("t", "x", 0), ("t", "y", 1)], ["test"] * 2
    # All begin at position 1, so the place in the log decides.
    for number in reversed(range(20)):
        rows += [(f"s{number:02}", "x", 1), (f"s{number:02}", "y", 2)]
        split += ["train"] * 2
    data = split_log(log_of(rows, split=split), "sessions")
    users = [user for user, _, _ in events_of(data, "validation")]
    assert users == ["s00", "s00", "s01", "s01"]
    note = data.metadata["split"]["validation_sessions_taken_from_training"]
    assert note == 2


def test_sessions_errors():
    rows = [("s1", "x", 1), ("s1", "y", 2)]
    with pytest.raises(DataError, match="needs a column that says train"):
        split_log(log_of(rows), "sessions")
    with pytest.raises(DataError, match="'s1' has events in more than one"):
        split_log(log_of(rows, split=["train", "test"]), "sessions")


@pytest.mark.parametrize(
    ("rows", "method", "message"),
    [
        ([("a", "x", 1), ("b", "x", 2)], "leave_one_out", "the validation"),
        ([("a", "x", 1)], "temporal", "1 events are too few"),
        ([("a", "x", 5)] * 20, "temporal", "the train part empty"),
        ([("a", "x", 1), ("b", "x", 2)], "per_user_ratio", "the validation"),
        (
            [("a", item, n) for n, item in enumerate("wxyz")],
            "leave_one_out",
            "without new items, leaves the validation part empty",
        ),
    ],
)
def test_empty_part(rows, method, message):
    with pytest.raises(DataError, match=message):
        split_log(log_of(rows), method)


def test_one_user_is_enough():
    data = split_log(log_of([("a", "x", n) for n in range(4)]))
    assert [
        len(data.positions(p)) for p in ("train", "validation", "test")
    ] == [
        1,
        1,
        1,
    ]


def test_a_table_that_was_not_read_is_no_log():
    table = pd.DataFrame({"user_id": [1], "item_id": [1], "timestamp": [1]})
    with pytest.raises(TypeError, match=r"split_log\(read_log\(.*DataFrame"):
        split_log(table)


def test_wrong_arguments():
    log = log_of([("a", "x", n) for n in range(9)])
    with pytest.raises(UserError, match="Did you mean 'temporal'"):
        split_log(log, "temporl")
    for ratios in [(0.7, 0.3), (0.7, 0.3, 0.0), (1, 1, float("nan"))]:
        with pytest.raises(UserError, match="three positive numbers"):
            split_log(log, "temporal", ratios)
    with pytest.raises(ValueError, match="Did you mean 'test'"):
        split_log(log).positions("tests")


def test_categories_come_from_the_first_training_row():
    rows = [("a", "x", 2), ("a", "x", 1), ("a", "y", 3), ("a", "x", 4)]
    rows += [("a", "y", 5)]
    labels = ["late", "first", None, "test1", "test2"]
    data = split_log(log_of(rows, category=labels))
    # Row 1 of the log says "late"; time does not matter, "test1" is unseen.
    assert data.category_ids == ["late"]
    np.testing.assert_array_equal(data.item_categories, [0, 1, 0])


def random_frame(seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user_id": random.integers(0, 40, 2000),
            "item_id": random.integers(0, 90, 2000),
            "timestamp": random.integers(0, 1000, 2000),
            "category": random.integers(0, 9, 2000),
        }
    )


def training_view(data):
    """Everything a training run can see."""
    training = data.parts == 0
    counts = np.bincount(data.items[training], minlength=data.num_items + 1)
    return {
        "items": data.items[training].tolist(),
        "times": data.times[training].tolist(),
        "sequences": data.sequences[training].tolist(),
        "users": list(data.user_ids[: data.num_users]),
        "item_ids": data.item_ids,
        "categories": data.item_categories.tolist(),
        "category_ids": data.category_ids,
        "counts": counts.tolist(),
    }


@pytest.mark.parametrize(
    "method", ["temporal", "leave_one_out", "per_user_ratio", "sessions"]
)
def test_the_future_changes_nothing_in_training(method):
    """Events after the split get other items, categories and users."""
    frame = random_frame()
    if method == "sessions":
        later = frame["user_id"] >= 30
        frame["split"] = np.where(later, "test", "train")
        frame.loc[frame["user_id"].between(25, 29), "split"] = "validation"
        later |= frame["user_id"] >= 25
    else:
        ranks = frame.groupby("user_id")["timestamp"].rank("first")
        sizes = frame.groupby("user_id")["timestamp"].transform("size")
        later = {
            "leave_one_out": ranks > sizes - 2,
            "per_user_ratio": ranks > np.floor(sizes * 0.7 + 0.5),
            "temporal": frame["timestamp"] >= np.sort(frame["timestamp"])[1400],
        }[method]
    assert 50 < later.sum() < 1500

    def view(frame):
        columns = {"category_column": "category"}
        if method == "sessions":
            columns["split_column"] = "split"
        return training_view(split_log(read_log(frame, **columns), method))

    future = frame.copy()
    random = np.random.default_rng(1)
    size = int(later.sum())
    future.loc[later, "item_id"] = random.integers(50, 400, size)
    future.loc[later, "category"] = random.integers(0, 99, size)
    if method == "temporal":
        future.loc[later, "user_id"] = random.integers(0, 400, size)
    if method == "sessions":
        future.loc[later, "timestamp"] = random.integers(0, 9, size)
    before, after = view(frame), view(future)
    assert before == after
    # The check can fail: the same change before the split is seen.
    present = frame.copy()
    present.loc[~later, "item_id"] += 1
    assert view(present) != before


def test_order_of_rows_does_not_matter_without_ties():
    frame = random_frame().drop_duplicates(["user_id", "timestamp"])
    frame = frame.drop(columns="category")
    shuffled = frame.sample(frac=1, random_state=0)
    for method in ("temporal", "leave_one_out", "per_user_ratio"):
        one = split_log(read_log(frame), method)
        two = split_log(read_log(shuffled), method)
        assert one.fingerprint == two.fingerprint
