"""Every row of a log is accounted for, and ties are counted."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from mgnm_tf.cli import app
from mgnm_tf.data.account import account_of
from mgnm_tf.data.account import count_ties
from mgnm_tf.data.account import sentences
from mgnm_tf.data.log import read_log
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import DataError

DAY = 86_400


def frame_of(rows):
    columns = ["user_id", "item_id", "timestamp", "stars"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def frame():
    """14 rows: 1 by rating, 2 duplicates, 1 by the core, 1 cold item."""
    rows = [("a", item, day * DAY, 5) for day, item in enumerate("xyzxy")]
    rows += [("b", item, day * DAY, 4) for day, item in enumerate("yzxyn")]
    rows += [("a", "x", 0, 5), ("a", "x", 0, 5)]
    rows += [("a", "z", 9 * DAY, 1), ("c", "x", 3 * DAY, 5)]
    return frame_of(rows)


OPTIONS = {"rating_column": "stars", "rating_above": 1, "min_user": 2}


def test_every_row_has_a_reason(frame, tmp_path):
    frame.to_csv(tmp_path / "log.csv", index=False)
    prepare(tmp_path / "log.csv", tmp_path / "out", **OPTIONS)
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert header["metadata"]["account"] == {
        "read": 14,
        "kept": 9,
        "dropped": {"rating": 1, "duplicates": 2, "core": 1, "cold_items": 1},
        "first_day": "1970-01-01",
        "last_day": "1970-01-05",
    }


def test_filters_of_one_name_are_added_up(frame, tmp_path):
    data = prepare(
        frame,
        tmp_path / "out",
        sessions_by_gap="1d",
        filters=["first_events=4", "user_support=2", "item_support=2"]
        + ["no_repeats", "top_items=2"],
    )
    account = data.metadata["account"]
    # Of a's first session and of b's the fifth event goes; then a's second
    # session and c, which have one event.
    assert account["dropped"] == {
        "duplicates": 2,
        "sessions_by_gap": 0,
        "first_events": 2,
        "support": 2,
        "repeats": 0,
        "top_items": 2,
        "core": 0,
        "cold_items": 0,
    }
    line, cut, *_ = sentences(data.metadata)
    assert cut == "Sessions: 4 of 3 users, cut where more than 1d pass."
    assert "2 after the first ones of their user" in line
    assert "2 of users or items with too few events, counted once" in line
    assert "2 of items that are not frequent enough" in line


def test_a_sum_that_does_not_hold_is_an_error(frame):
    log = read_log(frame)
    with pytest.raises(DataError, match="15 rows were read, but 13 kept and 1"):
        account_of(15, split_log(log))


def ties_of(times, unit=None):
    frame = frame_of([("a", "x", time, 1) for time in times])
    data = split_log(read_log(frame))
    return {part: found["tied"] for part, found in count_ties(data).items()}


def test_ties():
    assert ties_of([5, 7, 8, 9]) == {"validation": 0, "test": 0}
    assert ties_of([5, 7, 7, 9]) == {"validation": 1, "test": 0}
    assert ties_of([5, 7, 9, 9]) == {"validation": 0, "test": 1}
    assert ties_of([5, 9, 9, 9]) == {"validation": 1, "test": 1}
    assert ties_of([5, 7, 9.1, 9.2]) == {"validation": 0, "test": 0}


def test_records_without_a_history_are_none():
    rows = [("a", "x", 1, 1), ("a", "x", 2, 1), ("b", "x", 3, 1)]
    rows += [("b", "x", 3, 1), ("c", "x", 4, 1), ("c", "x", 4, 1)]
    data = split_log(read_log(frame_of(rows)), "temporal", (1, 1, 1))
    assert count_ties(data) == {
        "validation": {"records": 1, "tied": 1},
        "test": {"records": 1, "tied": 1},
    }


def said(frame, tmp_path, *options):
    frame.to_csv(tmp_path / "log.csv", index=False)
    arguments = [str(tmp_path / "log.csv"), "--out", str(tmp_path / "[/o]")]
    result = CliRunner().invoke(app, ["prepare", *arguments, *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_says_it(frame, tmp_path):
    text = said(frame, tmp_path, "--keep-duplicates", "--min-user", "2")
    assert f"{tmp_path}/[/o]: 12 events" in text
    assert (
        "Rows: 14 read, 12 kept, dropped 1 of users or items with too few "
        "events, 1 of items without a training event."
    ) in text
    assert "Times: 1970-01-01 to 1970-01-10." in text
    assert "have the time of" not in text


def test_the_command_says_ties_and_positions(tmp_path):
    rows = [("a", item, time, 1) for item, time in zip("xyxy", (5, 6, 7, 7))]
    rows += [("b", item, time, 1) for item, time in zip("xyxy", (5, 6, 7, 8))]
    text = said(frame_of(rows), tmp_path, "--keep-duplicates")
    assert (
        "1 of 2 test records (50 %) have the time of the event before them: "
        "their order is that of the source."
    ) in text


def test_the_command_says_that_there_are_no_times(tmp_path):
    rows = [("a", item, place, 1) for place, item in enumerate("xyxy")]
    text = said(frame_of(rows), tmp_path)
    assert "Rows: 4 read, 4 kept, dropped none." in text
    assert "Times: no timestamps, only the order of events." in text


def test_the_command_takes_marks_and_units(tmp_path):
    rows = [("a", item, place * 500, 1) for place, item in enumerate("xyxy")]
    frame = frame_of(rows).assign(title=['"Open', "b", '2"', "c"])
    text = "\t".join(frame.columns) + "\n"
    for row in frame.itertuples(index=False):
        text += "\t".join(map(str, row)) + "\n"
    (tmp_path / "log").write_text(text)
    arguments = ["prepare", str(tmp_path / "log"), "--separator", "\\t"]
    arguments += ["--time-unit", "ms", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "log, row 1: a quotation mark opens a field" in result.output
    result = CliRunner().invoke(app, [*arguments, "--no-quotes"])
    assert "Rows: 4 read, 4 kept" in result.output
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert header["time_unit"] == "ms"
