"""DuckDB gives what the way in memory gives, to the last bit."""

import numpy as np
import pytest

from mgnm_tf.data.prepare import prepare
from tests.data.large.logs import COLUMNS
from tests.data.large.logs import tied_log
from tests.data.test_real_data import real

pytest.importorskip("duckdb", reason="needs the extra `large`")

FILTERS = [
    "first_events=30",
    "no_repeats",
    "top_items=30",
    "item_support=9",
    "user_support=3",
    "core=4:4",
]
GIVEN = {"split": "sessions", "split_column": "part"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Holds text files, three Parquet files, and a given split."""
    path = tmp_path_factory.mktemp("logs")
    frame = tied_log()
    frame.to_csv(path / "log.csv", index=False)
    frame.to_csv(path / "log.csv.gz", index=False)
    no_validation = frame.replace({"part": {"validation": "train"}})
    no_validation.to_csv(path / "two.csv", index=False)
    (path / "parquet").mkdir()
    (path / "parquet" / "_SUCCESS").touch()
    for part, rows in enumerate(np.array_split(np.arange(len(frame)), 3)):
        name = path / "parquet" / f"part-{part}.parquet"
        frame.iloc[rows].to_parquet(name, index=False)
    return path


def both(source, tmp_path, **options):
    """Prepares twice; returns the data, which are equal to the last bit."""
    memory, duckdb = tmp_path / "in_memory", tmp_path / "duckdb"
    options |= {"name": "log"}
    expected = prepare(source, memory, engine="in_memory", **options)
    found = prepare(source, duckdb, engine="duckdb", memory="300MB", **options)
    assert found.fingerprint == expected.fingerprint
    assert found.metadata == expected.metadata
    for file in memory.glob("*.[nt][px][yt]"):
        assert (duckdb / file.name).read_bytes() == file.read_bytes(), file
    # No working folder is left.
    assert {path.name for path in tmp_path.iterdir()} >= {"duckdb", "in_memory"}
    assert not list(tmp_path.glob(".*"))
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("log.csv", {"split": "leave_one_out"}),
        ("log.csv.gz", {"split": "temporal", "ratios": (5, 2, 3)}),
        ("parquet", {"split": "temporal", "min_item": 3}),
        ("parquet/*.parquet", {"keep_duplicates": True}),
        ("log.csv", {"split": "per_user_ratio", "rating_above": 2.0}),
        ("log.csv", {"split": "last_days=7"}),
        ("log.csv", {"split": "last_share=0.2", "training_share": "1/3"}),
        ("log.csv", {"split": "last_days=7", "sessions_by_gap": "8h"}),
        ("log.csv", {"filters": FILTERS}),
        ("log.csv", {"min_user": 28, "min_item": 20}),
        ("log.csv", GIVEN),
        ("two.csv", {**GIVEN, "training_share": "1/3"}),
    ],
)
def test_equal(name, options, folder, tmp_path):
    both(str(folder / name), tmp_path, **COLUMNS, **options)


TIMES = {
    "fractions": ["1600000000.25", "1600000000", "1600000001.5"],
    "milliseconds": ["1600000000123", "1600000000999", "1600000001000"],
    "whole seconds in milliseconds": ["1600000000000", "1600000001000"],
    "calendar": ["20240131", "20240229", "20231231"],
    "years": ["1999", "2004", "2024"],
    "dates": ["2024-01-31", "2024-01-31T10:00:00.5Z", "2024-02-01 00:00:01"],
    "positions": None,
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_read_alike(kind, tmp_path):
    texts = TIMES[kind] or [str(n) for n in range(12)]
    rows = [
        f"u{user},i{(n + user) % 12},{texts[n % len(texts)]}"
        for user in range(9)
        for n in range(12)
    ]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    data = both(path, tmp_path)
    assert data.has_times == (kind != "positions")


def test_a_late_block_changes_what_earlier_times_are(tmp_path):
    """The first file is whole numbers, the second one floats with exponents."""
    for part, texts in enumerate((["12", "1600000000"], ["1.6e9", "2e9"])):
        rows = [f"u{n % 9},i{n % 7},{texts[n % 2]}" for n in range(60)]
        text = "\n".join(["user_id,item_id,timestamp", *rows])
        (tmp_path / f"{part}.csv").write_text(text)
    both([tmp_path / "0.csv", tmp_path / "1.csv"], tmp_path)


def test_rows_that_span_lines(tmp_path):
    rows = [f'u{n % 9},i{n % 7},{n // 3},"said\n{n}"' for n in range(90)]
    text = "\n".join(["user_id,item_id,timestamp,note", *rows])
    (tmp_path / "log.csv").write_text(text)
    data = both(tmp_path / "log.csv", tmp_path)
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
    both(real(name), tmp_path, **REAL[name])
