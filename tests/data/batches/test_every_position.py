"""Batches in which each event of a history has its next item as a target."""

import dataclasses

import numpy as np
import pytest

from mgnm_tf.data.batches.batch_plan import last_targets
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.batches.pipeline import num_batches
from tests.data.batches.test_pipeline import assert_same
from tests.data.batches.test_pipeline import collect
from tests.data.batches.test_pipeline import five_events
from tests.data.toy import toy_data


def batches(data, **options):
    """Returns one epoch of batches with three shared negatives."""
    given = {"negatives": 0, "shared_negatives": 3, **options}
    return collect(make_dataset(data, every_position=True, **given))


def targets_of(found):
    """Returns (user, visible events, target) of every row of all batches."""
    result = []
    for x, _ in found:
        width = x["history"].shape[1]
        for place, positive in zip(x["positions"], x["candidates"][:, 0]):
            row, column = divmod(int(place), width)
            visible = tuple(x["history"][row, : column + 1].tolist())
            result.append((int(x["user"][row]), visible, int(positive)))
    return sorted(result)


def expected_targets(data, max_length):
    """Returns what `targets_of` should find, from plain slices."""
    result = []
    for sequence in range(1, data.num_sequences + 1):
        first, end = data.offsets[sequence : sequence + 2]
        trained = int((data.parts[first:end] == 0).sum())
        targets = list(range(first + 1, first + trained))
        user = sequence if sequence <= data.num_users else 0
        while targets:
            run = targets[-max_length:]
            targets = targets[:-max_length]
            for target in run:
                visible = tuple(data.items[run[0] - 1 : target].tolist())
                result.append((user, visible, int(data.items[target])))
    return sorted(result)


def test_literal_batch():
    ((x, y),) = batches(five_events(), max_length=4, bucket_widths=())
    assert x["history"].tolist() == [[3, 1, 0, 0]]
    assert x["positions"].tolist() == [0, 1]
    assert x["candidates"].tolist() == [[1], [4]]
    assert y.shape == (2, 4)
    assert y[:, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("max_length", [1, 4, 7, 100])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_every_target_once_after_the_events_of_its_run(batch_size, max_length):
    data = toy_data(num_users=35)
    options = {"batch_size": batch_size, "max_length": max_length}
    found = batches(data, **options)
    assert targets_of(found) == expected_targets(data, max_length)
    assert len(targets_of(found)) == len(data.positions("train"))
    assert len(found) == num_batches(data, every_position=True, **options)


def test_events_that_are_no_target_are_none():
    data = toy_data()
    first = data.offsets[data.sequences]
    parts = np.where(np.arange(len(data.items)) < first + 4, 3, data.parts)
    data = dataclasses.replace(data, parts=parts.astype(np.int8))
    found = targets_of(batches(data, max_length=9))
    trained = np.flatnonzero(data.parts == 0)
    expected = sorted(
        (int(data.sequences[at]), int(data.items[at])) for at in trained
    )
    assert sorted((user, item) for user, _, item in found) == expected


def test_the_future_is_not_there():
    data = toy_data()
    later = data.parts > 0
    items = np.where(later, 1 + data.items % data.num_items, data.items)
    changed = dataclasses.replace(data, items=items.astype(np.int32))
    assert_same(batches(data, seed=1), batches(changed, seed=1))


def test_a_shared_negative_that_is_the_positive_of_a_row_does_not_count():
    found = batches(toy_data(num_items=5), logq_correction=True)
    met = 0
    for x, y in found:
        same = x["shared_negatives"] == x["candidates"]
        np.testing.assert_array_equal(y[:, 1:], np.where(same, -1.0, 0.0))
        assert x["log_sampling_probability"].shape == y.shape
        met += same.sum()
    assert met


def test_all_items_are_negatives_but_the_positive():
    data = toy_data(num_items=9)
    for x, y in batches(data, negatives="all", shared_negatives=0):
        items = np.arange(1, 10)
        np.testing.assert_array_equal(
            y[:, 1:], -1.0 * (items == x["candidates"])
        )


def test_times_are_those_of_the_history():
    data = toy_data()
    for x, _ in batches(data, features=("history_time",), max_length=8):
        valid = x["history"] > 0
        assert (x["history_time"][valid] > 0).all()
        assert not x["history_time"][~valid].any()
        rows = x["positions"] // x["history"].shape[1]
        assert (np.bincount(rows, minlength=len(valid)) == valid.sum(1)).all()


def test_a_batch_is_the_same_from_any_step():
    data = toy_data()
    options = {"batch_size": 4, "max_length": 6, "negatives": 0}
    options |= {"shared_negatives": 3, "every_position": True}
    whole = collect(make_dataset(data, first_step=0, **options), 30)
    assert_same(
        collect(make_dataset(data, first_step=20, **options), 10), whole[20:]
    )


def test_the_last_targets_of_runs():
    data = toy_data()
    found = last_targets(data, "train", 3)
    gaps = np.diff(found)[np.diff(data.sequences[found]) == 0]
    assert (gaps == 3).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": "test"}, "part='test'"),
        ({"negatives": 2}, "negatives=2"),
        ({"share": (0, 2)}, "cannot be shared"),
        ({"features": ("candidate_time",)}, "`candidate_time`"),
        ({"features": ("excluded",)}, "`excluded`"),
    ],
)
def test_refuses(options, message):
    given = {"negatives": 0, "shared_negatives": 3, **options}
    with pytest.raises(ValueError, match=message):
        make_dataset(toy_data(), every_position=True, **given)
