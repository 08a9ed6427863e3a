import numpy as np
import pytest

from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import UserError
from mgnm_tf.export import Vocabularies
from tests.data.worlds import log_of
from tests.export.worlds import words


def test_of_data_are_known_users_and_training_counts():
    rows = [("u", "a", 1), ("u", "b", 2), ("u", "a", 3), ("u", "b", 4)]
    rows += [("v", "b", 8), ("new", "b", 9), ("new", "a", 10)]
    log = log_of(rows, category=["x", "y", "x", "y", "y", "y", "x"])
    data = split_log(log, "temporal", ratios=(0.6, 0.2, 0.2))
    found = Vocabularies.from_data(data)
    assert list(found.user_ids) == list(data.user_ids[: data.num_users])
    assert "new" not in found.user_ids
    assert list(found.item_ids) == list(data.item_ids)
    trained = [data.item_ids[i - 1] for i in data.items[data.parts == 0]]
    assert list(found.item_counts) == [
        trained.count(item) for item in found.item_ids
    ]
    assert found.item_counts.dtype == np.int64
    np.testing.assert_array_equal(
        found.item_categories, data.item_categories[1:]
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"item_ids": ["a", "b\rc"]}, r"`item_ids` holds an id with a line b"),
        ({"user_ids": ["a\n"]}, r"`user_ids` holds an id with a line break"),
        ({"user_ids": [""]}, r"`user_ids` must be text that is not empty"),
        ({"user_ids": [7]}, r"`user_ids` must be text.* Received: 7 at 0"),
        ({"item_ids": ["a", "b", "a"]}, r"different.*'a' at 0 and 2"),
        ({"item_ids": []}, r"`item_ids` is empty"),
        ({"item_counts": [1]}, r"`item_counts` must hold 9 integers"),
        ({"item_counts": [0.5] * 9}, r"`item_counts` must hold 9 integers"),
        ({"item_categories": [1, 2]}, r"`item_categories` must hold 9"),
    ],
)
def test_what_cannot_be_a_vocabulary_is_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        words(**changes)
