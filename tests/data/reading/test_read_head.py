"""The first rows of a file are those of the whole, and no more is read."""

import gzip

import pandas as pd
import pytest

from mgnm_tf.data.reading import column_contents
from mgnm_tf.data.reading.guess_columns import guess_columns
from mgnm_tf.data.reading.table import read_head
from mgnm_tf.data.reading.table import read_table
from mgnm_tf.errors import DataError

ROWS = 20


@pytest.fixture
def table():
    count = 5 * ROWS
    return pd.DataFrame(
        {
            "who": [f"u{row // 9}" for row in range(count)],
            "what": [f"i{row}" for row in range(count)],
            "at": range(1_500_000_000, 1_500_000_000 + count),
        }
    )


def written(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path, row_group_size=7)
    elif ".jsonl" in path.suffixes:
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    "name", ["log.csv", "log.csv.gz", "log.parquet", "log.jsonl.gz"]
)
def test_they_are_those_of_the_whole(name, table, tmp_path):
    path = written(table, tmp_path / name)
    columns = ["at", "who"]
    head = read_head(path, columns, ROWS).select(columns)
    whole = read_table(path, [], columns).select(columns)
    assert head.num_rows == ROWS
    assert head.equals(whole[:ROWS].combine_chunks())
    assert read_head(path, columns, 10**6).num_rows == len(table)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_no_rows(name, table, tmp_path):
    path = written(table[:0], tmp_path / name)
    head = read_head(path, ["what", "who"], ROWS)
    assert head.num_rows == 0
    assert set(head.column_names) == {"what", "who"}


def test_text_over_lines_is_not_cut(table, tmp_path):
    """Line 21 would be in the middle of a field."""
    table["what"] = "one\ntwo\nthree"
    path = written(table, tmp_path / "log.csv")
    head = read_head(path, ["what"], ROWS)
    assert set(head["what"].to_pylist()) == {"one\ntwo\nthree"}
    assert 0 < head.num_rows <= ROWS


def test_marks_that_are_never_closed_are_characters(table, tmp_path):
    table["what"] = 'a 12" record'
    path = tmp_path / "log.csv"
    lines = table.to_csv(index=False).replace('"a 12"" record"', 'a 12" record')
    path.write_text(lines)
    head = read_head(path, ["what"], ROWS)
    assert head["what"].to_pylist() == ['a 12" record'] * ROWS
    assert head.num_rows == ROWS


def test_what_comes_later_is_not_looked_at(table, tmp_path, monkeypatch):
    """Neither a row of other fields nor the end of a damaged file."""
    monkeypatch.setattr(column_contents, "ROWS", ROWS)
    path = written(table, tmp_path / "log.csv")
    path.write_text(path.read_text() + "1,2\n")
    with pytest.raises(DataError, match="found 2 fields"):
        read_table(path, [], ["who"])
    guess = guess_columns(path, {"item": "what"})
    assert (guess.user, guess.time) == ("who", "at")
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes() * 500)[:-9])
    assert read_head(packed, ["who"], ROWS).num_rows == ROWS


def test_what_is_wrong_in_them_is_told(table, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("who,what\n1,2\n1,2,3\n")
    with pytest.raises(DataError, match="row 2: found 3 fields, expected 2"):
        read_head(path, ["who"], ROWS)
    for other in (path, written(table, tmp_path / "log.parquet")):
        with pytest.raises(DataError, match="has no column 'when'"):
            read_head(other, ["when"], ROWS)
