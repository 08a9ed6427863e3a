"""The files of a log."""

import sys

import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.reading.source_files import describe
from mgnm_tf.data.reading.source_files import find_files
from mgnm_tf.data.reading.source_files import names_files
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.csv", "a/2.csv", "a/1.csv", "_SUCCESS", ".b.crc", "_t/x"):
        path = tmp_path / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"user_id,item_id,timestamp\nu,{name},1\n")
    return tmp_path / "log"


def names(files, folder):
    return [path.relative_to(folder).as_posix() for path in files]


def test_a_folder_is_read_in_the_order_of_names(folder):
    expected = ["a/1.csv", "a/2.csv", "b.csv"]
    assert names(find_files(folder), folder) == expected
    assert read_log(folder).item_ids == expected
    assert read_log(folder).source == str(folder)


def test_patterns_and_several_files(folder):
    assert names(find_files(f"{folder}/*/?.csv"), folder) == [
        "a/1.csv",
        "a/2.csv",
    ]
    both = [folder / "b.csv", folder / "a"]
    assert names(find_files(both), folder) == ["b.csv", "a/1.csv", "a/2.csv"]
    assert describe(both) == f"{folder / 'b.csv'} to {folder / 'a'}"
    # A file whose name looks like a pattern is that file.
    (folder / "x[1].csv").write_text("")
    assert names(find_files(folder / "x[1].csv"), folder) == ["x[1].csv"]


def test_nothing_is_found(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty is a folder without files"):
        read_log(tmp_path / "empty")
    with pytest.raises(DataError, match=r"\*.csv fits no file"):
        read_log(str(tmp_path / "*.csv"))
    with pytest.raises(DataError, match="No file is given"):
        find_files([])
    with pytest.raises(DataError, match="x.csv does not exist"):
        read_log(tmp_path / "x.csv")


def test_addresses(folder):
    pytest.importorskip("upath", reason="needs the extra `large`")
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in find_files(folder):
        memory.pipe(f"/log/{path.name}", path.read_bytes())
    assert names_files("memory://log")
    for source in ("memory://log", "memory://log/*.csv"):
        log = read_log(source)
        assert log.item_ids == ["a/1.csv", "a/2.csv", "b.csv"]
        assert log.source == source
    with pytest.raises(DataError, match="does not exist"):
        read_log("memory://nowhere/x.csv")
    with pytest.raises(UserError, match="nonsense://x cannot be opened"):
        read_log("nonsense://x")


def test_addresses_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(UserError, match=r"'mgnm-tf\[large\]' s3fs"):
        find_files("s3://bucket/log")
