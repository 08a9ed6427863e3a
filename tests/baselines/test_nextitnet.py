"""NextItNet against convolutions in NumPy."""

import numpy as np
import pytest

from baselines.nextitnet import NextItNet

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6, 1], [7, 8, 0, 0, 0], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2]]),
}


def convolved(x, kernel, bias, dilation):
    """Returns the causal convolution of (n, d) inputs."""
    width = len(kernel)
    out = np.tile(bias, (len(x), 1))
    for t in range(len(x)):
        for tap in range(width):
            source = t - (width - 1 - tap) * dilation
            if source >= 0:
                out[t] += x[source] @ kernel[tap]
    return out


def normalized(x, gain, offset):
    mean = x.mean(axis=-1, keepdims=True)
    variance = x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-8) * gain + offset


def user_of(model, items):
    """Returns the user vector of a history of ids."""
    weights, offset = model.output_projection.get_weights()
    if not len(items):
        return offset
    x = model.item_embedding.get_weights()[0][items].astype("float64")
    place = 0
    for dilation in model.dilations * model.num_repeats:
        change = x
        for rate in (dilation, 2 * dilation):
            kernel, bias = model.convolutions[place].get_weights()
            gain, shift = model.normalizations[place].get_weights()
            change = convolved(change, kernel, bias, rate)
            change = np.maximum(normalized(change, gain, shift), 0.0)
            place += 1
        x = x + change
    return x[-1] @ weights + offset


def small(seed=0, **options):
    options = {"dilations": (1, 2), "num_repeats": 2, **options}
    model = NextItNet(2, 9, embedding_dim=6, **options)
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in model.get_weights()]
    )
    return model


@pytest.mark.parametrize(
    "options", [{}, {"kernel_size": 2}, {"num_repeats": 1}, {"dilations": [3]}]
)
def test_equals_numpy(options):
    model = small(**options)
    table = model.item_embedding.get_weights()[0]
    table[0] = 0.0
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        expected = table[FEATURES["candidates"][row]] @ user_of(
            model, history[history > 0]
        )
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # (M + 1) d + blocks * 2 (k d^2 + 3 d) + d^2 + d.
        ({}, 640 + 10 * 2 * (3 * 4096 + 192) + 4096 + 64),
        (
            {"embedding_dim": 4, "dilations": (1,), "kernel_size": 2},
            40 + 5 * 2 * (32 + 12) + 16 + 4,
        ),
    ],
)
def test_parameter_count(options, expected):
    assert NextItNet(2, 9, **options).count_params() == expected


@pytest.mark.parametrize(("dilations", "field"), [((1,), 7), ((1, 2), 19)])
def test_an_item_outside_the_receptive_field_has_no_influence(dilations, field):
    model = small(dilations=dilations, num_repeats=1)
    random = np.random.default_rng(2)
    history = random.integers(1, 10, (20, field + 4))
    vector = np.asarray(model.user_vector({"history": history}))
    far, near = history.copy(), history.copy()
    far[:, :-field] = far[:, :-field] % 9 + 1
    near[:, -field] = near[:, -field] % 9 + 1
    np.testing.assert_array_equal(model.user_vector({"history": far}), vector)
    assert np.abs(model.user_vector({"history": near}) - vector).max() > 1e-6


def test_a_temperature_bounds_the_scores():
    scores = np.asarray(small(temperature=0.1)(FEATURES))
    assert 1.0 < np.abs(scores).max() <= 10.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"dilations": ()}, "`dilations` must be a list of numbers"),
        ({"dilations": "1, 4"}, "`dilations` must be a list of numbers"),
        ({"dilations": (1, 0)}, "`dilations` must be at least 1"),
        ({"num_repeats": 0}, "`num_repeats` must be at least 1"),
        ({"kernel_size": 0}, "`kernel_size` must be at least 1"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        NextItNet(2, 9, **options)
