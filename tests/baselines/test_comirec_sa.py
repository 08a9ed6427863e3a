"""ComiRec-SA against a forward pass in NumPy."""

import numpy as np
import pytest

from baselines.comirec_sa import ComiRecSA
from tests.baselines import multi_interest as shared
from tests.baselines.multi_interest import FEATURES
from tests.baselines.multi_interest import ROWS
from tests.baselines.multi_interest import items_of
from tests.baselines.multi_interest import randomized


def attention(model, row):
    """Returns the weights (K, n) of the items of a row of `FEATURES`."""
    items = items_of(row)
    kernel, bias = model.hidden_layer.get_weights()
    readout, offset = model.attention.get_weights()
    logits = np.zeros((model.num_interests, len(items)))
    for i, item in enumerate(items):
        vector = shared.table(model)[item]
        if model.positions:
            end = model.position_from == "end"
            place = len(items) - 1 - i if end else i
            places = np.asarray(model.position_embedding.embeddings)
            vector = vector + places[place]
        logits[:, i] = np.tanh(vector @ kernel + bias) @ readout + offset
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def forward(model, row):
    """Returns the interests (K, d) of a row of `FEATURES`."""
    return attention(model, row) @ shared.table(model)[items_of(row)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"position_from": "end"},
        {"positions": False},
        {"hidden_dim": 7},
    ],
)
def test_equals_numpy(options):
    model = randomized(
        ComiRecSA(
            2, 9, embedding_dim=5, num_interests=3, max_length=6, **options
        )
    )
    shared.check_scores(model, [forward(model, row) for row in ROWS])
    shared.check_attention(model, [attention(model, row) for row in ROWS])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # m d + 4 d^2 + 4 d + 4 d K + K
        ({}, 2148),
        ({"embedding_dim": 40}, 9204),
        ({"positions": False}, 2148 - 50 * 16),
        ({"hidden_dim": 10}, 50 * 16 + 160 + 10 + 40 + 4),
    ],
)
def test_parameter_count(options, expected):
    tables = 10 * options.get("embedding_dim", 16)
    model = ComiRecSA(2, 9, max_length=50, **options)
    assert model.count_params() == expected + tables


def test_order_matters_by_positions_alone():
    turned = shared.permuted(FEATURES["history"])
    for position_from in ("start", "end"):
        model = randomized(ComiRecSA(2, 9, position_from=position_from))
        difference = np.asarray(model(turned)) - np.asarray(model(FEATURES))
        assert np.abs(difference[:2]).min() > 1e-4
    model = randomized(ComiRecSA(2, 9, positions=False))
    np.testing.assert_allclose(
        model(turned), model(FEATURES), rtol=1e-5, atol=1e-6
    )


def test_interests_are_means_of_items():
    """Equal items give themselves; a coordinate stays between the items'."""
    model = randomized(ComiRecSA(2, 9))
    interests = np.asarray(model.interests(FEATURES))
    vectors = shared.table(model)
    for row in ROWS[:3]:
        own = vectors[items_of(row)]
        assert np.all(interests[row] <= own.max(axis=0) + 1e-5)
        assert np.all(interests[row] >= own.min(axis=0) - 1e-5)
    np.testing.assert_allclose(
        interests[2], np.tile(vectors[3], (4, 1)), rtol=1e-5
    )


@pytest.mark.parametrize("position_from", ["start", "end"])
def test_only_positions_that_occur_are_trained(position_from):
    model = randomized(
        ComiRecSA(2, 9, max_length=6, position_from=position_from)
    )
    gradient = shared.gradients(model)["position_embedding/embeddings"]
    np.testing.assert_array_equal(
        np.any(gradient, axis=1), [True] * 4 + [False] * 2
    )


def test_last_bias_has_no_effect():
    model = randomized(ComiRecSA(2, 9))
    gradient = shared.gradients(model)["attention/bias"]
    np.testing.assert_allclose(gradient, 0, atol=1e-5)
    before = np.asarray(model(FEATURES))
    model.attention.bias.assign(model.attention.bias + 3.0)
    np.testing.assert_allclose(model(FEATURES), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("positions", [True, False])
def test_padding(positions):
    model = randomized(ComiRecSA(2, 9, positions=positions))
    shared.check_padding(model)
    shared.check_repeated_item(model)
    empty = np.asarray(model.interests(FEATURES))[3]
    np.testing.assert_array_equal(empty, 0)


def test_history_that_is_too_long():
    message = "`history` must be at most `max_length` long. Received: length 4"
    with pytest.raises(ValueError, match=message):
        ComiRecSA(2, 9, max_length=3)(FEATURES)
    ComiRecSA(2, 9, max_length=3, positions=False)(FEATURES)


@pytest.mark.parametrize(
    "name", ["embedding_dim", "num_interests", "hidden_dim", "max_length"]
)
def test_wrong_sizes(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        ComiRecSA(2, 9, **{name: 0})


def test_wrong_position_from():
    with pytest.raises(ValueError, match="Did you mean 'start'?"):
        ComiRecSA(2, 9, position_from="stat")
