"""Operations of a trace."""

import pandas as pd
import pytest

from benchmarks.trace import operations
from benchmarks.trace import part_of
from benchmarks.trace import self_times
from benchmarks.trace import top
from mgnm_tf.errors import UserError


def test_an_operation_is_not_charged_for_those_inside_it():
    events = [
        ("a/while:While", 0, 100),
        ("ExecutorState::Process", 5, 90),
        ("a/mul:Mul", 10, 30),
        ("a/call:Call", 50, 40),
        ("a/add:AddV2", 60, 10),
        ("a/next:Mul", 100, 7),
    ]
    assert self_times(events) == [
        ("a/while:While", 30),
        ("a/mul:Mul", 30),
        ("a/call:Call", 30),
        ("a/add:AddV2", 10),
        ("a/next:Mul", 7),
    ]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("while/body/_1/while/cond", "loop over steps"),
        ("w/StatefulPartitionedCall/mgnm_1/extractor_1/Mul", "mgnm/extractor"),
        ("w/StatefulPartitionedCall/lazy_adam_1/Unique", "lazy_adam"),
        (
            "w/StatefulPartitionedCall/gradient_tape/mgnm_1/a_1/b_2/c_1/d_1/Mul",
            "backward: mgnm/a/b/c",
        ),
        ("w/StatefulPartitionedCall/Sum", "step"),
        ("w/StatefulPartitionedCall/mgnm/a/while/b/Mul", "mgnm/a/while"),
    ],
)
def test_parts(name, part):
    assert part_of(name) == part


def test_top_sums_up():
    table = pd.DataFrame(
        {
            "name": ["a", "b", "c"],
            "type": ["Mul", "Add", "Mul"],
            "count": [2, 4, 6],
            "self_ms": [1.0, 2.0, 5.0],
        }
    )
    found = top(table, "type", steps=2).to_numpy().tolist()
    assert found == [["Mul", 4.0, 3.0, 75.0], ["Add", 2.0, 1.0, 25.0]]


def test_a_folder_without_a_trace(tmp_path):
    with pytest.raises(UserError, match="no trace"):
        operations(tmp_path)
