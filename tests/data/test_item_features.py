"""Features of items, read and refused."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import DataError


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "item_id": ["b", "a", "c"],
            "price": [1, 2, 3],
            "new": [True, False, True],
            "text_vector": [[0.5, 1.0], [0.0, 2.0], [1.5, 0.25]],
            "category": ["toys", None, "books"],
            "tags": [["x", "y"], [], ["y"]],
        }
    )


def test_numbers_vectors_and_classes(table, tmp_path):
    table.to_parquet(tmp_path / "f.parquet")
    for source in (table, tmp_path / "f.parquet"):
        found = read_item_features(source)
        assert found.ids == ["b", "a", "c"]
        assert [*found.numbers] == ["price", "new", "text_vector"]
        np.testing.assert_array_equal(found.numbers["new"], [[1], [0], [1]])
        np.testing.assert_array_equal(
            found.numbers["text_vector"], [[0.5, 1.0], [0.0, 2.0], [1.5, 0.25]]
        )
        assert list(found.classes["category"]) == [["toys"], [], ["books"]]
        assert list(map(list, found.classes["tags"])) == [["x", "y"], [], ["y"]]
    some = found.rows(np.array([2, 0]))
    assert (some.ids, list(some.classes["category"])) == (
        ["c", "b"],
        [["books"], ["toys"]],
    )


def test_ids_may_be_numbers_and_classes_categorical(table):
    table = table.assign(
        item_id=[7, 5, 6], category=table["category"].astype("category")
    )
    found = read_item_features(table)
    assert found.ids == ["7", "5", "6"]
    assert list(found.classes["category"]) == [["toys"], [], ["books"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"item_id": ["b", "a", "b"]}, "row 3, column 'item_id': 'b' is there"),
        ({"item_id": ["b", "", "c"]}, "row 2, column 'item_id': the id is emp"),
        ({"price": [1.0, None, 3.0]}, "row 2, column 'price': found .*finite"),
        ({"price": [1.0, 2.0, np.inf]}, "row 3, column 'price': found inf"),
        (
            {"text_vector": [[1.0, 2.0], [3.0], [4.0, 5.0]]},
            "row 2, column 'text_vector': the list has 1 numbers, expected 2",
        ),
        (
            {"text_vector": [[1.0], None, [4.0]]},
            "row 2, column 'text_vector': found",
        ),
        ({"price": pd.to_datetime(["2020-01-01"] * 3)}, "'price': holds times"),
    ],
)
def test_what_cannot_be_used_is_named(table, change, words):
    with pytest.raises(DataError, match=words):
        read_item_features(table.assign(**change))


def test_files_that_are_none(table, tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        read_item_features(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("item_id,price\n")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_item_features(tmp_path / "text.parquet")
    with pytest.raises(DataError, match="has no column 'item_id'"):
        read_item_features(table.drop(columns="item_id"))
    with pytest.raises(DataError, match="has 0 columns besides 'item_id'"):
        read_item_features(table[["item_id"]])


def test_labels_of_rows_are_no_feature_and_no_text_is_no_class(tmp_path):
    table = pd.DataFrame(
        {"item_id": ["a", "b"], "kind": ["", "x"], "tags": [["y", ""], None]}
    )
    table[::-1].to_parquet(tmp_path / "items.parquet")
    found = read_item_features(tmp_path / "items.parquet")
    assert found.ids == ["b", "a"]
    assert not found.numbers
    assert [*found.classes["kind"]] == [["x"], []]
    assert [*found.classes["tags"]] == [[], ["y"]]
