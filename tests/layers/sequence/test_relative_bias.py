import numpy as np
import pytest

from mgnm_tf.layers import RelativeBias


def test_a_gap_beyond_all_classes_is_in_the_last():
    layer = RelativeBias(max_length=4)
    times = np.array([[0, 2**60]])
    bias = layer(np.array([[1]]), np.arange(2), times[:, 1:], times)
    places, gaps = layer.get_weights()
    expected = [places[1] + gaps[-1], places[0] + gaps[0]]
    np.testing.assert_allclose(np.asarray(bias)[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("use_time", [True, False])
def test_shape_and_config(use_time):
    """Places have no axis of a batch, so the usual contract does not fit."""
    layer = RelativeBias(5, use_time)
    copy = RelativeBias.from_config(layer.get_config())
    assert (copy.max_length, copy.use_time) == (5, use_time)
    assert len(copy.trainable_weights) == 1 + use_time
    given = [np.array([[0, 1], [0, 2], [1, 1]]), np.arange(4)]
    if use_time:
        given += [np.ones((3, 2), int), np.ones((3, 4), int)]
    shapes = [array.shape for array in given]
    assert layer(*given).shape == layer.compute_output_shape(*shapes)
    assert layer.compute_output_shape(*shapes) == (3, 2, 4)
