"""Blocks of users are joined."""

import numpy as np
import tensorflow as tf

from mgnm_tf.serving.ranking.joined_blocks import join_blocks


def block(users, length):
    return {
        "interests": tf.ones((users, 2, 3)),
        "attention": tf.ones((users, 2, length)),
        "level": tf.constant([0, 0]),
        "interest": tf.constant([1, 2]),
    }


def test_users_stand_in_a_row_and_attention_is_filled():
    found = join_blocks([block(1, 4), block(2, 1)], 5)
    assert found["interests"].shape == (3, 2, 3)
    expected = np.arange(5) < np.array([4, 1, 1])[:, None, None]
    expected = np.broadcast_to(expected, (3, 2, 5)).astype("float32")
    np.testing.assert_array_equal(found["attention"], expected)
    assert found["level"].tolist() == [0, 0]
    assert found["interest"].tolist() == [1, 2]


def test_no_users():
    assert join_blocks([], 1) == {}
