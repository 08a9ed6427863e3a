"""Ids out of range are named."""

import numpy as np
import pytest
from keras import ops

from mgnm_tf.utils.features import check_batch
from mgnm_tf.utils.features import check_features


def batch(**changes):
    """Returns a batch for 3 users and 5 items."""
    features = {
        "user": np.array([0, 3], np.int32),
        "history": np.array([[5, 1], [2, 0]], np.int32),
        "candidates": np.array([[1, 5], [0, 4]], np.int32),
    }
    return features | changes


def test_good_batch():
    check_features(batch(), 3, 5)
    check_features({"history": ops.zeros((2, 3), "int32")}, 3, 5)
    # Times of padding are none, and equal ones do not run backwards.
    check_features(batch(history_time=np.array([[7, 7], [9, 0]])), 3, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"history": np.array([[5, 1], [2, 6]])},
            "`history` must hold ids from 0 to 5. Received: 6 at row 1, col",
        ),
        (
            {"candidates": np.array([[1, -1], [0, 4]])},
            "`candidates` .* 0 to 5. Received: -1 at row 0, column 1",
        ),
        (
            {"history_time": np.array([[7, 6], [2, 0]])},
            "`history_time` .* backwards.* Received: 6 after 7 at row 0, col",
        ),
        (
            {"user": np.array([0, 4])},
            "`user` must hold ids from 0 to 3. Received: 4 at row 1",
        ),
        (
            {"shared_negatives": np.array([9])},
            "`shared_negatives` must .* Received: 9 at row 0",
        ),
    ],
)
def test_id_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        check_features(batch(**changes), 3, 5)


def test_what_is_no_batch():
    check_batch(batch(), ("history", "candidates"))
    check_batch([batch()], ("history",))
    words = "A batch is a dict with `history`, `candidates`, or .* Received: "
    for wrong, received in (
        (np.zeros((3, 4)), r"ndarray of shape \(3, 4\)"),
        (ops.zeros((2,)), r"\w+ of shape \(2,\)"),
    ):
        with pytest.raises(TypeError, match=words + received):
            check_batch(wrong, ("history", "candidates"))


def test_a_batch_that_lacks_a_key():
    with pytest.raises(
        ValueError,
        match="must hold `history`, `history_time`. Missing: `history_time`. "
        "Received: `user`, `history`, `candidates`",
    ):
        check_batch(batch(), ("history", "history_time"))


@pytest.mark.parametrize(
    ("history", "place"),
    [
        ([[0, 1, 2], [3, 0, 0]], "row 0, column 0, before item 1"),
        ([[3, 1, 2], [0, 0, 4]], "row 1, column 1, before item 4"),
        ([[1, 0, 0], [5, 0, 2]], "row 1, column 1, before item 2"),
    ],
)
def test_padding_before_an_item(history, place):
    with pytest.raises(ValueError, match=f"oldest first .*: 0 at {place}"):
        check_features({"history": np.array(history)}, 3, 5)


def test_padding_behind_and_empty_histories():
    histories = [[1, 2, 3], [1, 0, 0], [0, 0, 0]]
    check_features({"history": np.array(histories)}, 3, 5)
    check_features({"history": np.zeros((2, 0), np.int32)}, 3, 5)


def test_ids_that_are_no_integers():
    with pytest.raises(TypeError, match="`user` .*float32"):
        check_features(batch(user=np.zeros(2, np.float32)), 3, 5)
