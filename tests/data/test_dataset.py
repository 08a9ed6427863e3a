"""The form on disk: complete, checked, memory-mapped, without pickles."""

import dataclasses
import errno
import json
import os

import numpy as np
import pytest

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import DataError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from tests.data.worlds import log_of

ROWS = [("ü,1", "x", 1), ("ü,1", "\u2028y", 2), ("ü,1", "x", 3)]
ROWS += [("b", "\u2028y", 1), ("b", "x", 2), ("b", "x", 3)]


@pytest.fixture
def data():
    return split_log(log_of(ROWS, category=list("kkkkll")), name="small")


def test_positions_count_the_history(data):
    assert data.positions("train", min_history=0).tolist() == [0, 3]
    assert data.positions("train").tolist() == []
    assert data.positions("validation").tolist() == [1, 4]
    assert data.positions("test", min_history=2).tolist() == [2, 5]
    assert data.positions("test", min_history=3).tolist() == []
    assert data.positions("test").dtype == np.int64


def test_data_are_shown_in_one_line(data):
    shown = "SequenceDataset(6 events, 2 users, 2 items{})"
    assert repr(data) == shown.format(", split='leave_one_out'")
    assert repr(dataclasses.replace(data, metadata={})) == shown.format("")


def test_round_trip(data, tmp_path):
    data.save(tmp_path / "out")
    loaded = SequenceDataset.load(tmp_path / "out")
    for name in ("items", "times", "parts", "sequences", "offsets"):
        before, after = getattr(data, name), getattr(loaded, name)
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype
        assert isinstance(after, np.memmap)
        assert not after.flags.writeable
    assert loaded.user_ids == data.user_ids == ["b", "ü,1"]
    assert loaded.item_ids == data.item_ids == ["x", "\u2028y"]
    assert loaded.category_ids == data.category_ids == ["k"]
    assert loaded.metadata == data.metadata
    assert loaded.num_users == 2
    np.testing.assert_array_equal(loaded.item_categories, [0, 1, 1])
    assert (data.items.dtype, data.times.dtype) == (np.int32, np.int64)
    assert (data.parts.dtype, data.sequences.dtype) == (np.int8, np.int32)
    assert (data.offsets.dtype, data.item_categories.dtype) == (
        np.int64,
        np.int32,
    )


def test_fingerprint_follows_the_content(data, tmp_path):
    data.save(tmp_path / "out")
    loaded = SequenceDataset.load(tmp_path / "out")
    assert loaded.fingerprint == data.fingerprint
    assert dataclasses.replace(loaded).fingerprint == data.fingerprint
    other = dataclasses.replace(data, metadata={"name": "other"})
    assert other.fingerprint == data.fingerprint
    for name, value in {
        "items": data.items[::-1],
        "times": data.times + 1,
        "num_users": 1,
        "item_ids": ["x", "z"],
        "item_categories": None,
    }.items():
        changed = dataclasses.replace(data, **{name: value})
        assert changed.fingerprint != data.fingerprint, name


def test_same_log_gives_the_same_bytes(data, tmp_path):
    data.save(tmp_path / "one")
    split_log(log_of(ROWS, category=list("kkkkll")), name="small").save(
        tmp_path / "two"
    )
    for name in os.listdir(tmp_path / "one"):
        one = (tmp_path / "one" / name).read_bytes()
        assert one == (tmp_path / "two" / name).read_bytes(), name


def test_without_categories(tmp_path):
    split_log(log_of(ROWS)).save(tmp_path / "out")
    loaded = SequenceDataset.load(tmp_path / "out")
    assert loaded.item_categories is None
    assert loaded.num_categories == 0


def test_existing_folder(data, tmp_path):
    data.save(tmp_path / "out")
    with pytest.raises(OutputExistsError, match="out exists already"):
        data.save(tmp_path / "out")
    data.save(tmp_path / "out", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputExistsError, match="is not a data folder"):
        data.save(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_disk_full_leaves_nothing(data, tmp_path, monkeypatch):
    save = np.save

    def full(path, *arguments, **options):
        if path.name == "sequences.npy":
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, *arguments, **options)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(UserError, match="out could not be written: No space"):
        data.save(tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_not_a_data_folder(tmp_path):
    with pytest.raises(DataError, match="is not a data folder: there is no"):
        SequenceDataset.load(tmp_path / "nothing")
    with pytest.raises(DataError, match="is not a data folder: there is no"):
        SequenceDataset.load(tmp_path)
    for content, message in (
        ("{", "is not a JSON file.*Prepare the data again"),
        ("[]", "does not describe a data folder"),
        ("{}", "does not describe a data folder"),
        (
            '{"format": "mgnm_tf data", "format_version": 1}',
            "lacks 'fingerprint'",
        ),
    ):
        (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(DataError, match=message):
            SequenceDataset.load(tmp_path)


def test_another_version(data, tmp_path):
    data.save(tmp_path / "out")
    path = tmp_path / "out" / "dataset.json"
    header = json.loads(path.read_text())
    path.write_text(json.dumps({**header, "format_version": 99}))
    with pytest.raises(DataError, match="format version 99.*reads version 1"):
        SequenceDataset.load(tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["items.npy", "offsets.npy", "users.txt", "items.txt"]
)
def test_damage_is_found(data, tmp_path, name):
    data.save(tmp_path / "out")
    path = tmp_path / "out" / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is damaged"):
        SequenceDataset.load(tmp_path / "out")
    SequenceDataset.load(tmp_path / "out", verify=False)
    path.unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        SequenceDataset.load(tmp_path / "out", verify=False)


def test_pickles_are_refused(data, tmp_path):
    data.save(tmp_path / "out")
    bad = np.array([{"a": 1}], dtype=object)
    np.save(tmp_path / "out" / "items.npy", bad, allow_pickle=True)
    with pytest.raises(ValueError, match="object|pickle"):
        SequenceDataset.load(tmp_path / "out", verify=False)
