import pandas as pd
import pytest

from mgnm_tf.errors import DataError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.serving import Recommender
from mgnm_tf.serving import requests
from mgnm_tf.serving.recommend_file import read_history
from mgnm_tf.serving.recommend_file import recommend_file
from tests.serving.worlds import export_sums

ROWS = [
    ("bob", "é", 9),
    ("ann", "tea", 5),
    ("bob", "jam, red", 1),
    ("ann", "tea", 6),
    ("77", "unknown", 7),
]
TABLE = pd.DataFrame(ROWS, columns=["user_id", "item_id", "timestamp"])


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "served"
    return Recommender.load(export_sums(path))


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


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_holds_what_recommend_returns(
    recommender, ending, tmp_path, monkeypatch
):
    monkeypatch.setattr(requests, "_CELLS", 2)
    TABLE.to_csv(tmp_path / "h.csv", index=False)
    out, steps = tmp_path / f"recs.{ending}", []
    count = recommend_file(
        recommender,
        tmp_path / "h.csv",
        out,
        k=3,
        progress=lambda *x: steps.append(x),
    )
    assert count == 3
    assert steps == [(1, 3), (2, 3), (3, 3)]
    expected = recommender.recommend(TABLE, k=3)
    found = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    pd.testing.assert_frame_equal(
        found.astype({"user_id": str}), expected, check_dtype=False
    )


def test_files_that_cannot_be_used(recommender, tmp_path):
    TABLE.to_csv(tmp_path / "h.csv", index=False)
    (tmp_path / "taken.csv").touch()
    with pytest.raises(OutputExistsError, match="exists already"):
        recommend_file(recommender, tmp_path / "h.csv", tmp_path / "taken.csv")
    with pytest.raises(UserError, match="must end in .csv or .parquet"):
        recommend_file(recommender, tmp_path / "h.csv", tmp_path / "out.txt")
    with pytest.raises(UserError, match="`k` must be at most 9"):
        recommend_file(recommender, tmp_path / "h.csv", tmp_path / "o.csv", 10)
    with pytest.raises(DataError, match="does not exist"):
        recommend_file(recommender, tmp_path / "no.csv", tmp_path / "o.csv")
    (tmp_path / "empty.csv").write_text("user_id,item_id\n")
    with pytest.raises(DataError, match="has columns but no rows"):
        recommend_file(recommender, tmp_path / "empty.csv", tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()
