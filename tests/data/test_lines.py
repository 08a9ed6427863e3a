import os

import numpy as np
import pytest

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.lines import Lines
from tests.training.worlds import small_data

IDS = ["b", "ü,1", "\u2028y", "a\rb", ""]


def written(path, ids):
    path.write_bytes("".join(f"{one}\n" for one in ids).encode("utf-8"))
    return Lines(path, len(ids))


def test_they_are_a_list(tmp_path):
    lines = written(tmp_path / "ids.txt", IDS)
    assert len(lines) == 5 and lines[1] == "ü,1" and lines[-2:] == IDS[-2:]
    assert list(lines) == IDS and lines == IDS and IDS == lines
    assert lines != IDS[:4] and "b" in lines and lines.index("a\rb") == 3
    array = np.asarray(lines, object)
    assert array.shape == (5,) and array.tolist() == IDS
    with pytest.raises(IndexError):
        lines[5]


def test_no_lines(tmp_path):
    lines = written(tmp_path / "ids.txt", [])
    assert len(lines) == 0 and list(lines) == [] and lines == []


def test_a_file_that_took_its_place_is_not_read(tmp_path):
    lines = written(tmp_path / "ids.txt", IDS)
    written(tmp_path / "other.txt", ["x"] * 5)
    os.replace(tmp_path / "other.txt", tmp_path / "ids.txt")
    assert list(lines) == IDS


def test_the_ids_of_users_are_read_when_they_are_asked_for(tmp_path):
    data = small_data()
    data.save(tmp_path / "data")
    loaded = SequenceDataset.load(tmp_path / "data")
    assert loaded.num_sequences == data.num_sequences == len(data.user_ids)
    assert "_lines" not in vars(loaded.user_ids)
    assert loaded.user_ids == data.user_ids
    assert "_lines" in vars(loaded.user_ids)
