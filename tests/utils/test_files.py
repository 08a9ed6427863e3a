"""Outputs are complete or not there."""

import errno
import hashlib
import os

import pytest

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.utils import files


def test_folder_appears_complete(tmp_path):
    target = tmp_path / "parent" / "out"
    with files.atomic_folder(target) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "a"
    assert os.listdir(tmp_path / "parent") == ["out"]


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (KeyError("x"), KeyError, "x"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (OSError(errno.ENOSPC, "No space left"), UserError, "No space left"),
    ],
)
def test_a_failure_leaves_nothing(tmp_path, raised, expected, message):
    with pytest.raises(expected, match=message):
        with files.atomic_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("a")
            raise raised
    assert os.listdir(tmp_path) == []


def test_a_file_of_a_folder_that_fails_names_the_folder(tmp_path):
    full = OSError(errno.ENOSPC, "No space left")

    def fail(path):
        with files.atomic_output(path):
            raise full

    sentence = "/out could not be written: No space left; nothing was left of"
    with pytest.raises(UserError, match=f"^{tmp_path}{sentence}"):
        with files.atomic_folder(tmp_path / "out") as folder:
            with files.atomic_folder(folder / "inner") as inner:
                fail(inner / "a.txt")
    with pytest.raises(UserError, match="/elsewhere/a.txt could not be wri"):
        with files.atomic_folder(tmp_path / "out"):
            fail(tmp_path / "elsewhere" / "a.txt")


def test_existing_folder_is_kept_or_replaced(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(OutputExistsError, match="out exists already"):
        with files.atomic_folder(target):
            raise AssertionError("the block must not run")
    with pytest.raises(KeyError):
        with files.atomic_folder(target, overwrite=True):
            raise KeyError
    assert (target / "old").exists()
    with files.atomic_folder(target, overwrite=True) as folder:
        (folder / "new").write_text("new")
    assert os.listdir(target) == ["new"]
    assert os.listdir(tmp_path) == ["out"]


def test_second_writer_loses(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(OutputExistsError, match="out exists already"):
        with files.atomic_folder(target):
            target.mkdir()
            (target / "first").write_text("first")
    assert os.listdir(target) == ["first"]
    assert os.listdir(tmp_path) == ["out"]


def test_output_errors_are_file_errors_and_user_errors():
    assert issubclass(OutputExistsError, FileExistsError)
    assert issubclass(OutputExistsError, UserError)


def test_write_to_a_place_under_a_file_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written"):
        files.atomic_write(tmp_path / "file" / "x", "content")
    with pytest.raises(UserError, match="could not be written"):
        with files.atomic_folder(tmp_path / "file" / "x"):
            pass


def test_atomic_output_keeps_what_is_there(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(OutputExistsError, match="exists already"):
        with files.atomic_output(target):
            raise AssertionError("the block must not run")
    with pytest.raises(UserError, match="No space left"):
        with files.atomic_output(target, overwrite=True) as partial:
            partial.write_text("new")
            raise OSError(errno.ENOSPC, "No space left")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_json_round_trip_and_errors(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"ä": [1, 2.5, None]})
    assert files.read_json(path) == {"ä": [1, 2.5, None]}
    with pytest.raises(ValueError, match="Out of range float"):
        files.write_json(path, float("nan"))
    path.write_text("{")
    with pytest.raises(UserError, match="is not a JSON file"):
        files.read_json(path)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        files.read_json(tmp_path / "b.json")


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    expected = hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    assert files.sha256(tmp_path / "a") == expected
