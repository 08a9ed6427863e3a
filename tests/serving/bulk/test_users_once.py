import numpy as np
import pandas as pd
import pytest

from mgnm_tf.errors import DataError
from mgnm_tf.serving.bulk import users_once
from mgnm_tf.serving.bulk.users_once import check_users_once


def write(folder, *columns):
    files = []
    for number, column in enumerate(columns):
        files.append(folder / f"{number}.parquet")
        pd.DataFrame({"user": column}).to_parquet(files[-1])
    return files


@pytest.mark.parametrize(
    ("first", "second", "user"),
    [
        (["a", "b", "a"], ["c", "b"], "b"),
        ([1, 2], [3, 1], "1"),
        ([1, 2], ["2", "7"], "2"),
        (np.arange(5000), np.arange(4999, 9000), "4999"),
    ],
)
def test_a_user_in_two_files(tmp_path, first, second, user):
    files = write(tmp_path, ["x"], first, ["y"], second)
    with pytest.raises(DataError) as raised:
        check_users_once(files, "user", tmp_path)
    assert str(raised.value).startswith(
        f"The user {user!r} stands in {files[1]} and in {files[3]}; expected "
    )


def test_users_in_one_file_each(tmp_path):
    files = write(tmp_path, ["a", "b", "a"], [], ["c", "c"], np.arange(3000))
    (tmp_path / "9.parquet").write_text("poisoned")
    check_users_once([*files, tmp_path / "9.parquet"], "user", tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_equal_hashes_are_no_equal_users(tmp_path, monkeypatch):
    monkeypatch.setattr(
        users_once,
        "_hashed",
        lambda names: np.array([len(name) for name in names], np.uint64),
    )
    check_users_once(write(tmp_path, ["a"], ["b"]), "user", tmp_path)
    with pytest.raises(DataError, match="The user 'c' stands"):
        files = write(tmp_path, ["a", "c"], ["c", "d"])
        check_users_once(files, "user", tmp_path)
