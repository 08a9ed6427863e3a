"""The star graph encoder against a loop."""

import numpy as np
import pytest

from baselines.atten_mixer.star_encoder import StarEncoder
from tests.reference import numpy_session_graph
from tests.reference.numpy_blocks import named_weights
from tests.reference.numpy_blocks import sigmoid
from tests.reference.numpy_blocks import softmax
from tests.testing import run_layer_test

DIM = 4
HISTORY = np.array(
    [[1, 2, 1, 3, 5], [4, 4, 2, 0, 0], [5, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
    "int32",
)
TABLE = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
ITEMS = TABLE[HISTORY]


def randomized(num_steps=1):
    layer = StarEncoder(num_steps)
    layer.build(ITEMS.shape)
    random = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    return layer


def encode(layer, session, num_steps):
    """Returns the states (n, d) of a list of ids."""
    weights = named_weights(layer)

    def linear(name, x):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def agreement(kind, state, star):
        asked = linear(f"{kind}_query", state)
        return asked @ linear(f"{kind}_key", star) / np.sqrt(DIM)

    items, pairs = numpy_session_graph.edges(session)
    inputs = {}
    for item in items:
        x = TABLE[item].astype("float64")
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        inputs[item] = x * weights["norm/gamma"] + weights["norm/beta"]
    states = inputs
    star = np.mean(list(inputs.values()), axis=0)
    for _ in range(num_steps):
        states = numpy_session_graph.gated_step(
            states, pairs, layer.step.get_weights()
        )
        mixed = {}
        for item, state in states.items():
            share = sigmoid(agreement("gate", state, star))
            mixed[item] = (1 - share) * state + share * star
        states = mixed
        if num_steps > 1:
            logits = [agreement("star", states[item], star) for item in items]
            star = softmax(np.array(logits)) @ np.stack(
                [states[item] for item in items]
            )
    out = []
    for item in session:
        both = np.concatenate([inputs[item], states[item]])
        share = sigmoid(linear("highway", both))
        out.append(share * inputs[item] + (1 - share) * states[item])
    return np.stack(out)


@pytest.mark.parametrize(("num_steps", "weights"), [(1, 14), (2, 18)])
def test_contract(num_steps, weights):
    run_layer_test(
        StarEncoder,
        {"num_steps": num_steps},
        {"items": ITEMS[:3], "history": HISTORY[:3]},
        expected_output_shape=(3, 5, DIM),
        expected_num_trainable_weights=weights,
        # A softmax over nodes takes what is the same for all of them away.
        inert_weights=("star_query/bias",),
    )


@pytest.mark.parametrize("num_steps", [1, 3])
def test_equals_numpy(num_steps):
    layer = randomized(num_steps)
    states = np.asarray(layer(ITEMS, HISTORY))
    assert not states[HISTORY == 0].any()
    for row, history in enumerate(HISTORY):
        session = history[history > 0].tolist()
        if session:
            np.testing.assert_allclose(
                states[row, : len(session)],
                encode(layer, session, num_steps),
                rtol=1e-3,
                atol=1e-4,
            )


def test_an_open_highway_gives_the_items():
    layer = randomized()
    layer.highway.set_weights([np.zeros((2 * DIM, DIM)), np.full(DIM, 50.0)])
    expected = np.asarray(layer.norm(ITEMS))
    found = np.asarray(layer(ITEMS, HISTORY))
    seen = HISTORY > 0
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-5)


def test_more_padding():
    layer = randomized(2)
    items = np.pad(ITEMS, [(0, 0), (0, 3), (0, 0)], constant_values=9.0)
    history = np.pad(HISTORY, [(0, 0), (0, 3)])
    longer = np.asarray(layer(items, history))
    np.testing.assert_allclose(
        longer[:, :5], layer(ITEMS, HISTORY), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [(1, 15 * 64 + 15 * 8), (2, 17 * 64 + 17 * 8)],
)
def test_parameter_count(num_steps, expected):
    layer = StarEncoder(num_steps)
    layer.build((None, None, 8))
    assert layer.count_params() == expected


def test_wrong_number_of_steps():
    with pytest.raises(ValueError, match="`num_steps` must be at least 1"):
        StarEncoder(0)
