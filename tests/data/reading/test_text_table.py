"""Text files: every row is read, or a sentence says which one cannot be."""

import gzip
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.reading import text_table
from mgnm_tf.data.reading.text_lines import LineCounter
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError

COLUMNS = ["user_id", "item_id", "timestamp", "title"]
ROWS = [[f"u{n % 7}", f"i{n % 5}", f"{n}", "plain"] for n in range(1, 41)]


def write(path, rows, separator=",", end="\n", header=True):
    lines = [separator.join(row) for row in [COLUMNS] * header + rows]
    content = "".join(line + end for line in lines).encode()
    path.write_bytes(
        gzip.compress(content) if path.suffix == ".gz" else content
    )
    return path


def titled(**titles):
    """Returns the rows with other titles: `row_3="x"` for the third row."""
    rows = [list(row) for row in ROWS]
    for name, title in titles.items():
        rows[int(name.removeprefix("row_")) - 1][3] = title
    return rows


OPEN = [
    pytest.param({"row_7": '"Untitled'}, id="never_closed"),
    pytest.param(
        {"row_7": '"Untitled', "row_9": '"Next"'}, id="up_to_a_quoted"
    ),
    pytest.param({"row_7": '"Untitled', "row_8": 'a 12"'}, id="up_to_an_inch"),
    pytest.param({"row_7": '"Untitled', "row_8": '""'}, id="an_empty_one"),
]


@pytest.mark.parametrize("titles", OPEN)
@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", "¦"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", [True, False])
def test_an_open_mark_swallows_no_row(tmp_path, titles, separator, end, header):
    rows = titled(**titles)
    path = write(tmp_path / "log.csv", rows, separator, end, header)
    options = {"separator": separator}
    if not header:
        options["column_names"] = COLUMNS
    with pytest.raises(DataError, match="log.csv, row 7: .*--no-quotes"):
        read_log(path, **options)
    log = read_log(path, **options, quotes=False)
    assert log.times.tolist() == list(range(1, 41))


@pytest.mark.parametrize("name", ["log.tsv.gz", "log.csv.gz"])
def test_an_open_mark_in_a_compressed_file(tmp_path, name):
    separator = "\t" if "tsv" in name else ","
    path = write(tmp_path / name, titled(row_1='"x'), separator)
    with pytest.raises(DataError, match=f"{name}, row 1: a quotation mark"):
        read_log(path)
    assert len(read_log(path, quotes=False)) == 40


def test_an_open_mark_among_blank_lines_and_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(text_table, "_BLOCK_BYTES", 200)
    rows = titled(row_30='"x')
    path = write(tmp_path / "log.csv", rows, end="\n\n")
    with pytest.raises(DataError, match="row 30: a quotation mark"):
        read_log(path)


def test_an_open_mark_before_the_id(tmp_path):
    rows = [['"u', "i", "1", "x"], ["v", "i", "2", "x"], ["w", "i", "3", "x"]]
    with pytest.raises(DataError, match="row 1: a quotation mark"):
        read_log(write(tmp_path / "log.csv", rows))


def test_text_after_a_mark_that_closes(tmp_path):
    rows = titled(row_3='"Good\nand, cheap\n"very" so')
    with pytest.raises(DataError, match="row 3: .*text follows"):
        read_log(write(tmp_path / "log.csv", rows))


def test_an_open_mark_in_the_header(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('user_id,item_id,timestamp,"title\nu,i,1,x\n')
    with pytest.raises(DataError, match="the header line cannot be read"):
        read_log(path)
    assert len(read_log(path, quotes=False)) == 1


@pytest.mark.parametrize("block", [100, 1 << 24])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", "\t", "::"])
def test_quoted_line_breaks(tmp_path, monkeypatch, block, end, separator):
    monkeypatch.setattr(text_table, "_BLOCK_BYTES", block)
    reviews = [
        f'"Good.{end}{end}Cheap, fast, 3, and ""small"".{end}"',
        f'"{end}a{separator}b{separator}"',
        '"plain"',
        '"say ""hi"""',
        '5" nails',
        '"Great" movie',
    ]
    rows = [row[:3] + [reviews[n % 6]] for n, row in enumerate(ROWS)]
    path = write(tmp_path / "log.csv", rows, separator, end)
    log = read_log(path, separator=separator)
    assert log.times.tolist() == list(range(1, 41))


def test_a_short_row_after_quoted_line_breaks(tmp_path):
    rows = titled(row_2='"a\nb"')
    rows[4] = rows[4][:2]
    with pytest.raises(DataError, match="row 5: found 2 fields, expected 4"):
        read_log(write(tmp_path / "log.csv", rows))


def test_rows_that_cannot_be_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(text_table, "count_rows", lambda *_: (41, False))
    parse = text_table.TextTable._parse
    monkeypatch.setattr(
        text_table.TextTable, "_parse", lambda *args: (parse(*args)[0], 42)
    )
    with pytest.raises(DataError, match="has 41 rows, but 40 could be told"):
        read_log(write(tmp_path / "log.csv", ROWS))


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", 0),
        (b"\n\n", 0),
        (b"a", 1),
        (b"a\nb\n", 2),
        (b"a\rb\rc", 3),
        (b"a\r\nb\r\n\r\n\nc", 3),
        (b"\r\na\n \n", 2),
    ],
)
def test_lines_are_counted_whatever_is_read_at_once(content, lines, size):
    counter = LineCounter(io.BytesIO(content))
    assert b"".join(iter(lambda: counter.read(size), b"")) == content
    assert counter.lines == lines


def test_a_tab_as_it_is_typed(tmp_path):
    path = write(tmp_path / "log.txt", ROWS, "\t")
    assert len(read_log(path, separator="\\t")) == 40
    with pytest.raises(UserError, match="separator must be a character"):
        read_log(path, separator="")


FRAME = pd.DataFrame(ROWS, columns=COLUMNS).astype({"timestamp": int})


@pytest.mark.parametrize(
    "name",
    ["log.pq", "log.parq", "log.PARQUET", "log.csv", "log", "log.csv.gz"],
)
def test_parquet_is_known_by_its_bytes(tmp_path, name):
    FRAME.to_parquet(tmp_path / name)
    assert len(read_log(tmp_path / name)) == 40


@pytest.mark.parametrize(
    "name", ["x.parquet.csv", "x.CSV", "x", "x.csv.gz.csv"]
)
@pytest.mark.parametrize("compressed", [False, True])
def test_text_is_known_by_its_bytes(tmp_path, name, compressed):
    content = FRAME.to_csv(index=False).encode()
    content = gzip.compress(content) if compressed else content
    (tmp_path / name).write_bytes(content)
    assert len(read_log(tmp_path / name)) == 40


def parquet_of(path, **columns):
    arrays = [pa.array(values) for values in columns.values()]
    names = [name.rstrip("_") for name in columns]
    pa.parquet.write_table(pa.Table.from_arrays(arrays, names=names), path)
    return path


def test_parquet_with_a_column_twice(tmp_path):
    wanted = {"user_id": ["u"], "item_id": ["i"], "timestamp": [1]}
    path = parquet_of(tmp_path / "a", **wanted, item_id_=["x"])
    with pytest.raises(DataError, match="a has 2 columns named 'item_id'"):
        read_log(path)
    path = parquet_of(tmp_path / "b", **wanted, x=[1], x_=[2])
    assert len(read_log(path)) == 1
    path = parquet_of(tmp_path / "c", **wanted, cat=["x"], cat_=["y"])
    with pytest.raises(DataError, match="c has 2 columns named 'cat'"):
        read_log(path, category_column="cat")


def test_a_frame_with_a_column_twice():
    frame = pd.concat([FRAME, FRAME[["title", "user_id"]]], axis=1)
    with pytest.raises(DataError, match="table has 2 columns named 'user_id'"):
        read_log(frame)
    frame = pd.concat([FRAME, FRAME[["title"]]], axis=1)
    assert len(read_log(frame)) == 40
    with pytest.raises(DataError, match="table has 2 columns named 'title'"):
        read_log(frame, category_column="title")


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize(
    ("kind", "limit", "form"),
    [
        ("float64", 2**53, "frame"),
        ("float64", 2**53, "parquet"),
        ("float64", 2**53, "category"),
        ("float32", 2**24, "frame"),
        ("float32", 2**24, "parquet"),
        ("float32", 2**24, "category"),
        ("float16", 2**11, "frame"),
        ("float16", 2**11, "parquet"),
    ],
)
def test_floats_that_cannot_tell_ids_apart(tmp_path, column, kind, limit, form):
    def read(ids):
        frame = FRAME[:2].assign(**{column: np.array(ids, kind)})
        if form == "category":
            frame[column] = frame[column].astype("category")
        if form == "parquet":
            frame.to_parquet(tmp_path / "log.parquet")
            return read_log(tmp_path / "log.parquet")
        return read_log(frame)

    log = read([1, limit - 1])
    assert list(getattr(log, f"{column}s")) == ["1", str(limit - 1)]
    for ids in ([1, limit], [-limit, 1]):
        with pytest.raises(DataError, match=f"column '{column}': holds .*tell"):
            read(ids)


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_mixed_and_large_ids_of_a_frame(column):
    def read(ids):
        frame = FRAME[:3].drop(columns=column)
        return read_log(frame.assign(**{column: pd.Series(ids, dtype=object)}))

    with pytest.raises(DataError, match=f"row 2, column '{column}': the id is"):
        read([1, np.nan, "x"])
    for missing in (None, pd.NA, pd.NaT):
        with pytest.raises(DataError, match="row 2, .*the id is empty"):
            read([1, missing, "x"])
    log = read([2**70, 1, 2**63])
    assert list(getattr(log, f"{column}s")) == [str(2**70), "1", str(2**63)]
    categories = pd.Series([1, np.nan, "x"], dtype=object)
    frame = FRAME[:3].assign(title=categories)
    log = read_log(frame, category_column="title")
    assert log.categories.tolist() == [0, -1, 1]


def test_prose_that_looks_like_a_row_now_and_then(tmp_path):
    prose = '"First\nit,was,3,times\nbetter\n\nthan the last"'
    path = write(tmp_path / "log.csv", titled(row_4=prose))
    assert len(read_log(path)) == 40


def test_an_open_mark_swallows_no_row_among_many_blank_lines(tmp_path):
    rows = titled(row_7='"Untitled', row_10='a 12"')
    path = write(tmp_path / "log.csv", rows, end="\n\n\n")
    with pytest.raises(DataError, match="row 7: .*are like rows"):
        read_log(path)


def test_prose_with_a_short_number_where_rows_have_a_time(tmp_path):
    rows = titled(row_4='"First\nit,was,3,times"')
    for row in rows:
        row[2] = str(1_700_000_000 + int(row[2]))
    assert len(read_log(write(tmp_path / "log.csv", rows))) == 40
    rows[3][3] = '"First\nit,was,1700000000,times"'
    with pytest.raises(DataError, match="row 4: .*are like rows"):
        read_log(write(tmp_path / "log.csv", rows))
