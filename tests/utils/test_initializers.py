"""Initial values of weights."""

import keras
import numpy as np
import pytest

from mgnm_tf.utils.initializers import draw_normal
from mgnm_tf.utils.initializers import uniform_of_width


def test_uniform_of_width_draws_anew_for_each_object():
    draws = [np.asarray(uniform_of_width(16)((50, 50))) for _ in range(2)]
    for draw in draws:
        assert 0.24 < draw.max() <= 0.25
        assert -0.25 <= draw.min() < -0.24
    assert not np.array_equal(*draws)


def test_a_normal_draw_of_all_but_recurrent_cells_and_normalisations():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(400, 20)(inputs)
    x = keras.layers.GRU(20, return_sequences=True)(x)
    x = keras.layers.LayerNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(300)(x))
    before = [np.asarray(weight) for weight in model.weights]
    draw_normal(model, 0.25)
    for weight, old in zip(model.weights, before, strict=True):
        new = np.asarray(weight)
        if weight.path.startswith(("embedding", "dense")):
            assert np.std(new) == pytest.approx(0.25, rel=0.1), weight.path
            assert np.mean(new) == pytest.approx(0.0, abs=0.05), weight.path
        else:
            np.testing.assert_array_equal(new, old)
