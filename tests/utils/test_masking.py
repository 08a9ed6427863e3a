import numpy as np

from mgnm_tf.utils.masking import newest_first


def test_newest_first_keeps_padding_at_the_end():
    ids = np.array([[3, 4, 5], [7, 8, 0], [9, 0, 0], [0, 0, 0]], "int32")
    expected = [[5, 4, 3], [8, 7, 0], [9, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(newest_first(ids), expected)
