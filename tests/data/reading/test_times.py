"""Times of every source keep their precision, and so their order."""

import dataclasses
import datetime
import decimal
import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.reading.times import encode_times
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.data.steps.filters import drop_duplicates
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.tables.temporal_graph import temporal_graph
from mgnm_tf.errors import DataError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.export import verification
from mgnm_tf.serving.bulk.recommend_file import read_history
from tests.data.toy import toy_data

SECOND = 1_704_103_200  # 2024-01-01 10:00:00
CAB = ["c", "a", "b"]
TEXTS = [f"2024-01-01T10:00:00.{tenth}00Z" for tenth in "915"]
STAMPS = pd.to_datetime(TEXTS, format="ISO8601", utc=True)


def encode(values, unit="auto"):
    array = values if isinstance(values, pa.Array) else pa.array(values)
    times, unit = encode_times(pa.chunked_array([array]), "t", "log", unit)
    assert times.dtype == np.int64
    return times.tolist(), unit


def frame_of(times, items=CAB):
    return pd.DataFrame({"user_id": "u", "item_id": items, "timestamp": times})


def items_of(data):
    return [data.item_ids[item - 1] for item in data.items]


def in_order(log):
    order = np.lexsort((log.times, log.users))
    return [log.item_ids[item] for item in log.items[order]]


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(TEXTS, id="iso_text"),
        pytest.param([text.replace("Z", " UTC") for text in TEXTS], id="utc"),
        pytest.param(STAMPS, id="pandas"),
        pytest.param(STAMPS.tz_localize(None).as_unit("ms"), id="ms"),
        pytest.param(STAMPS.as_unit("us"), id="us"),
        pytest.param(STAMPS.as_unit("ns"), id="ns"),
        pytest.param([SECOND + 0.9, SECOND + 0.1, SECOND + 0.5], id="floats"),
        pytest.param([f"{SECOND}.{n}" for n in "915"], id="decimal_text"),
        pytest.param([SECOND * 1000 + n for n in (900, 100, 500)], id="epoch"),
    ],
)
@pytest.mark.parametrize("form", ["frame", "csv", "parquet"])
def test_order_inside_a_second(tmp_path, times, form):
    source = frame_of(times)
    if form == "csv":
        source.to_csv(tmp_path / "log.csv", index=False)
        source = tmp_path / "log.csv"
    elif form == "parquet":
        source.to_parquet(tmp_path / "log.parquet")
        source = tmp_path / "log.parquet"
    log = drop_duplicates(read_log(source))
    assert in_order(log) == ["a", "b", "c"]
    assert log.time_unit == "ms"
    assert log.times.tolist() == [SECOND * 1000 + n for n in (900, 100, 500)]
    assert not log.order_only


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    times = pd.Timestamp(SECOND, unit="s") + pd.to_timedelta(
        [1, 200, 300, 400, 800], unit="us"
    )
    frame = frame_of(times, list("abcba"))
    shuffled = split_log(read_log(frame.iloc[[3, 1, 4, 0, 2]]))
    data = split_log(read_log(frame))
    assert items_of(data) == list("abcba")
    assert shuffled.fingerprint == data.fingerprint
    data.save(tmp_path / "d")
    loaded = SequenceDataset.load(tmp_path / "d")
    assert loaded.time_unit == "us"
    assert dataclasses.replace(loaded).fingerprint == data.fingerprint


def test_equal_events_inside_a_second_stay_unless_their_times_are_equal():
    rows = frame_of([f"{SECOND}.{n}" for n in (1, 2, 2)], ["a", "a", "a"])
    assert len(drop_duplicates(read_log(rows))) == 2


def test_the_unit_counts_in_the_fingerprint():
    data = toy_data()
    finer = dataclasses.replace(data, time_unit="ms")
    assert finer.fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("values", "times", "unit"),
    [
        ([3, 1], [3, 1], "s"),
        (["5.0", "0.6e1", " 7"], [5, 6, 7], "s"),
        (["5.0", "1.250"], [5000, 1250], "ms"),
        (["1.000001"], [1_000_001], "us"),
        (["1700000000.123456789"], [1_700_000_000_123_456_789], "ns"),
        (["1700000000.1234567891"], [1_700_000_000_123_456_789], "ns"),
        ([1700000000.25, 2.0], [1_700_000_000_250, 2000], "ms"),
        ([0.9999999999], [1], "s"),
        ([decimal.Decimal("1.5"), decimal.Decimal(2)], [1500, 2000], "ms"),
        ([datetime.date(1970, 1, 2)], [86_400], "s"),
        (pa.array([86_400_000], pa.date64()), [86_400], "s"),
        ([np.datetime64("1970-01-01T00:00:02", "ns")], [2], "s"),
        (["1970-01-01", "1970-01-01T00:00:00.0000005"], [0, 500], "ns"),
        (["1970-01-01T02:00:00.5+02:00"], [500], "ms"),
        (["9999-12-31"], [253_402_214_400], "s"),
        (pa.array(["2.5"]).dictionary_encode(), [2500], "ms"),
    ],
)
def test_the_coarsest_unit_that_is_exact(values, times, unit):
    assert encode(values) == (times, unit)


@pytest.mark.parametrize("digits", ["", "000", "000000", "000000000"])
def test_epochs_are_recognized_by_their_size(digits, caplog):
    values = [f"{SECOND + n}{digits}" for n in (0, 1)]
    assert encode(values) == ([SECOND, SECOND + 1], "s")
    assert encode([float(value) for value in values])[0] == [SECOND, SECOND + 1]
    said = "since 1970, 2024-01-01 to 2024-01-01" in caplog.text
    assert said == bool(digits)


def test_a_given_unit_overrules():
    assert encode([2_000, 3_500], "ms") == ([2_000, 3_500], "ms")
    assert encode(["1.5"], "us") == ([1500], "ns")
    assert encode([10**12], "s") == ([10**12], "s")
    assert encode(["2019"], "s") == ([2019], "s")
    assert encode(["2024-01-01"], "ms") == ([1_704_067_200], "s")
    with pytest.raises(ValueError, match="time_unit"):
        encode([1], "minutes")


@pytest.mark.parametrize(
    ("values", "dates"),
    [
        ([2019, 2020], ["2019-01-01", "2020-01-01"]),
        (["20240229", "20231231"], ["2024-02-29", "2023-12-31"]),
        ([202402290405], ["2024-02-29T04:05:00"]),
        ([20240229040506.0], ["2024-02-29T04:05:06"]),
    ],
)
def test_dates_written_as_numbers(values, dates, caplog):
    expected = np.array(dates, "datetime64[s]").astype(np.int64).tolist()
    assert encode(values) == (expected, "s")
    assert "dates written as numbers" in caplog.text


@pytest.mark.parametrize(
    "values", [[20240230], [20240131, 7], [1899], [2101], [2019.5], [1, 2, 3]]
)
def test_other_numbers_are_no_dates(values, caplog):
    with caplog.at_level(logging.INFO):
        encode(values)
    assert not caplog.records


def test_positions_stay_positions():
    log = read_log(frame_of([1, 3, 2]))
    assert log.order_only and log.times.tolist() == [1, 3, 2]
    assert not read_log(frame_of([0.001, 0.003, 0.002])).order_only
    assert not read_log(frame_of([1, 3, 2]), time_unit="s").order_only


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([1.5e9], pa.float32()), "column 't': holds float"),
        (pa.array([2.0**11], pa.float16()), "column 't': holds halffloat"),
        (pa.array([1], pa.duration("s")), "column 't': holds duration"),
        (pa.array([1], pa.time64("us")), "column 't': holds time64"),
        ([np.datetime64(1, "s"), None], "row 2, .*found None"),
        (["1", "-0.5"], "row 2, .*found -0.5, expected a time of at least 0"),
        (["1970-01-01", "1969-12-31"], "row 2, .*found 1969-12-31"),
        (["9e10", "0.000000001"], "row 1, .*in nanoseconds"),
        (["1", "2024-01-01"], "row 2, .*found 2024-01-01"),
    ],
)
def test_times_that_cannot_be_held(values, message):
    with pytest.raises(DataError, match=message):
        encode(values)


def test_small_float32_are_exact():
    assert encode(pa.array([3.0, 1.0], pa.float32())) == ([3, 1], "s")


def test_whole_seconds_round_down():
    times = np.array([999, 1000, 1999])
    assert whole_seconds(times, "ms").tolist() == [0, 1, 1]
    assert whole_seconds(times, "s") is times


def finer(data):
    """The same data in milliseconds, each event some of them later."""
    later = np.arange(len(data.times)) % 1000
    times = np.asarray(data.times) * 1000 + later
    return dataclasses.replace(data, times=times, time_unit="ms")


def test_models_read_whole_seconds():
    data = toy_data()
    options = {"features": ("history_time", "candidate_time"), "part": "test"}
    for batch, other in zip(
        make_dataset(data, **options), make_dataset(finer(data), **options)
    ):
        for key in ("history_time", "candidate_time"):
            np.testing.assert_array_equal(batch[0][key], other[0][key])
    graph, other = temporal_graph(data), temporal_graph(finer(data))
    assert graph["origin"] == other["origin"]
    np.testing.assert_array_equal(graph["times"], other["times"])


def test_the_graph_is_in_the_order_of_the_full_times():
    rows = [("u", "a", 0.7), ("u", "b", 5), ("v", "a", 0.2), ("v", "b", 6)]
    rows += [(user, item, 9) for user in "uv" for item in "ab"]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    graph = temporal_graph(split_log(read_log(frame)))
    first = graph["offsets"][3]
    assert graph["neighbors"][first : first + 2].tolist() == [2, 1]


def test_a_temporal_split_cuts_inside_a_second():
    times = SECOND + np.arange(10) / 10
    frame = frame_of(times, list("ab") * 5)
    data = split_log(read_log(frame), "temporal", (7, 1, 2))
    assert data.parts.tolist() == [0] * 7 + [1] + [2] * 2
    assert data.metadata["split"]["test_from"] == SECOND


def test_the_order_of_a_history_to_recommend_for(tmp_path):
    frame_of(TEXTS).to_csv(tmp_path / "h.csv", index=False)
    found = read_history(tmp_path / "h.csv", reads_times=True)
    assert found.items.tolist() == ["a", "b", "c"]
    assert found.item_times.tolist() == [SECOND] * 3
    assert found.times.tolist() == [SECOND]


def test_an_export_is_verified_in_whole_seconds():
    data = toy_data()
    positions = data.positions("test")
    requests = [
        verification._RawIds(made, Protocol()).request(
            positions, np.ones((len(positions), 1), int), features
        )
        for made in (data, finer(data))
        for features in [{"history_time", "candidate_time"}]
    ]
    for key in ("time", "history_time"):
        np.testing.assert_array_equal(requests[0][key], requests[1][key])


@pytest.mark.parametrize("word", ["now", "today", " now ", "NaT", "x2024"])
def test_words_are_no_dates(word):
    with pytest.raises(DataError, match=f"found {word}, expected seconds"):
        encode(["2024-01-01", word])
    with pytest.raises(DataError, match=f"found {word}, expected seconds"):
        encode([word, "2024-01-01"])
