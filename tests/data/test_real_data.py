"""Public data sets give their published counts."""

import os
from pathlib import Path

import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.steps.filters import drop_duplicates
from mgnm_tf.data.steps.filters import filter_core
from mgnm_tf.data.steps.splits import split_log

FOLDER = Path(
    os.environ.get(
        "MGNM_TF_DATA", Path(__file__).parents[3] / "shared" / "data"
    )
)


def real(name):
    """Returns the path of a real log, or skips the test."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not in {FOLDER}; set MGNM_TF_DATA")
    return path


@pytest.mark.parametrize(
    ("name", "core", "events", "users", "items"),
    [
        ("MovieLens-100K.csv.gz", 1, 100_000, 943, 1_682),
        ("Toys_and_Games.csv.gz", 5, 167_597, 19_412, 11_924),
        ("Beauty.csv.gz", 5, 198_502, 22_363, 12_101),
    ],
)
def test_published_counts(name, core, events, users, items):
    log = drop_duplicates(read_log(real(name)))
    log = filter_core(log, core, core)
    data = split_log(log)
    assert data.metadata["filtered"] == {
        "events": events,
        "users": users,
        "items": items,
    }
    assert [step["dropped_events"] for step in log.steps] == [0, 0]


def test_published_diginetica_samples(tmp_path):
    data = prepare(
        real("Diginetica.csv.gz"),
        tmp_path / "out",
        user_column="session_id",
        time_column="position",
        split_column="split",
        split="sessions",
    )
    assert data.metadata["filtered"]["events"] == 982_961
    assert data.metadata["filtered"]["items"] == 43_097
    # 186,670 training sessions, a tenth of them for validation.
    note = data.metadata["split"]["validation_sessions_taken_from_training"]
    assert note == 18_667
    # All are published samples but those of items only validation has.
    samples = [len(data.positions(p)) for p in ("train", "validation")]
    lost = data.metadata["cold_item_events"]["validation"]
    assert 719_470 - 2 * lost <= sum(samples) <= 719_470
