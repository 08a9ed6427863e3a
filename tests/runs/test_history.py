import pytest

from mgnm_tf.runs.history import best_epoch
from mgnm_tf.runs.history import cut_history
from mgnm_tf.runs.history import read_history


@pytest.mark.parametrize(
    "values, mode, expected",
    [
        ([1.0, 3.0, 2.0], "max", 1),
        ([1.0, 3.0, 0.5], "min", 2),
        ([1.0, 3.0, 3.0], "max", 1),
        ([float("nan"), 1.0], "max", 1),
        ([float("nan")], "min", 0),
    ],
)
def test_best_epoch(values, mode, expected):
    assert best_epoch(values, mode) == expected


def test_read_history_of_no_file(tmp_path):
    assert read_history(tmp_path / "none.csv") == []


def test_cut_history_drops_later_and_half_rows(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n0,0.5\n1,0.25\n2,0.")
    cut_history(path, 1)
    assert read_history(path) == [{"epoch": 0.0, "loss": 0.5}]
    cut_history(path, 0)
    assert not path.exists()
