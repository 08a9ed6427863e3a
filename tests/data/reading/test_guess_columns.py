"""Columns are guessed by name, then by content, and else asked for."""

import gzip
import logging

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.reading.column_words import ROLES
from mgnm_tf.data.reading.column_words import named
from mgnm_tf.data.reading.guess_columns import guess_columns
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError

DAY = 86_400


def rows(count=200, seed=0):
    """Returns users in runs, scattered items, times and ratings."""
    random = np.random.default_rng(seed)
    return {
        "user": np.repeat(np.arange(count // 10), 10),
        "item": random.integers(1000, 1000 + count // 2, count),
        "time": 1_500_000_000 + random.integers(0, 1000 * DAY, count),
        "stars": random.choice([0.5, 1.0, 4.5, 5.0], count),
    }


def write(path, columns, **options):
    pd.DataFrame(columns).to_csv(path, index=False, **options)
    return path


def named_as(path, *names):
    """Writes a log whose user, item and time are called so."""
    values = rows()
    keys = ("user", "item", "time")
    return write(
        path, {name: values[key] for name, key in zip(names, keys, strict=True)}
    )


@pytest.mark.parametrize(
    "names",
    [
        ("user_id", "item_id", "timestamp"),
        ("userId", "movieId", "timestamp"),
        ("Customer ID", "SKU", "Date"),
        ("session_id", "item_id", "ts"),
        ("reviewerID", "asin", "unixReviewTime"),
        ("visitorid", "ProductId", "event_time"),
    ],
)
def test_names_decide(names, tmp_path):
    guess = guess_columns(named_as(tmp_path / "log.csv", *names))
    assert (guess.user, guess.item, guess.time) == names
    assert not guess.positions and guess.split is None
    (line,) = guess.said
    assert line.count("by its name") == 3
    assert all(repr(name) in line for name in names)


def test_a_user_is_rather_a_user_than_a_session(tmp_path):
    values = rows()
    path = write(
        tmp_path / "log.csv",
        {
            "session_id": values["item"],
            "user_id": values["user"],
            "item_id": values["item"],
            "time": values["time"],
        },
    )
    assert guess_columns(path).user == "user_id"


def test_no_name_stands_for_two_roles():
    words = [
        word for tiers in ROLES.values() for tier in tiers for word in tier
    ]
    assert len(words) == len(set(words))
    assert named("item", ["a", "b"]) == []


def test_contents_decide_what_names_do_not(tmp_path):
    values = rows()
    names = {"who": "user", "what": "item", "at": "time", "mark": "stars"}
    columns = {name: values[key] for name, key in names.items()}
    columns |= {"event": np.arange(200), "shop": "main"}
    path = write(tmp_path / "log.csv", columns)
    guess = guess_columns(path)
    assert (guess.user, guess.item, guess.time) == ("who", "what", "at")
    assert guess.said[0].count("by what it holds") == 3


@pytest.mark.parametrize(
    "times",
    [
        lambda times: times,
        lambda times: times * 1000,
        lambda times: pd.to_datetime(times, unit="s").astype(str),
    ],
    ids=["seconds", "milliseconds", "dates"],
)
def test_times_are_told_from_ids(times, tmp_path, caplog):
    values = rows()
    path = write(
        tmp_path / "log.csv",
        {
            "user_id": values["user"],
            "thing": values["item"],
            "moment": times(values["time"]),
        },
    )
    with caplog.at_level(logging.WARNING):
        guess = guess_columns(path)
    assert (guess.item, guess.time) == ("thing", "moment")
    assert caplog.text == ""


def test_a_year_by_name_has_to_hold_times(tmp_path):
    """That of a film is none."""
    path = named_as(tmp_path / "log.csv", "user_id", "item_id", "moment")
    table = pd.read_csv(path)
    table["year"] = 1950 + table["item_id"] % 70
    assert guess_columns(write(path, table)).time == "moment"
    ordered = table.drop(columns="moment").assign(order=range(len(table)))
    guess = guess_columns(write(path, ordered))
    assert guess.time == "order" and guess.positions
    with pytest.raises(DataError, match="name it with --time-column"):
        guess_columns(write(path, table.drop(columns="moment")))
    table["year"] = table.pop("moment")
    guess = guess_columns(write(path, table))
    assert guess.time == "year" and "'year' (by its name)" in guess.said[0]


def test_positions_are_said(tmp_path):
    values = rows()
    path = write(
        tmp_path / "log.csv",
        {
            "session_id": values["user"],
            "item_id": values["item"],
            "position": np.tile(np.arange(1, 11), 20),
            "split": np.where(values["user"] < 15, "train", "test"),
            "rating": values["stars"],
            "genre": values["item"] % 3,
        },
    )
    guess = guess_columns(path)
    assert guess.positions and guess.time == "position"
    assert guess.split == "split"
    assert guess.unused == {"rating": "rating", "category": "genre"}
    assert "no times" in guess.said[1]
    assert "not used" in guess.said[2] and "'genre'" in guess.said[2]
    log = read_log(
        path,
        user_column=guess.user,
        time_column=guess.time,
        split_column=guess.split,
    )
    assert log.order_only


def test_a_split_of_other_words_is_none(tmp_path):
    values = rows()
    path = named_as(tmp_path / "log.csv", "user_id", "item_id", "time")
    table = pd.read_csv(path).assign(split=values["user"] % 2)
    assert guess_columns(write(path, table)).split is None


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_found(separator, tmp_path):
    path = named_as(tmp_path / "log.csv", "user_id", "item_id", "time")
    write(path, pd.read_csv(path), sep=separator)
    guess = guess_columns(path)
    assert guess.separator == separator
    assert guess.user == "user_id"


def test_parquet_and_gzip(tmp_path):
    path = named_as(tmp_path / "log.csv", "user_id", "item_id", "time")
    pd.read_csv(path).to_parquet(tmp_path / "log.parquet")
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for other in (tmp_path / "log.parquet", packed):
        assert guess_columns(other) == guess_columns(path)


def test_what_is_given_wins(tmp_path):
    path = named_as(tmp_path / "log.csv", "user_id", "item_id", "customer_id")
    given = {"user": "customer_id", "time": "user_id", "item": None}
    guess = guess_columns(path, given)
    assert (guess.user, guess.time) == ("customer_id", "user_id")
    assert "user is 'customer_id' (as given)" in guess.said[0]
    with pytest.raises(DataError, match="has no column 'whom'"):
        guess_columns(path, {"user": "whom"})


def test_two_that_could_be_are_named(tmp_path):
    path = named_as(tmp_path / "log.csv", "user_id", "item_id", "time")
    table = pd.read_csv(path).assign(customer_id=1)
    write(path, table)
    with pytest.raises(
        DataError,
        match="the user could be 'user_id' or 'customer_id'; name the column "
        "with --user-column",
    ):
        guess_columns(path)


def test_columns_that_contents_do_not_tell_apart_are_named(tmp_path):
    random = np.random.default_rng(0)
    path = write(
        tmp_path / "log.csv",
        {
            "left": random.integers(0, 20, 200),
            "right": random.integers(0, 20, 200),
            "time": rows()["time"],
        },
    )
    with pytest.raises(
        DataError,
        match="the user could be 'left' or 'right', the item could be 'left' "
        "or 'right'; name the columns with --user-column and --item-column",
    ):
        guess_columns(path)


def test_what_is_unsure_is_told_beside_what_is_missing(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,customer_id,item_id\n1,2,3\n1,2,4\n")
    with pytest.raises(
        DataError,
        match="to be the time; name it with --time-column, if it is there; "
        "also, the user could be 'user_id' or 'customer_id'",
    ):
        guess_columns(path)


def test_somebody_there_is_asked(tmp_path):
    random = np.random.default_rng(0)
    path = write(
        tmp_path / "log.csv",
        {
            "left": random.integers(0, 20, 200),
            "right": random.integers(0, 20, 200),
            "time": rows()["time"],
        },
    )
    asked = []

    def ask(role, choices):
        asked.append((role, list(choices)))
        return choices[-1]

    guess = guess_columns(path, ask=ask)
    assert asked == [("user", ["left", "right"]), ("item", ["left"])]
    assert (guess.user, guess.item) == ("right", "left")
    assert "(as you said)" in guess.said[0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"item_id": range(50), "attributes": ["1 2"] * 50},
            r"none of its columns \('item_id', 'attributes'\) could be told to "
            "be the user or the time; name it with --user-column or "
            "--time-column",
        ),
        (
            {"prefix": ["1 2", "3"] * 25, "target": [1, 2] * 25},
            "be the user or the item or the time",
        ),
    ],
    ids=["attributes", "prefixes"],
)
def test_what_is_no_log_is_refused(columns, message, tmp_path):
    path = write(tmp_path / "log.csv", columns)
    for ask in (None, lambda role, choices: choices[0]):
        with pytest.raises(DataError, match=message):
            guess_columns(path, ask=ask)


def test_a_file_without_a_header_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("1,2,874965478\n1,3,874965479\n")
    with pytest.raises(DataError, match="first line holds '1', which is no"):
        guess_columns(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\xff\xfe,b\n", "not text in UTF-8")],
)
def test_broken_files_are_told(content, message, tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        guess_columns(path)
    with pytest.raises(DataError, match="does not exist"):
        guess_columns(tmp_path / "none.csv")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan], ids=str)
def test_what_is_not_finite_is_no_time(value, tmp_path):
    values = rows()
    other = values["time"].astype(float)
    other[7] = value
    path = write(
        tmp_path / "log.csv",
        {
            "user_id": values["user"],
            "item_id": values["item"],
            "weight": other,
            "moment": values["time"],
        },
    )
    assert guess_columns(path).time == "moment"


def test_columns_without_rows_are_told(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("who,what,at\n")
    with pytest.raises(DataError, match="has columns but no rows; expected"):
        guess_columns(path)
