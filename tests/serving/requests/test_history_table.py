import pandas as pd
import pytest

from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.serving.requests.history_table import HistoryColumns
from mgnm_tf.serving.requests.history_table import read_frame
from mgnm_tf.serving.requests.history_table import read_history
from tests.serving.bulk.test_recommend_file import TABLE


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_histories_are_read_in_time_order(ending, tmp_path):
    path = tmp_path / f"h.{ending}"
    if ending == "parquet":
        TABLE.to_parquet(path)
    else:
        TABLE.to_csv(path, index=False)
    found = read_history(path, reads_times=True)
    assert list(found.users) == ["bob", "ann", "77"]
    assert list(found.offsets) == [0, 2, 4, 5]
    assert list(found.items[:2]) == ["jam, red", "é"]
    assert list(found.times) == [9, 6, 7]
    assert read_history(path, reads_times=False).times is None


def test_without_times_the_rows_are_in_order(tmp_path):
    TABLE[["user_id", "item_id"]].to_csv(tmp_path / "h.csv", index=False)
    found = read_history(tmp_path / "h.csv", reads_times=False)
    assert list(found.items[:2]) == ["é", "jam, red"]
    with pytest.raises(DataError, match="has no column 'timestamp'"):
        read_history(tmp_path / "h.csv", reads_times=True)


def test_that_there_are_no_times_is_said(tmp_path, caplog):
    caplog.set_level("INFO", "mgnm_tf")
    path, table = tmp_path / "h.csv", TABLE.rename(columns={"timestamp": "ts"})
    table.to_csv(path, index=False)
    assert list(read_history(path, False).items[:2]) == ["é", "jam, red"]
    assert [one.message for one in caplog.records] == [
        f"{path} has no column 'timestamp', so the rows of each user are "
        "taken to be in time order; columns found: 'user_id', 'item_id', "
        "'ts'. If one of them holds the times, name it (--time-column)."
    ]
    caplog.clear()
    columns = HistoryColumns(time="ts")
    found = read_history(path, False, columns)
    assert list(found.items[:2]) == ["jam, red", "é"]
    assert not caplog.records
    read_frame(table, False)
    assert "has no column 'timestamp', so the rows" in caplog.text
    caplog.clear()
    read_frame(table[["user_id", "item_id"]], False)
    assert not caplog.records


@pytest.mark.parametrize("name", ["user", "item", "time"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_named_column_must_be_there(tmp_path, name, ending):
    path = tmp_path / f"h.{ending}"
    if ending == "parquet":
        TABLE.to_parquet(path)
    else:
        TABLE.to_csv(path, index=False)
    sentence = (
        "has no column 'x'; columns found: 'user_id', 'item_id', 'timestamp'"
    )
    with pytest.raises(DataError, match=sentence):
        read_history(path, False, HistoryColumns(**{name: "x"}))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("kind", ["text", "floats", "integers", "stamps"])
def test_times_inside_a_second_order_a_file(tmp_path, ending, kind):
    moments = [1_704_103_200_900, 1_704_103_200_100, 1_704_103_200_500]
    stamps = pd.to_datetime(moments, unit="ms")
    times = {
        "text": stamps.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "floats": [one / 1000 for one in moments],
        "integers": moments,
        "stamps": stamps,
    }[kind]
    table = pd.DataFrame(
        {"user_id": "u", "item_id": list("cab"), "timestamp": times}
    )
    path = tmp_path / f"h.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    found = read_history(path, reads_times=True)
    assert list(found.items) == ["a", "b", "c"]
    assert list(found.times) == [1_704_103_200]


def test_a_unit_that_is_given(tmp_path):
    path = tmp_path / "h.csv"
    path.write_text("user_id,item_id,timestamp\nu,b,1700\nu,a,1600\n")
    found = read_history(path, True, HistoryColumns(time_unit="ms"))
    assert list(found.items) == ["a", "b"]
    assert list(found.item_times) == [1, 1]
    with pytest.raises(UserError, match="Unknown time_unit 'min'"):
        HistoryColumns(time_unit="min")


def test_fields_without_quotation_marks(tmp_path):
    path = tmp_path / "h.tsv"
    path.write_text('user_id\titem_id\nu\t"a\nu\tb"\n')
    found = read_history(path, False, HistoryColumns(quotes=False))
    assert list(found.items) == ['"a', 'b"']
