"""Columns of features as numbers and classes."""

import json

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.feature_columns import FeatureColumns
from mgnm_tf.data.feature_columns import class_table
from mgnm_tf.data.feature_columns import room_for_classes
from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import UserError

TABLE = pd.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "price": [1.0, 3.0, 5.0],
        "text": [[1.0, 7.0], [2.0, 7.0], [6.0, 7.0]],
        "tags": [["new", "old", "new"], [], ["old"]],
        "kind": ["toy", "", "game"],
    }
)
FEATURES = read_item_features(TABLE)


def test_numbers_are_standardised_and_classes_counted_from_1():
    columns = FeatureColumns.of(FEATURES)
    assert (columns.num_numbers, columns.num_classes) == (3, 4)
    text = np.array([[1.0, 7.0], [2.0, 7.0], [6.0, 7.0]])
    numbers = np.column_stack([TABLE["price"], text])
    expected = numbers - numbers.mean(axis=0)
    expected[:, :2] /= numbers[:, :2].std(axis=0)
    np.testing.assert_allclose(columns.number_table(FEATURES), expected)
    names = [*columns.classes["tags"], *columns.classes["kind"]]
    assert names == ["new", "old", "game", "toy"]
    ids = columns.class_ids(FEATURES)
    assert ids == [[1, 2, 4], [], [2, 3]]
    dense = columns.dense_table(FEATURES)
    np.testing.assert_array_equal(dense[0, 3:], [1, 1, 0, 1])
    np.testing.assert_allclose(dense[:, :3], expected)


def test_classes_that_are_not_known_are_left_out_and_some_count():
    columns = FeatureColumns.of(FEATURES)
    new = TABLE.assign(tags=[["old", "never"], ["never"], []], kind="toy")
    assert columns.class_ids(read_item_features(new)) == [[2, 4], [4], [4]]
    values = {**columns.to_dict(), "most_classes": 1}
    fewer = FeatureColumns.from_dict(json.loads(json.dumps(values)))
    assert fewer.class_ids(FEATURES) == [[1], [], [2]]
    np.testing.assert_array_equal(
        fewer.number_table(FEATURES), columns.number_table(FEATURES)
    )


def test_columns_that_are_missing_are_named():
    columns = FeatureColumns.of(FEATURES)
    with pytest.raises(UserError, match="1 numbers in the column 'price'"):
        columns.number_table(read_item_features(TABLE.drop(columns="price")))
    with pytest.raises(UserError, match="text in the column 'kind'"):
        columns.class_ids(read_item_features(TABLE.drop(columns="kind")))


def test_the_table_of_classes_has_room_for_most_items():
    counts = np.array([3] * 995 + [4] * 4 + [90])
    assert room_for_classes(counts) == 3
    found = class_table([[1, 2], [], [3, 4, 5]], 2)
    np.testing.assert_array_equal(found, [[1, 2], [0, 0], [3, 4]])
    assert found.dtype == np.int32
