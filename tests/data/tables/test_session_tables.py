"""The tables of the training sessions on logs that a hand can sort."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.tables.make_tables import make_tables


def sessions_data(names, times):
    """Training sessions (a b a), (b c), (c a c); two of the later parts."""
    items = ["a", "b", "a", "b", "c", "c", "a", "c", "a", "c", "a", "c"]
    owners = np.repeat([*names, "900", "901"], [3, 2, 3, 2, 2])
    parts = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    log = pd.DataFrame(
        {
            "user_id": owners,
            "item_id": items,
            "timestamp": times,
            "split": parts,
        }
    )
    return split_log(read_log(log, split_column="split"), "sessions")


ORDER = [1, 2, 3, 1, 2, 1, 2, 3, 1, 2, 1, 2]
TIMES = [50, 60, 70, 10, 20, 30, 31, 40, 900, 950, 900, 950]
A, B, C = 1, 2, 3


@pytest.mark.parametrize(
    ("names", "times", "expected"),
    [
        (["1", "2", "3"], TIMES, [[A, B], [A, C], [B, C]]),
        # By number, not by text: 10 is later than 9.
        (["9", "10", "8"], ORDER, [[B, C], [A, B], [A, C]]),
        (["x", "y", "z"], ORDER, [[A, C], [B, C], [A, B]]),
        # The first two end at the same time.
        (
            ["1", "3", "2"],
            [*TIMES[:3], 60, 70, *TIMES[5:]],
            [[B, C], [A, B], [A, C]],
        ),
    ],
)
def test_training_sessions(names, times, expected):
    data = sessions_data(names, times)
    table = make_tables(data, ["training_sessions"])["training_sessions"]
    found = np.split(table["items"], table["offsets"][1:-1])
    assert [part.tolist() for part in found] == expected
    np.testing.assert_array_equal(table["item_counts"], [0, 3, 2, 3])
    assert {one.dtype for one in table.values()} == {np.dtype("int32")}
