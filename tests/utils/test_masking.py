import numpy as np

from mgnm_tf.utils.masking import newest_first
from mgnm_tf.utils.masking import shares
from mgnm_tf.utils.masking import turn_around


def test_newest_first_keeps_padding_at_the_end():
    ids = np.array([[3, 4, 5], [7, 8, 0], [9, 0, 0], [0, 0, 0]], "int32")
    expected = [[5, 4, 3], [8, 7, 0], [9, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(newest_first(ids), expected)


def test_turn_around_is_its_own_inverse():
    mask = np.arange(3) < np.array([[3], [2], [0]])
    values = np.arange(18.0).reshape(3, 2, 3) + 1
    turned = np.asarray(turn_around(values, mask))
    np.testing.assert_array_equal(
        turned[:2], [[[3, 2, 1], [6, 5, 4]], [[8, 7, 0], [11, 10, 0]]]
    )
    assert not turned[2].any()
    np.testing.assert_array_equal(
        turn_around(turned, mask), values * mask[:, None]
    )


def test_shares_sum_to_1_or_are_all_0():
    np.testing.assert_allclose(
        shares(np.array([[1.0, 3.0], [0.0, 0.0]])), [[0.25, 0.75], [0, 0]]
    )
