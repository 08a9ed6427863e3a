"""DuckDB gives what the way in memory gives, to the last bit."""

import pytest

from tests.data.large.logs import COLUMNS
from tests.data.large.parity import CASES
from tests.data.large.parity import TIMES
from tests.data.large.parity import both
from tests.data.large.parity import log_of_times
from tests.data.large.parity import write_logs
from tests.data.test_real_data import real

pytest.importorskip("duckdb", reason="needs the extra `large`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs")
    write_logs(path)
    return path


@pytest.mark.parametrize(("name", "options"), CASES)
def test_equal(name, options, folder, tmp_path):
    source = str(folder / name)
    both("duckdb", source, tmp_path, **COLUMNS, **options)


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_read_alike(kind, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(log_of_times(kind))
    data = both("duckdb", path, tmp_path)
    assert data.has_times == (kind != "positions")


def test_a_late_block_changes_what_earlier_times_are(tmp_path):
    """The first file is whole numbers, the second one floats with exponents."""
    for part, texts in enumerate((["12", "1600000000"], ["1.6e9", "2e9"])):
        rows = [f"u{n % 9},i{n % 7},{texts[n % 2]}" for n in range(60)]
        text = "\n".join(["user_id,item_id,timestamp", *rows])
        (tmp_path / f"{part}.csv").write_text(text)
    both("duckdb", [tmp_path / "0.csv", tmp_path / "1.csv"], tmp_path)


def test_rows_that_span_lines(tmp_path):
    rows = [f'u{n % 9},i{n % 7},{n // 3},"said\n{n}"' for n in range(90)]
    text = "\n".join(["user_id,item_id,timestamp,note", *rows])
    (tmp_path / "log.csv").write_text(text)
    data = both("duckdb", tmp_path / "log.csv", tmp_path)
    assert data.metadata["account"]["read"] == 90


REAL = {
    "MovieLens-100K.csv.gz": {},
    "Toys_and_Games.csv.gz": {"min_user": 5, "min_item": 5},
    "Beauty.csv.gz": {"split": "temporal"},
    "Musical_Instruments_5core_2014.csv.gz": {"split": "per_user_ratio"},
    "Diginetica.csv.gz": {
        "user_column": "session_id",
        "time_column": "position",
        "split_column": "split",
        "split": "sessions",
    },
    "Video_Games.csv.gz": {"min_user": 5, "min_item": 5},
    "Musical_Instruments_2018.csv.gz": {"split": "temporal"},
    "MovieLens-1M.csv.gz": {"split": "per_user_ratio"},
}


@pytest.mark.parametrize("name", REAL)
def test_real_logs(name, tmp_path):
    both("duckdb", real(name), tmp_path, **REAL[name])
