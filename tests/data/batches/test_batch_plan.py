"""Buckets: widths, order and errors."""

import tracemalloc

import numpy as np
import pytest

from mgnm_tf.data import dataset
from mgnm_tf.data.batches.batch_plan import place_dtype
from mgnm_tf.data.batches.batch_plan import plan_batches
from mgnm_tf.data.batches.batch_plan import resolve_widths
from mgnm_tf.data.batches.pipeline import num_batches
from mgnm_tf.errors import DataError
from tests.data.toy import toy_data


@pytest.mark.parametrize(
    ("max_length", "given", "expected"),
    [
        pytest.param(
            30,
            None,
            (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 30),
            id="default",
        ),
        pytest.param(3, None, (1, 2, 3), id="short"),
        pytest.param(50, (), (50,), id="one_width"),
        pytest.param(50, (20, 10, 10), (10, 20, 50), id="sorted"),
    ],
)
def test_widths(max_length, given, expected):
    assert resolve_widths(max_length, given) == expected


@pytest.mark.parametrize("width", [0, 51])
def test_width_out_of_range(width):
    with pytest.raises(
        ValueError, match="bucket_widths.*Received.*" + str(width)
    ):
        resolve_widths(50, (width,))


def test_plan_groups_all_targets_by_length():
    data = toy_data(mean_length=20)
    plan = plan_batches(data, "train", 32)
    assert sorted(plan.positions) == data.positions("train").tolist()
    length = plan.positions - data.offsets[data.sequences[plan.positions]]
    length = np.minimum(length, 32)
    for start, size, width in zip(plan.starts, plan.sizes, plan.widths):
        inside = slice(start, start + size)
        assert (length[inside] <= width).all()
        assert (length[inside] > width // 2).all() or width == 4
        assert (np.diff(plan.positions[inside]) > 0).all()
    assert plan.sizes.sum() == len(plan.positions)
    assert (plan.sizes > 0).all()


def test_empty_part_is_an_error():
    data = toy_data()
    data.parts[:] = 0
    with pytest.raises(DataError, match="no test event"):
        plan_batches(data, "test", 32)


@pytest.mark.parametrize("every_position", [False, True])
def test_blocks_change_nothing(every_position, monkeypatch):
    data = toy_data(mean_length=20)
    whole = plan_batches(data, "train", 32, every_position=every_position)
    batches = num_batches(data, batch_size=10, every_position=every_position)
    monkeypatch.setattr(dataset, "_BLOCK_EVENTS", 7)
    plan = plan_batches(data, "train", 32, every_position=every_position)
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(value, vars(plan)[name], err_msg=name)
    assert batches == num_batches(
        data, batch_size=10, every_position=every_position
    )


def test_a_place_takes_four_bytes_as_long_as_they_hold_it():
    assert place_dtype(2**31 - 1) == np.int32
    assert place_dtype(2**31) == np.int64


def test_a_plan_holds_little_besides_its_positions(monkeypatch):
    data = toy_data(num_sequences=5_000, mean_length=20)
    monkeypatch.setattr(dataset, "_BLOCK_EVENTS", 1_000)
    tracemalloc.start()
    plan = plan_batches(data, "train", 32)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert plan.positions.nbytes > 250_000
    assert plan.positions.dtype == np.int32
    assert peak < 1.3 * plan.positions.nbytes
