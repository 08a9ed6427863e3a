"""SR-GNN with Atten-Mixer's readout against both in NumPy."""

import numpy as np
import pytest

from baselines.atten_mixer.srgnn_atten_mixer import SRGNNAttenMixer
from tests.reference import numpy_atten_mixer
from tests.reference import numpy_session_graph
from tests.reference.numpy_blocks import named_weights

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6, 2], [7, 7, 8, 0, 0], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2]]),
}
SMALL = {"embedding_dim": 8, "num_levels": 3, "num_heads": 2}


def small(seed=0, **options):
    model = SRGNNAttenMixer(2, 9, **{**SMALL, **options})
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(size=w.shape) for w in model.get_weights()]
    )
    return model


@pytest.mark.parametrize(
    "options", [{}, {"num_steps": 2}, {"query": "concat", "layer_norm": True}]
)
def test_equals_numpy(options):
    model = small(**options)
    table = np.asarray(model.item_embedding.embeddings, "float64")
    table = table / np.linalg.norm(table, axis=-1, keepdims=True)
    table[0] = 0.0
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        items = history[history > 0].tolist()
        if not items:
            continue
        states = numpy_session_graph.encode(
            items,
            table,
            model.encoder.get_weights(),
            options.get("num_steps", 1),
        )
        states = states / np.linalg.norm(states, axis=-1, keepdims=True)
        vector = numpy_atten_mixer.readout(
            named_weights(model.readout),
            states,
            levels=3,
            heads=2,
            query=options.get("query", "sum"),
            layer_norm=options.get("layer_norm", False),
        )
        expected = table[FEATURES["candidates"][row]] @ vector
        expected = 12 * expected / np.linalg.norm(vector)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-3, atol=1e-3)


def test_parameter_count():
    dim, levels = 256, 7
    expected = 10 * dim + levels * (dim**2 + dim) + 3 * (dim**2 + dim)
    expected += 2 * dim**2 + dim + 11 * dim**2 + 10 * dim
    assert SRGNNAttenMixer(2, 9).count_params() == expected


def test_without_edges_only_the_last_items_have_an_order():
    model = small()

    def unconnected(history):
        adjacency = np.zeros((*history.shape, history.shape[1]), "float32")
        places = np.broadcast_to(np.arange(history.shape[1]), history.shape)
        return places.astype("int32"), history > 0, adjacency, adjacency

    before = np.asarray(model.user_vector({"history": [[4, 5, 1, 6, 2]]}))
    swapped = np.asarray(model.user_vector({"history": [[5, 4, 1, 6, 2]]}))
    assert np.abs(before - swapped).max() > 1e-4
    model.encoder.graph.call = unconnected
    before = np.asarray(model.user_vector({"history": [[4, 5, 1, 6, 2]]}))
    swapped = np.asarray(model.user_vector({"history": [[5, 4, 1, 6, 2]]}))
    np.testing.assert_allclose(swapped, before, rtol=1e-4, atol=1e-5)
    inside = np.asarray(model.user_vector({"history": [[4, 5, 2, 6, 1]]}))
    assert np.abs(before - inside).max() > 1e-4


def test_more_padding():
    model = small()
    history = np.pad(FEATURES["history"], [(0, 0), (0, 3)])
    np.testing.assert_allclose(
        model({**FEATURES, "history": history}),
        model(FEATURES),
        rtol=1e-4,
        atol=1e-4,
    )


def test_options_come_back_from_the_configuration():
    model = small(num_steps=2, num_heads=4, layer_norm=True, dropout=0.2)
    again = SRGNNAttenMixer.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(FEATURES), model(FEATURES))


def test_dropout_acts_in_training_only():
    model = small(dropout=0.5, item_dropout=0.0)
    quiet = np.asarray(model(FEATURES))
    assert not np.allclose(model(FEATURES, training=True), quiet)
    silent = small(dropout=0.0, item_dropout=0.0)
    np.testing.assert_allclose(
        silent(FEATURES, training=True), quiet, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "`num_steps` must be at least 1"),
        ({"num_heads": 3}, "`num_heads` must divide the width"),
        ({"temperature": 0.0}, "`temperature` must be between"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SRGNNAttenMixer(2, 9, **options)
