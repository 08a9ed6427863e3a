import numpy as np

from mgnm_tf.layers import RelativeBias


def test_a_gap_beyond_all_classes_is_in_the_last():
    layer = RelativeBias(max_length=4)
    times = np.array([[0, 2**60]])
    bias = layer(np.array([[1]]), np.arange(2), times[:, 1:], times)
    places, gaps = layer.get_weights()
    expected = [places[1] + gaps[-1], places[0] + gaps[0]]
    np.testing.assert_allclose(np.asarray(bias)[0, 0], expected, rtol=1e-6)
