"""Spark gives what the way in memory gives, to the last bit."""

import shutil
import sys

import pytest

from mgnm_tf.data.large.spark_reading import joined_kind
from mgnm_tf.data.prepare import prepare
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.large.logs import COLUMNS
from tests.data.large.logs import tied_log
from tests.data.large.parity import CASES
from tests.data.large.parity import TIMES
from tests.data.large.parity import both
from tests.data.large.parity import log_of_times
from tests.data.large.parity import write_logs
from tests.data.test_real_data import real


@pytest.fixture(scope="module")
def spark():
    """A Spark of two workers on this machine."""
    sql = pytest.importorskip("pyspark.sql", reason="needs the extra `spark`")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    patch = pytest.MonkeyPatch()
    patch.setenv("PYSPARK_PYTHON", sys.executable)
    local = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "3",
    }
    builder = sql.SparkSession.builder.master("local[2]")
    session = builder.config(map=local).getOrCreate()
    yield session
    session.stop()
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs")
    write_logs(path)
    return path


@pytest.mark.parametrize(("name", "options"), CASES)
def test_equal(name, options, spark, folder, tmp_path):
    both("spark", str(folder / name), tmp_path, **COLUMNS, **options)


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_read_alike(kind, spark, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(log_of_times(kind))
    both("spark", path, tmp_path)


def test_files_with_other_times_are_read_alike(spark, tmp_path):
    """The first file is whole numbers, the second one floats with exponents."""
    for part, texts in enumerate((["12", "1600000000"], ["1.6e9", "2e9"])):
        rows = [f"u{n % 9},i{n % 7},{texts[n % 2]}" for n in range(60)]
        text = "\n".join(["user_id,item_id,timestamp", *rows])
        (tmp_path / f"{part}.csv").write_text(text)
    both("spark", [tmp_path / "0.csv", tmp_path / "1.csv"], tmp_path)


def test_a_real_log(spark, tmp_path):
    source = real("MovieLens-100K.csv.gz")
    both("spark", source, tmp_path, min_user=5, min_item=5)


def test_a_bad_row_is_named_with_its_file(spark, tmp_path):
    tied_log(50).to_csv(tmp_path / "a.csv", index=False)
    frame = tied_log(50).astype({"timestamp": object})
    frame.loc[7, "timestamp"] = "soon"
    frame.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match="b.csv, row 8, column 'timestamp'"):
        prepare(str(tmp_path / "?.csv"), tmp_path / "out", engine="spark")
    tied_log(50).drop(columns="item_id").to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match="b.csv has no column 'item_id'"):
        prepare(str(tmp_path / "?.csv"), tmp_path / "out", engine="spark")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}


def test_an_interruption_keeps_whole_phases(spark, folder, tmp_path):
    def progress(words):
        said.append(words)
        if stops and words.startswith("splitting"):
            raise KeyboardInterrupt

    said, stops = [], True
    options = {"name": "log", "progress": progress}
    source = folder / "log.csv"
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out", engine="spark", **options)
    # Nothing half-written has the name of the data.
    assert [path.name for path in tmp_path.iterdir()] == [".out.prepare"]
    said, stops = [], False
    data = prepare(source, tmp_path / "out", engine="spark", **options)
    assert said[0].startswith("going on after 3 phases")
    assert said[1].startswith("splitting")
    expected = prepare(source, tmp_path / "log", engine="in_memory")
    assert data.fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("kinds", "joined"),
    [
        ([], ""),
        (["whole", "whole"], "whole"),
        (["whole", "decimal"], "decimal"),
        (["whole", "float", "decimal"], "float"),
        (["date", "whole"], "date"),
        (["whole", "date"], "float"),
    ],
)
def test_the_kind_of_times_of_several_files(kinds, joined):
    assert joined_kind(kinds) == joined


def test_without_pyspark(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(UserError, match=r"pip install 'mgnm-tf\[spark\]'"):
        prepare(tmp_path / "log.csv", tmp_path / "out", engine="spark")


def test_without_java(tmp_path, monkeypatch):
    pytest.importorskip("pyspark.sql", reason="needs the extra `spark`")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UserError, match="needs Java 17 or later"):
        prepare(tmp_path / "log.csv", tmp_path / "out", engine="spark")
