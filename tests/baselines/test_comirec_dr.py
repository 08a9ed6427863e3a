"""ComiRec-DR against a forward pass in NumPy."""

import numpy as np
import pytest

from baselines.comirec_dr import ComiRecDR
from tests.baselines import multi_interest as shared
from tests.baselines.multi_interest import FEATURES
from tests.baselines.multi_interest import ROWS
from tests.baselines.multi_interest import items_of
from tests.baselines.multi_interest import randomized
from tests.reference.numpy_routing import route


def forward(model, row, coupling=False):
    """Returns interests (K, d), or couplings (K, n), of a row of `FEATURES`."""
    items = items_of(row)
    places = np.arange(len(items))
    if model.position_from == "end":
        places = places[::-1]
    kernel = np.asarray(model.kernel, dtype="float64")
    vectors = shared.table(model)
    seen = np.zeros((len(items), model.num_interests, model.embedding_dim))
    for i, (item, place) in enumerate(zip(items, places)):
        for k in range(model.num_interests):
            seen[i, k] = vectors[item] @ kernel[place, k]
    return route(
        seen,
        np.zeros(seen.shape[:2]),
        model.routing_iterations,
        coupling=coupling,
    )


@pytest.mark.parametrize("position_from", ["start", "end"])
@pytest.mark.parametrize("routing_iterations", [1, 3])
def test_equals_numpy(position_from, routing_iterations):
    model = randomized(
        ComiRecDR(
            2,
            9,
            embedding_dim=5,
            num_interests=3,
            routing_iterations=routing_iterations,
            position_from=position_from,
            max_length=6,
        )
    )
    shared.check_scores(model, [forward(model, row) for row in ROWS])
    shared.check_attention(
        model, [forward(model, row, coupling=True) for row in ROWS]
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # max_length K d^2
        ({"max_length": 50}, 51_200),
        ({"max_length": 50, "embedding_dim": 40}, 320_000),
        ({"max_length": 3, "num_interests": 2}, 3 * 2 * 256),
    ],
)
def test_parameter_count(options, expected):
    tables = 10 * options.get("embedding_dim", 16)
    assert ComiRecDR(2, 9, **options).count_params() == expected + tables


def test_matrices_are_drawn_with_standard_deviation_1():
    kernel = np.asarray(ComiRecDR(2, 9).kernel)
    assert abs(kernel.std() - 1.0) < 0.02
    assert abs(kernel.mean()) < 0.02


def test_equal_matrices_make_equal_interests():
    model = randomized(ComiRecDR(2, 9))
    assert np.ptp(model.interests(FEATURES), axis=1).max() > 0.01
    kernel = np.asarray(model.kernel)
    model.kernel.assign(np.broadcast_to(kernel[:1, :1], kernel.shape))
    assert np.ptp(model.interests(FEATURES), axis=1).max() == 0


@pytest.mark.parametrize("position_from", ["start", "end"])
def test_order_matters(position_from):
    model = randomized(ComiRecDR(2, 9, position_from=position_from))
    turned = shared.permuted(FEATURES["history"])
    difference = np.asarray(model(turned)) - np.asarray(model(FEATURES))
    assert np.abs(difference[:2]).min() > 1e-4
    np.testing.assert_array_equal(difference[2:], 0)


@pytest.mark.parametrize("position_from", ["start", "end"])
def test_only_positions_that_occur_are_trained(position_from):
    model = randomized(
        ComiRecDR(2, 9, max_length=6, position_from=position_from)
    )
    gradient = shared.gradients(model)["kernel"]
    np.testing.assert_array_equal(
        np.any(gradient, axis=(1, 2, 3)), [True] * 4 + [False] * 2
    )


def test_interests_are_shorter_than_1():
    lengths = np.linalg.norm(
        randomized(ComiRecDR(2, 9)).interests(FEATURES), axis=-1
    )
    assert 0.5 < lengths.max() < 1.0


@pytest.mark.parametrize("position_from", ["start", "end"])
def test_padding(position_from):
    model = randomized(ComiRecDR(2, 9, position_from=position_from))
    shared.check_padding(model)
    shared.check_repeated_item(model)
    empty = np.asarray(model.interests(FEATURES))[3]
    np.testing.assert_array_equal(empty, 0)


def test_history_that_is_too_long():
    message = "`history` must be at most `max_length` long. Received: length 4"
    with pytest.raises(ValueError, match=message):
        ComiRecDR(2, 9, max_length=3)(FEATURES)


@pytest.mark.parametrize(
    "name",
    ["embedding_dim", "num_interests", "routing_iterations", "max_length"],
)
def test_wrong_sizes(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        ComiRecDR(2, 9, **{name: 0})


def test_wrong_position_from():
    with pytest.raises(ValueError, match="Did you mean 'start'?"):
        ComiRecDR(2, 9, position_from="stat")
