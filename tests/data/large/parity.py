"""What every engine has to prepare as the way in memory does."""

import numpy as np

from mgnm_tf.data.prepare import prepare
from tests.data.large.logs import tied_log

FILTERS = [
    "first_events=30",
    "no_repeats",
    "top_items=30",
    "item_support=9",
    "user_support=3",
    "core=4:4",
]
GIVEN = {"split": "sessions", "split_column": "part"}
CASES = [
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
]
"""File of `write_logs`, and options."""

TIMES = {
    "fractions": ["1600000000.25", "1600000000", "1600000001.5"],
    "milliseconds": ["1600000000123", "1600000000999", "1600000001000"],
    "whole seconds in milliseconds": ["1600000000000", "1600000001000"],
    "calendar": ["20240131", "20240229", "20231231"],
    "years": ["1999", "2004", "2024"],
    "dates": ["2024-01-31", "2024-01-31T10:00:00.5Z", "2024-02-01 00:00:01"],
    "positions": None,
}
"""Kind -> how its times are written."""


def write_logs(path):
    """Writes text files, three Parquet files, and a given split."""
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


def log_of_times(kind):
    """Returns the text of a log with times of `TIMES`."""
    texts = TIMES[kind] or [str(n) for n in range(12)]
    rows = [
        f"u{user},i{(n + user) % 12},{texts[n % len(texts)]}"
        for user in range(9)
        for n in range(12)
    ]
    return "\n".join(["user_id,item_id,timestamp", *rows])


def both(engine, source, tmp_path, **options):
    """Prepares twice; returns the data, which are equal to the last bit."""
    memory, other = tmp_path / "in_memory", tmp_path / engine
    options |= {"name": "log"}
    expected = prepare(source, memory, engine="in_memory", **options)
    if engine == "duckdb":
        options["memory"] = "300MB"
    found = prepare(source, other, engine=engine, **options)
    assert found.fingerprint == expected.fingerprint
    assert found.metadata == expected.metadata
    for file in memory.glob("*.[nt][px][yt]"):
        assert (other / file.name).read_bytes() == file.read_bytes(), file
    # No working folder is left.
    assert {path.name for path in tmp_path.iterdir()} >= {engine, "in_memory"}
    assert not list(tmp_path.glob(".*"))
    return found
