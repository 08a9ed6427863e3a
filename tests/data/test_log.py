"""Reading a log: what it accepts, and a sentence for what it refuses."""

import gzip

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.errors import DataError

HEADER = "user_id,item_id,timestamp\n"


def write(folder, content, name="log.csv"):
    path = folder / name
    if isinstance(content, str):
        content = content.encode("utf-8")
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return path


def rows_of(log):
    return [
        (log.user_ids[user], log.item_ids[item], int(time))
        for user, item, time in zip(log.users, log.items, log.times)
    ]


EXPECTED = [("u1", "i1", 5), ("u2", "i1", 7), ("u1", "i2", 6)]
FRAME = pd.DataFrame(EXPECTED, columns=["user_id", "item_id", "timestamp"])


@pytest.mark.parametrize(
    "name",
    [
        "log.csv",
        "log.csv.gz",
        "log.tsv",
        "log.tsv.gz",
        "log.parquet",
        "log.parquet.gz",
    ],
)
def test_every_file_form(tmp_path, name):
    if "parquet" in name:
        FRAME.to_parquet(tmp_path / "plain.parquet")
        content = (tmp_path / "plain.parquet").read_bytes()
    else:
        separator = "\t" if "tsv" in name else ","
        content = FRAME.to_csv(index=False, sep=separator)
    path = write(tmp_path, content, name)
    log = read_log(path)
    assert rows_of(log) == EXPECTED
    assert log.users.dtype == log.items.dtype == np.int32
    assert log.times.dtype == np.int64
    assert log.source == str(path)


def test_a_log_is_shown_in_one_line():
    log = read_log(FRAME)
    shown = "('the table', 3 events, 2 users, 2 items)"
    assert repr(log) == f"InteractionLog{shown}"


def test_frame():
    assert rows_of(read_log(FRAME)) == EXPECTED
    frame = FRAME.astype({"user_id": "category"})
    assert rows_of(read_log(frame)) == EXPECTED


def test_numbers_and_mixed_kinds_as_ids():
    frame = pd.DataFrame(
        {
            "user_id": [1, 2],
            "item_id": pd.Series([7, "x"], dtype=object),
            "timestamp": pd.to_datetime(["1970-01-02", "1970-01-01"]),
        }
    )
    assert rows_of(read_log(frame)) == [("1", "7", 86400), ("2", "x", 0)]


def test_named_columns_and_extras(tmp_path):
    path = write(
        tmp_path,
        "t;who;what;stars;kind;part;unused\n"
        "5;a;x;3.5;k;train;\n6;a;y;2;;test;9\n7;a;z;1;k;validation;9\n",
    )
    log = read_log(
        path,
        user_column="who",
        item_column="what",
        time_column="t",
        rating_column="stars",
        category_column="kind",
        split_column="part",
        separator=";",
    )
    assert rows_of(log) == [("a", "x", 5), ("a", "y", 6), ("a", "z", 7)]
    np.testing.assert_array_equal(log.ratings, np.float32([3.5, 2, 1]))
    assert list(log.category_ids) == ["k"]
    np.testing.assert_array_equal(log.categories, [0, -1, 0])
    np.testing.assert_array_equal(log.parts, np.int8([0, 2, 1]))


def test_file_without_header_and_long_separator(tmp_path):
    path = write(tmp_path, "a::x::3::5\nb::y::4::6\n", "ratings.dat")
    log = read_log(
        path,
        separator="::",
        column_names=["user_id", "item_id", "rating", "timestamp"],
        rating_column="rating",
    )
    assert rows_of(log) == [("a", "x", 5), ("b", "y", 6)]
    np.testing.assert_array_equal(log.ratings, [3, 4])


def test_strange_ids_survive(tmp_path):
    ids = ["a,b", 'say "hi"', "日本 語", "NA", "null", "007", "\u2028x", "-"]
    frame = pd.DataFrame(
        {"user_id": ids, "item_id": ids[::-1], "timestamp": range(len(ids))}
    )
    path = tmp_path / "log.csv"
    frame.to_csv(path, index=False)
    log = read_log(path)
    assert rows_of(log) == list(zip(ids, ids[::-1], range(len(ids))))


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffuser_id,item_id,timestamp\nu,i,5\nv,i,6\n",
        "user_id,item_id,timestamp\r\nu,i,5\r\nv,i,6\r\n",
        '"user_id","item_id","timestamp"\n"u","i","5"\n"v","i","6"\n',
        HEADER + "u,i,5.0\nv,i,0.6e1\n",
        HEADER + "u,i,1970-01-01T00:00:05\nv,i,1970-01-01 00:00:06Z\n",
        HEADER + "u,i,5\n\nv,i,6",
    ],
    ids=["bom", "crlf", "quoted", "floats", "dates", "blank_line"],
)
def test_forms_of_text(tmp_path, content):
    log = read_log(write(tmp_path, content))
    assert rows_of(log) == [("u", "i", 5), ("v", "i", 6)]


def test_many_blocks_agree_with_pandas(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_id": random.integers(0, 5_000, 1_500_000),
            "item_id": random.integers(0, 9_000, 1_500_000),
            "timestamp": random.integers(0, 1 << 31, 1_500_000),
        }
    )
    path = tmp_path / "log.csv"
    frame.to_csv(path, index=False)
    assert path.stat().st_size > 1 << 24
    log = read_log(path)
    assert (np.array(log.user_ids, int)[log.users] == frame["user_id"]).all()
    assert (np.array(log.item_ids, int)[log.items] == frame["item_id"]).all()
    assert (log.times == frame["timestamp"]).all()


def bad(content, message, name="log.csv", id=None, **options):
    return pytest.param(content, message, name, options, id=id)


@pytest.mark.parametrize(
    ("content", "message", "name", "options"),
    [
        bad("", "log.csv is empty.*expected a header", id="empty"),
        bad(HEADER, "columns but no rows", id="header_only"),
        bad(
            "user,item_id,timestamp\nu,i,1\n",
            "no column 'user_id'; columns found: 'user', 'item_id', 'time",
            id="missing_column",
        ),
        bad(
            HEADER.replace(",", "\t") + "u\ti\t1\n",
            r"only one column, so the separator ',' looks wrong; .* '\\t'",
            id="wrong_separator",
        ),
        bad(
            "user_id,user_id,item_id,timestamp\nu,u,i,1\n",
            "2 columns named 'user_id', expected one",
            id="column_twice",
        ),
        bad(
            HEADER + "u,i,1\nu,i,soon\n",
            "row 2, column 'timestamp': found soon, expected seconds since",
            id="time_not_a_number",
        ),
        bad(
            HEADER + "u,i,soon\nu,i,1\n",
            "row 1, .*found soon",
            id="first_time_not_a_number",
        ),
        bad(
            HEADER + "u,i,1\nu,i,\n",
            "row 2, column 'timestamp': .*expected seconds since 1970",
            id="time_missing",
        ),
        bad(
            HEADER + "u,i,1\nu,i,-4\n",
            "row 2, column 'timestamp': found -4",
            id="time_negative",
        ),
        bad(HEADER + "u,i,1\nu,i,nan\n", "row 2, .*found nan", id="time_nan"),
        bad(HEADER + "u,i,1\nu,i,inf\n", "row 2, .*found inf", id="time_inf"),
        bad(
            HEADER + "u,i,1\nu,i,1e30\n",
            "row 2, .*found 1e\\+30",
            id="time_huge",
        ),
        bad(
            HEADER + "u,i,2020-01-01\nu,i,2020-13-01\n",
            "row 2, column 'timestamp': found 2020-13-01",
            id="time_bad_date",
        ),
        bad(
            HEADER + "u,i,1\n,i,2\n",
            "row 2, column 'user_id': the id is empty",
            id="empty_user",
        ),
        bad(
            HEADER + "u,i,1\nu, ,2\n",
            "row 2, column 'item_id': the id is empty",
            id="blank_item",
        ),
        bad(
            HEADER + 'u,i,1\nu,"a\nb",2\n',
            "row 2, column 'item_id'.*line break",
            id="line_break",
        ),
        bad(
            HEADER + "u,i,1\nu,i\n",
            "row 2: found 2 fields, expected 3",
            id="short_row",
        ),
        bad(
            HEADER + "u,i,1\nu,i,2,3\n",
            "row 2: found 4 fields, expected 3",
            id="long_row",
        ),
        bad(
            (HEADER + "u,i,1\nü,i,1\n").encode("latin-1"),
            "row 2 is not text in UTF-8",
            id="not_utf8",
        ),
        bad(
            "üser,item_id,timestamp\n".encode("latin-1"),
            "not text in UTF-8",
            id="header_not_utf8",
        ),
        bad("[{}]", "JSON, but not an object a line", "a.json", id="json"),
        bad(b"PK", "b.zip is an archive; expected CSV", "b.zip", id="zip"),
        bad(b"\x1f\x8bnot gzip", "cannot be read", "log.csv.gz", id="not_gzip"),
        bad(
            b"nonsense",
            "not a whole Parquet file",
            "log.parquet",
            id="not_parquet",
        ),
        bad(
            "user_id,item_id,timestamp,r\nu,i,1,5\nu,i,2,x\n",
            "row 2, column 'r': found x, expected a finite number",
            rating_column="r",
            id="rating_not_a_number",
        ),
        bad(
            "user_id,item_id,timestamp,r\nu,i,1,5\nu,i,2,inf\n",
            "row 2, column 'r': found inf",
            rating_column="r",
            id="rating_inf",
        ),
        bad(
            HEADER + "u,i,1\n",
            "no column 'stars'",
            rating_column="stars",
            id="rating_column_missing",
        ),
        bad(
            "user_id,item_id,timestamp,s\nu,i,1,train\nu,i,2,dev\n",
            "row 2, column 's': found 'dev', expected one of train, valid",
            split_column="s",
            id="unknown_part",
        ),
    ],
)
def test_bad_input(tmp_path, content, message, name, options):
    path = tmp_path / name
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    with pytest.raises(DataError, match=message) as caught:
        read_log(path, **options)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match="nothing.csv does not exist"):
        read_log(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_log(tmp_path)


def test_truncated_gz(tmp_path):
    whole = HEADER + "".join(f"u{n},i{n},{n * n}\n" for n in range(5_000))
    content = gzip.compress(whole.encode())
    for kept in (len(content) // 2, len(content) - 4, 12):
        path = tmp_path / "log.csv.gz"
        path.write_bytes(content[:kept])
        with pytest.raises(DataError, match="log.csv.gz .*cut off"):
            read_log(path)


def test_parquet_without_the_columns_or_cut_off(tmp_path):
    path = tmp_path / "log.parquet"
    FRAME.rename(columns={"item_id": "sku"}).to_parquet(path)
    with pytest.raises(DataError, match="no column 'item_id'.*'sku'"):
        read_log(path)
    FRAME.to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        read_log(path)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user_id", ["a", None], "row 2, column 'user_id': the id is empty"),
        ("user_id", [1.0, np.nan], "row 2, column 'user_id': the id is"),
        ("item_id", [1.0, 2.5], "column 'item_id': holds fractions"),
        ("item_id", [["x"], ["y"]], "column 'item_id': holds list"),
        ("timestamp", [1.0, np.nan], "row 2, column 'timestamp'"),
        ("timestamp", [1, np.inf], "row 2, column 'timestamp': found inf"),
        ("timestamp", [1, -1], "row 2, column 'timestamp': found -1"),
    ],
)
def test_bad_frames_and_parquet(tmp_path, column, values, message):
    frame = pd.DataFrame(
        {"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [1, 2]}
    )
    frame[column] = values
    with pytest.raises(DataError, match=message):
        read_log(frame)
    frame.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match=message):
        read_log(tmp_path / "log.parquet")


def test_frame_without_a_column():
    with pytest.raises(DataError, match="the table has no column 'item_id'"):
        read_log(FRAME[["user_id", "timestamp"]])


def test_row_numbers_without_a_header(tmp_path):
    (tmp_path / "u.data").write_text("a\tx\t1\nb\ty\n")
    (tmp_path / "empty").write_text("")
    options = {"separator": "\t", "column_names": list(FRAME.columns)}
    with pytest.raises(DataError, match="u.data, row 2: found 2 fields"):
        read_log(tmp_path / "u.data", **options)
    with pytest.raises(DataError, match="empty .*Empty CSV file"):
        read_log(tmp_path / "empty", **options)
