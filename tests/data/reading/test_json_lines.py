"""JSON Lines are read as a table with the same rows is."""

import gzip
import json

import numpy as np
import pytest

from mgnm_tf import prepare
from mgnm_tf import read_log
from mgnm_tf.data.large.choice import guess_rows
from mgnm_tf.data.reading import json_lines
from mgnm_tf.data.reading.guess_columns import guess_columns
from mgnm_tf.data.reading.table import read_blocks
from mgnm_tf.data.reading.table import read_table
from mgnm_tf.errors import DataError

COLUMNS = dict(user_column="who", item_column="what", time_column="at")


def rows_of(count=300):
    generator = np.random.default_rng(0)
    start = 1_500_000_000
    return [
        {
            "who": f"u{row // 9}",
            "style": {"size": "L"} if row % 2 else None,
            "what": int(generator.integers(40)),
            "votes": [0, 1],
            "text": 'a "quoted" line\nand Ü',
            "stars": int(generator.integers(1, 6)),
            "at": start + row,
        }
        for row in range(count)
    ]


def written(path, rows):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    pack = gzip.compress if path.suffix == ".gz" else bytes
    path.write_bytes(pack(content))
    return path


def as_csv(path, rows):
    names = ["who", "what", "stars", "at"]
    lines = [",".join(str(row[name]) for name in names) for row in rows]
    path.write_text("\n".join([",".join(names), *lines]) + "\n")
    return path


@pytest.mark.parametrize("name", ["log.jsonl", "log.json.gz", "log"])
@pytest.mark.parametrize("bytes_of_a_block", [1 << 24, 200])
def test_a_log_is_that_of_the_same_text(
    name, bytes_of_a_block, tmp_path, monkeypatch
):
    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", bytes_of_a_block)
    rows = rows_of()
    logs = [
        read_log(path, rating_column="stars", **COLUMNS)
        for path in (
            written(tmp_path / name, rows),
            as_csv(tmp_path / "log.csv", rows),
        )
    ]
    for one, other in zip(
        *[(log.users, log.items, log.times, log.ratings) for log in logs],
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert logs[0].user_ids == logs[1].user_ids
    assert logs[0].item_ids == logs[1].item_ids


@pytest.mark.parametrize("engine", ["in_memory", "duckdb"])
def test_engines_prepare_the_same(engine, tmp_path):
    pytest.importorskip("duckdb")
    rows = rows_of()
    rows[250]["stars"] = 4.5  # The first hundred are whole numbers.
    options = dict(rating_column="stars", rating_above=2.0, **COLUMNS)
    found = prepare(
        written(tmp_path / "log.jsonl", rows),
        tmp_path / engine,
        engine=engine,
        **options,
    )
    expected = prepare(
        as_csv(tmp_path / "log.csv", rows), tmp_path / "csv", **options
    )
    assert found.fingerprint == expected.fingerprint


def test_ids_of_text_are_dictionaries_and_numbers_stay_whole(tmp_path):
    path = written(tmp_path / "log.jsonl", rows_of())
    types = {
        field.name: str(field.type)
        for field in read_table(path, ["who", "what"], ["at"]).schema
    }
    assert types == {
        "who": "dictionary<values=string, indices=int32, ordered=0>",
        "what": "int64",
        "at": "int64",
    }


def test_a_mark_blank_lines_and_a_missing_line_end(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf\n"
        b'{"who": "a", "what": "x", "at": 1}\r\n\r\n'
        b'{"who": "b", "what": "y", "at": 2}'
    )
    log = read_log(path, **COLUMNS)
    assert log.user_ids == ["a", "b"]


def test_columns_are_guessed_as_amazon_calls_them(tmp_path):
    path = written(
        tmp_path / "reviews.json",
        [
            {
                "reviewerID": row["who"],
                "asin": row["what"],
                "helpful": row["votes"],
                "unixReviewTime": row["at"],
                "reviewTime": "07 14, 2017",
            }
            for row in rows_of()
        ],
    )
    guess = guess_columns(path)
    assert (guess.user, guess.item, guess.time) == (
        "reviewerID",
        "asin",
        "unixReviewTime",
    )


def test_how_many_rows_there_are_about(tmp_path):
    path = written(tmp_path / "log.jsonl", rows_of(2_000))
    assert 1_500 < guess_rows([path]) < 2_500
    path = written(tmp_path / "log.jsonl.gz", rows_of(2_000))
    assert 0 < guess_rows([path]) < 20_000


GOOD = '{"who": "a", "what": "x", "at": 1}\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"who": 5, "what": "x", "at": 1}', "'who': found 5, expected text"),
        ('{"who": "a", "what": "x"}', "column 'at': found None, expected"),
        ('{"what": "x", "at": 1}', "column 'who': the id is empty"),
        ('{"who": "a", "what": [1], "at": 1}', "found a list, expected text"),
        ('{"who": "a", "what": true, "at": 1}', "found true, expected text"),
        ('{"who": "a", "what": "x", "at": "b"}', 'found "b", expected a'),
        ('{"who": "a", "what": "x", "at": true}', "found true, expected a"),
        (
            '{"who": "a", "what": "x", "at": NaN}',
            "column 'at': found nan, expected",
        ),
        ('{"who": "a", "what": "x", "at": 1', "is no JSON: Expecting ','"),
        ('["a", "x", 1]', "holds a list; expected an object a line"),
        ('{"who": "\udcff", "what": "x", "at": 1}', "is not text in UTF-8"),
    ],
)
@pytest.mark.parametrize("bytes_of_a_block", [1 << 24, 200])
def test_what_is_wrong_is_told_with_its_row(
    line, message, bytes_of_a_block, tmp_path, monkeypatch
):
    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", bytes_of_a_block)
    path = tmp_path / "log.jsonl"
    content = GOOD * 150 + line + "\n"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError) as caught:
        read_log(path, **COLUMNS)
    assert str(caught.value).startswith(f"{path}, row 151")
    assert message in str(caught.value)
    with pytest.raises(DataError, match="row 151"):
        prepare(path, tmp_path / "out", engine="duckdb", **COLUMNS)
    assert not (tmp_path / "out").exists()


def test_what_is_no_column(tmp_path):
    path = written(tmp_path / "log.jsonl", rows_of())
    with pytest.raises(DataError, match="'votes': holds a list, expected te"):
        read_log(path, **{**COLUMNS, "item_column": "votes"})
    with pytest.raises(DataError, match="has no column 'nothing'; columns f"):
        read_log(path, **{**COLUMNS, "item_column": "nothing"})
    path.write_text(json.dumps(rows_of(1)[0], indent=1))
    with pytest.raises(DataError, match="row 1 is no JSON.*an object a line"):
        read_log(path, **COLUMNS)


def test_whole_numbers_that_are_too_large(tmp_path):
    path = tmp_path / "log.jsonl"
    row = GOOD.replace('"x"', "7")
    path.write_text(row + row.replace("7", f"{10**30}"))
    with pytest.raises(DataError, match=f"{path} cannot be .*parse:10{{30}}"):
        read_log(path, **COLUMNS)
    path.write_text(row + row.replace("1}", f"{10**30}}}"))
    with pytest.raises(DataError, match="row 2, column 'at': found 1e"):
        read_log(path, **COLUMNS)


def test_a_file_that_is_cut_off(tmp_path):
    path = written(tmp_path / "log.jsonl.gz", rows_of(5_000))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read to its end"):
        read_log(path, **COLUMNS)
    with pytest.raises(DataError, match="cannot be read to its end"):
        list(read_blocks(path, ["who"], []))
