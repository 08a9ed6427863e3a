import numpy as np
import pytest

from baselines.tgsrec.time_encoding import TimeEncoding
from tests.testing import run_layer_test

GAPS = np.array([[0, 1, 60], [3600, 10**6, 2 * 10**9]], "int32")


def test_layer_contract():
    run_layer_test(
        TimeEncoding,
        {"time_dim": 5, "time_scale": 86400.0},
        {"gaps": GAPS[:, :2]},
        expected_output_shape=(2, 2, 5),
        expected_num_trainable_weights=2,
    )


@pytest.mark.parametrize("scale", [1.0, 86400.0])
def test_equals_the_formula(scale):
    layer = TimeEncoding(4, scale)
    phases = np.array([0.1, -0.5, 0.0, 2.0])
    layer.phases.assign(phases)
    expected = np.cos(
        GAPS[..., None] / scale * np.array([1, 1e-3, 1e-6, 1e-9]) + phases
    )
    # The angle has 7 digits, so large ones are known to a part of a turn.
    angle = GAPS[..., None] / scale
    error = np.abs(np.asarray(layer(GAPS)) - expected)
    assert np.all(error <= 1e-5 + 3e-7 * angle)


def test_frequencies_at_the_start():
    frequencies = np.asarray(TimeEncoding(10).frequencies)
    np.testing.assert_allclose(frequencies, 10.0 ** -np.arange(10), rtol=1e-6)
    assert np.asarray(TimeEncoding(1).frequencies).tolist() == [1.0]


@pytest.mark.parametrize("gap", [2049, 10**9])
def test_float16_keeps_integers_and_frequencies(gap):
    """In float16, 2049 would be 2048 and the frequency 1e-9 would be 0."""
    half = TimeEncoding(3, dtype="mixed_float16")(np.array([gap]))
    assert half.dtype == "float16"
    full = TimeEncoding(3)(np.array([gap]))
    np.testing.assert_allclose(half, full, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_dim": 0}, "`time_dim` must be at least 1"),
        ({"time_scale": 0.0}, "`time_scale` must be above 0"),
        ({"time_scale": -1.0}, "`time_scale` must be between 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        TimeEncoding(**{"time_dim": 2, **options})
