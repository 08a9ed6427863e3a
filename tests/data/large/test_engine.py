"""What the engine says, leaves and refuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mgnm_tf.data.large import block_writer
from mgnm_tf.data.large import choice
from mgnm_tf.data.large import engine
from mgnm_tf.data.large.duckdb_workspace import DuckDBWorkspace
from mgnm_tf.data.large.memory import read_memory
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.reading import parquet_table
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.large.logs import COLUMNS
from tests.data.large.logs import tied_log

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    tied_log().to_csv(path, index=False)
    return path


@pytest.fixture
def duckdb():
    return pytest.importorskip("duckdb", reason="needs the extra `large`")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4GB", 4_000_000_000),
        ("1.5 GiB", 3 << 29),
        ("800m", 800_000_000),
        ("300000000", 300_000_000),
    ],
)
def test_memory(text, expected):
    assert read_memory(text) == expected


@pytest.mark.parametrize(
    "text", ["4 potatoes", "", "GB", "-1GB", "1MB", "4٠GB"]
)
def test_memory_that_is_none(text, source, tmp_path):
    with pytest.raises(UserError, match="Received: " + repr(text)):
        prepare(source, tmp_path / "out", engine="duckdb", memory=text)


def test_memory_is_of_duckdb(source, tmp_path):
    with pytest.raises(UserError, match="a limit of the engine 'duckdb'"):
        prepare(source, tmp_path / "out", memory="4GB")
    with pytest.raises(ValueError, match="Did you mean 'duckdb'"):
        prepare(source, tmp_path / "out", engine="duckbd")


def test_without_duckdb(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UserError, match=r"pip install 'mgnm-tf\[large\]'"):
        prepare(source, tmp_path / "out", engine="duckdb")


def test_what_it_does_not_read(duckdb, tmp_path):
    with pytest.raises(UserError, match="reads files. Received: a table"):
        prepare(tied_log(20), tmp_path / "out", engine="duckdb")
    with pytest.raises(UserError, match="does not know 'column_names'"):
        prepare("x.csv", tmp_path / "out", engine="duckdb", column_names=["a"])


def test_large_logs_choose_it(duckdb, source, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(choice, "LARGE_ROWS", 1000)
    prepare(source, tmp_path / "out", progress=said.append)
    assert "so DuckDB prepares them" in said[0]
    assert [words.split()[0] for words in said[1:]] == [
        "reading",
        "numbering",
        "filtering",
        "splitting",
        "numbering",
        "sorting",
        "fingerprint",
    ]
    said.clear()
    prepare(source, tmp_path / "two", engine="in_memory", progress=said.append)
    assert said[0] == "reading"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rating_above": 2}, "no rating column was read"),
        ({**COLUMNS, "rating_above": 9}, "filter rating, above 9"),
        ({"min_user": 1000}, "is left after filtering"),
        ({"split": "sessions"}, "needs a column that says"),
        ({"item_column": "sku"}, "no column 'sku'; columns found: 'user_id'"),
        ({"time_column": "category"}, "row 1, column 'category': found"),
        ({"split": "last_days=99"}, "leaves the train part empty"),
        (
            {
                "split": "sessions",
                "split_column": "part",
                "filters": ["core=99:1"],
            },
            "is left after filtering",
        ),
    ],
)
def test_failure_leaves_nothing(duckdb, source, tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        prepare(source, tmp_path / "out", engine="duckdb", **options)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("engine", ["in_memory", "duckdb"])
def test_a_bad_row_is_named_with_its_file(engine, tmp_path):
    pytest.importorskip("duckdb", reason="needs the extra `large`")
    tied_log(50).to_csv(tmp_path / "a.csv", index=False)
    frame = tied_log(50).astype({"timestamp": object})
    frame.loc[7, "timestamp"] = "soon"
    frame.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match="b.csv, row 8, column 'timestamp'"):
        prepare(str(tmp_path / "?.csv"), tmp_path / "out", engine=engine)


@pytest.mark.parametrize("engine", ["in_memory", "duckdb"])
def test_files_that_differ(engine, tmp_path):
    pytest.importorskip("duckdb", reason="needs the extra `large`")
    (tmp_path / "log").mkdir()
    frame = tied_log(50)
    frame.to_parquet(tmp_path / "log" / "a.parquet")
    frame = frame.assign(user_id=np.arange(len(frame)))
    frame.to_parquet(tmp_path / "log" / "b.parquet")
    message = "b.parquet, column 'user_id': holds int64, but in"
    with pytest.raises(DataError, match=message):
        prepare(tmp_path / "log", tmp_path / "out", engine=engine)
    frame.drop(columns="user_id").to_parquet(tmp_path / "log" / "b.parquet")
    with pytest.raises(DataError, match="b.parquet has no column 'user_id'"):
        prepare(tmp_path / "log", tmp_path / "out", engine=engine)
    assert os.listdir(tmp_path) == ["log"]


def test_disk_full(duckdb, source, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(block_writer, "_array_file", full)
    with pytest.raises(UserError, match="out could not be written: No space"):
        prepare(source, tmp_path / "out", engine="duckdb")
    assert os.listdir(tmp_path) == []


def test_disk_full_in_the_database(duckdb, source, tmp_path, monkeypatch):
    def full(self, sql, *arguments):
        if "item_rows" in sql:
            with self.told():
                raise duckdb.IOException("write: No space left on device")
        return rows(self, sql, *arguments)

    rows = DuckDBWorkspace.rows
    monkeypatch.setattr(DuckDBWorkspace, "rows", full)
    with pytest.raises(UserError, match="out could not be written: No space"):
        prepare(source, tmp_path / "out", engine="duckdb")
    assert os.listdir(tmp_path) == []


def test_blocks_are_not_held(duckdb, tmp_path, monkeypatch):
    def watched(self, name, block):
        blocks.append(block.nbytes)
        held.append(pa.total_allocated_bytes() - before)
        return table_of(self, name, block)

    blocks, held = [], []
    table_of = DuckDBWorkspace.table_of
    monkeypatch.setattr(DuckDBWorkspace, "table_of", watched)
    monkeypatch.setattr(parquet_table, "_BLOCK_ROWS", 5_000)
    path = tmp_path / "log.parquet"
    tied_log(100_000).to_parquet(path, row_group_size=5_000)
    before = pa.total_allocated_bytes()
    prepare(path, tmp_path / "out", engine="duckdb")
    assert len(blocks) > 20
    # The file itself may be read ahead.
    assert max(held) < 8 * max(blocks)


def test_an_interruption_keeps_whole_phases(duckdb, source, tmp_path):
    def stop_at(word):
        def progress(words):
            said.append(words)
            if words.startswith(word):
                raise KeyboardInterrupt

        return progress

    said = []
    expected = prepare(source, tmp_path / "expected", engine="in_memory")
    options = {"engine": "duckdb", "name": "expected"}
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out", progress=stop_at("sort"), **options)
    # Its own name is not there, and nothing half-written beside it.
    assert sorted(os.listdir(tmp_path)) == [".out.prepare", "expected"]
    said.clear()
    data = prepare(source, tmp_path / "out", progress=said.append, **options)
    assert said[0].startswith("going on after 5 phases")
    assert said[1].startswith("sorting")
    assert data.fingerprint == expected.fingerprint
    assert sorted(os.listdir(tmp_path)) == ["expected", "out"]
    # Other options begin anew.
    again = {**options, "overwrite": True, "progress": stop_at("sort")}
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out", **again)
    said.clear()
    again["progress"] = said.append
    prepare(source, tmp_path / "out", **again, split="temporal")
    assert said[0].startswith("reading")


KILLED = """
import os, signal, sys
from mgnm_tf.data.prepare import prepare

def progress(words):
    print(words, flush=True)
    if words.startswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

prepare(*sys.argv[1:3], engine="duckdb", name="x", progress=progress)
"""


def test_killed_processes_go_on(duckdb, source, tmp_path):
    def call(word):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, source, tmp_path / "out", word],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout

    assert call("splitting")[0] == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert call("sorting")[0] == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    code, said = call("nothing")
    assert code == 0 and said.startswith("going on after 5 phases")
    expected = prepare(source, tmp_path / "x", engine="in_memory")
    assert expected.fingerprint in said
    assert sorted(os.listdir(tmp_path)) == ["out", "x"]


def test_one_process_at_a_time(duckdb, source, tmp_path):
    waiting = "import sys, time, duckdb\n"
    waiting += "c = duckdb.connect(sys.argv[1]); print(1, flush=True)\n"
    waiting += "time.sleep(60)"
    folder = tmp_path / ".out.prepare"
    folder.mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", waiting, folder / "log.duckdb"],
        stdout=subprocess.PIPE,
    )
    try:
        other.stdout.readline()
        with pytest.raises(UserError, match="by another process"):
            prepare(source, tmp_path / "out", engine="duckdb")
    finally:
        other.kill()
        other.communicate()


def test_a_file_that_tells_no_time_of_change_is_another_each_time(source):
    pytest.importorskip("upath", reason="needs the extra `large`")
    import fsspec
    from upath import UPath

    with fsspec.open("memory://state/log.csv", "wb") as file:
        file.write(source.read_bytes())
    address = UPath("memory://state/log.csv")
    assert engine._state(address) != engine._state(address)
    assert engine._state(source) == engine._state(source)
