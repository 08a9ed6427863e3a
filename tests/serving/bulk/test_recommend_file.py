import re

import pandas as pd
import pytest

from mgnm_tf.errors import DataError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.serving import Recommender
from mgnm_tf.serving.bulk.recommend_file import recommend_file
from mgnm_tf.serving.requests import request_blocks
from mgnm_tf.serving.requests.history_table import HistoryColumns
from tests.export.worlds import export_sums
from tests.export.worlds import no_space

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


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_holds_what_recommend_returns(
    recommender, ending, tmp_path, monkeypatch
):
    monkeypatch.setattr(request_blocks, "_CELLS", 2)
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


def write(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("ids", "found"),
    [([7, 8], "7"), (["7.0", "8.0"], "7.0"), (["Tea", "Milk"], "Tea")],
)
def test_a_file_of_which_no_item_is_known(
    recommender, tmp_path, ending, ids, found
):
    table = pd.DataFrame({"user_id": ["ann", "bob"], "item_id": ids})
    path = write(table, tmp_path / f"h.{ending}")
    sentence = (
        f"{path}, column 'item_id': the model knows none of the 2 items, for "
        f"example {found!r}; an item that it knows is 'tea'. Give the ids as"
    )
    with pytest.raises(DataError, match=re.escape(sentence)):
        recommend_file(recommender, path, tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()


def test_what_of_a_file_is_not_known_is_said(recommender, tmp_path, caplog):
    path = write(TABLE, tmp_path / "h.csv")
    recommend_file(recommender, path, tmp_path / "o.csv")
    assert [one.message for one in caplog.records] == [
        f"{path}: the model does not know 1 of 3 users (for example '77') and "
        "1 of 4 items (for example 'unknown'), so 1 of 5 events are left out."
    ]


def test_columns_of_other_names(recommender, tmp_path):
    expected = recommender.recommend(TABLE, k=3)
    names = {"user_id": "u", "item_id": "i", "timestamp": "t"}
    path = tmp_path / "h.txt"
    TABLE.rename(columns=names).to_csv(path, index=False, sep="|")
    columns = HistoryColumns(user="u", item="i", time="t", separator="|")
    out = tmp_path / "o.parquet"
    recommend_file(recommender, path, out, k=3, columns=columns)
    pd.testing.assert_frame_equal(
        pd.read_parquet(out), expected, check_dtype=False
    )


def test_files_that_cannot_be_used(recommender, tmp_path):
    TABLE.to_csv(tmp_path / "h.csv", index=False)
    (tmp_path / "taken.csv").touch()
    with pytest.raises(OutputExistsError, match="exists already"):
        recommend_file(recommender, tmp_path / "h.csv", tmp_path / "taken.csv")
    with pytest.raises(UserError, match="must end in .csv or .parquet"):
        recommend_file(recommender, tmp_path / "h.csv", tmp_path / "out.txt")
    with pytest.raises(DataError, match="does not exist"):
        recommend_file(recommender, tmp_path / "no.csv", tmp_path / "o.csv")
    (tmp_path / "empty.csv").write_text("user_id,item_id\n")
    with pytest.raises(DataError, match="has columns but no rows"):
        recommend_file(recommender, tmp_path / "empty.csv", tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_full_disk(recommender, tmp_path, ending):
    write(TABLE, tmp_path / "h.csv")
    out = tmp_path / f"o.{ending}"
    sentence = f"{out} could not be written: .*[Ff]ile.*; nothing was left of"
    with pytest.raises(UserError, match=sentence):
        with no_space(50):
            recommend_file(recommender, tmp_path / "h.csv", out)
    assert [one.name for one in tmp_path.iterdir()] == ["h.csv"]
