"""One call from a file to a data folder."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.prepare import prepare
from mgnm_tf.errors import DataError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError


@pytest.fixture
def source(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "who": random.integers(0, 20, 500),
            "what": random.integers(0, 30, 500),
            "when": random.integers(0, 10_000, 500),
            "stars": random.integers(1, 6, 500),
        }
    )
    frame = pd.concat([frame, frame.iloc[:7]])
    frame.to_csv(tmp_path / "log.csv", index=False)
    return tmp_path / "log.csv"


COLUMNS = {"user_column": "who", "item_column": "what", "time_column": "when"}


def test_all_steps(source, tmp_path):
    steps = []
    data = prepare(
        source,
        tmp_path / "out",
        **COLUMNS,
        rating_column="stars",
        rating_above=1,
        min_user=5,
        min_item=5,
        split="temporal",
        ratios=(8, 1, 1),
        metadata={"licence": "none"},
        progress=steps.append,
    )
    stars = pd.read_csv(source)["stars"]
    assert [step["filter"] for step in data.metadata["filters"]] == [
        "rating",
        "duplicates",
        "core",
    ]
    dropped = data.metadata["filters"][0]["dropped_events"]
    assert dropped == (stars <= 1).sum()
    assert data.metadata["name"] == "out"
    assert data.metadata["licence"] == "none"
    assert data.metadata["source"] == str(source)
    assert data.metadata["split"]["ratios"] == [0.8, 0.1, 0.1]
    assert [step.split()[0] for step in steps] == [
        "reading",
        "filtering",
        "splitting",
        "writing",
    ]
    again = SequenceDataset.load(tmp_path / "out")
    assert again.fingerprint == data.fingerprint


def test_sessions_come_before_filters_and_the_core_after(source, tmp_path):
    data = prepare(
        source,
        tmp_path / "out",
        **COLUMNS,
        sessions_by_gap="1h",
        filters=["user_support=2", "first_events=9", "user_support=2"],
        min_item=2,
        split="last_share=0.3",
    )
    assert [step["filter"] for step in data.metadata["filters"]] == [
        "duplicates",
        "sessions_by_gap",
        "support",
        "first_events",
        "support",
        "core",
    ]
    assert all("#" in user for user in data.user_ids)
    assert data.metadata["split"]["share"] == 0.3
    again = SequenceDataset.load(tmp_path / "out")
    assert again.metadata["split"] == data.metadata["split"]
    assert again.metadata["filters"] == data.metadata["filters"]


@pytest.mark.parametrize(
    "options", [{"sessions_by_gap": "0h"}, {"filters": ["first=3"]}]
)
def test_options_are_checked_before_reading(tmp_path, options):
    with pytest.raises(UserError, match="0h|Unknown filter 'first'"):
        prepare(tmp_path / "not there.csv", tmp_path / "out", **options)


def test_duplicates_are_dropped_and_counted_or_kept(source, tmp_path):
    data = prepare(source, tmp_path / "one", **COLUMNS)
    assert data.metadata["filters"][0] == {
        "filter": "duplicates",
        "dropped_events": 7,
    }
    assert data.metadata["filtered"]["events"] == 500
    kept = prepare(source, tmp_path / "two", **COLUMNS, keep_duplicates=True)
    assert kept.metadata["filtered"]["events"] == 507


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rating_above": 2}, "no rating column was read"),
        (
            {"rating_above": 9, "rating_column": "stars"},
            "none of its 507 events is left .*filter rating, above 9",
        ),
        ({"min_user": 1000}, "is left after filtering"),
        ({"split": "sessions"}, "needs a column that says"),
        ({"item_column": "sku"}, "no column 'sku'; columns found: 'who'"),
    ],
)
def test_failure_leaves_nothing(source, tmp_path, options, message):
    before = os.listdir(tmp_path)
    with pytest.raises(DataError, match=message):
        prepare(source, tmp_path / "out", **{**COLUMNS, **options})
    assert os.listdir(tmp_path) == before


def test_disk_full(source, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    before = os.listdir(tmp_path)
    with pytest.raises(UserError, match="out could not be written: No space"):
        prepare(source, tmp_path / "out", **COLUMNS)
    assert os.listdir(tmp_path) == before


def test_output_is_checked_before_reading(source, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError, match="out exists already"):
        prepare(tmp_path / "not there.csv", tmp_path / "out")
    with pytest.raises(OutputExistsError, match="is not a data folder"):
        prepare(tmp_path / "not there.csv", tmp_path / "out", overwrite=True)
    prepare(source, tmp_path / "data", **COLUMNS)
    with pytest.raises(DataError, match="does not exist"):
        prepare(tmp_path / "not there.csv", tmp_path / "data", overwrite=True)
    # A failed second try keeps the first result.
    SequenceDataset.load(tmp_path / "data")
    prepare(source, tmp_path / "data", **COLUMNS, min_user=2, overwrite=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x", 1), ("a", "y", 2)], "leaves the validation part empty"),
        ([("a", "x", 1), ("b", "x", 2)], "leaves the validation part empty"),
    ],
    ids=["one_short_user", "users_with_one_event"],
)
def test_too_little_data(tmp_path, rows, message):
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    with pytest.raises(DataError, match=message):
        prepare(frame, tmp_path / "out")


def test_one_user_and_users_with_one_event(tmp_path):
    rows = [("a", "x", n) for n in range(5)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    assert prepare(frame, tmp_path / "one").num_users == 1
    frame = pd.concat([frame, frame.iloc[:1].assign(user_id="b")])
    data = prepare(frame, tmp_path / "two")
    assert data.num_users == 2
    assert data.metadata["counts"]["train"] == 4
