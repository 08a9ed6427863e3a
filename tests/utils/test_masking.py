import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import never_empty
from mgnm_tf.utils.masking import newest_first
from mgnm_tf.utils.masking import normalize_rows
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.masking import reverse_valid


def test_newest_first_keeps_padding_at_the_end():
    ids = np.array([[3, 4, 5], [7, 8, 0], [9, 0, 0], [0, 0, 0]], "int32")
    expected = [[5, 4, 3], [8, 7, 0], [9, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(newest_first(ids), expected)


def test_reverse_valid_is_its_own_inverse():
    mask = np.arange(3) < np.array([[3], [2], [0]])
    values = np.arange(18.0).reshape(3, 2, 3) + 1
    reversed_ = np.asarray(reverse_valid(values, mask))
    np.testing.assert_array_equal(
        reversed_[:2], [[[3, 2, 1], [6, 5, 4]], [[8, 7, 0], [11, 10, 0]]]
    )
    assert not reversed_[2].any()
    np.testing.assert_array_equal(
        reverse_valid(reversed_, mask), values * mask[:, None]
    )


def test_normalized_rows_sum_to_1_or_are_all_0():
    np.testing.assert_allclose(
        normalize_rows(np.array([[1.0, 3.0], [0.0, 0.0]])),
        [[0.25, 0.75], [0, 0]],
    )


def test_places_count_from_the_newest():
    mask = np.arange(4) < np.array([[4], [2], [0]])
    places = np.asarray(places_from_newest(mask))
    assert places.dtype == np.int32
    np.testing.assert_array_equal(
        places, [[3, 2, 1, 0], [1, 0, -1, -2], [-1, -2, -3, -4]]
    )


def test_only_an_empty_row_gets_a_position():
    mask = np.arange(3) < np.array([[3], [1], [0]])
    expected = np.arange(3) < np.array([[3], [1], [1]])
    np.testing.assert_array_equal(never_empty(mask), expected)


def test_a_history_has_to_fit():
    history = np.ones((2, 4), "int32")
    assert check_history_length(history, 4) is history
    with pytest.raises(ValueError, match="length 4, max_length=3"):
        check_history_length(history, 3)


def test_a_length_that_only_the_graph_knows_is_checked_there():
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def read(history):
        return check_history_length(history, 3)

    assert read(np.ones((2, 3), "int32")).shape == (2, 3)
    message = "at most `max_length` long.*4.*max_length=3"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read(np.ones((2, 4), "int32"))
