"""Buckets: widths, order and errors."""

import numpy as np
import pytest

from mgnm_tf.data.batch_plan import plan_batches
from mgnm_tf.data.batch_plan import resolve_widths
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
