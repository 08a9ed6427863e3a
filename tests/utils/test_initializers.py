"""Initial values of weights."""

import numpy as np

from mgnm_tf.utils.initializers import uniform_of_width


def test_uniform_of_width_draws_anew_for_each_object():
    draws = [np.asarray(uniform_of_width(16)((50, 50))) for _ in range(2)]
    for draw in draws:
        assert 0.24 < draw.max() <= 0.25
        assert -0.25 <= draw.min() < -0.24
    assert not np.array_equal(*draws)
