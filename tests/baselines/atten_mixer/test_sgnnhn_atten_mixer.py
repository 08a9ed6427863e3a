"""SGNN-HN with Atten-Mixer's readout: its two parts, put together."""

import numpy as np
import pytest

from baselines.atten_mixer.sgnnhn_atten_mixer import SGNNHNAttenMixer

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6, 2], [7, 7, 8, 0, 0], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2]]),
}
SMALL = {"embedding_dim": 8, "num_levels": 3, "num_heads": 2}


def small(seed=0, **options):
    model = SGNNHNAttenMixer(2, 9, **{**SMALL, **options})
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(size=w.shape) for w in model.get_weights()]
    )
    return model


def unit(vectors):
    vectors = np.asarray(vectors)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def test_equals_its_parts():
    model = small(num_steps=2, layer_norm=True)
    history, candidates = FEATURES["history"], FEATURES["candidates"]
    table = unit(model.item_embedding.embeddings)
    table[0] = 0.0
    states = unit(model.encoder(table[history], history))
    vectors = unit(model.readout(states, valid_mask=history > 0))
    expected = 12 * np.einsum("bd,bcd->bc", vectors, table[candidates])
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-4)


def test_parameter_count():
    dim, levels = 256, 7
    expected = 10 * dim + levels * (dim**2 + dim) + 3 * (dim**2 + dim)
    expected += 2 * dim**2 + dim + 15 * dim**2 + 15 * dim
    assert SGNNHNAttenMixer(2, 9).count_params() == expected


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
    again = SGNNHNAttenMixer.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(FEATURES), model(FEATURES))


def test_dropout_leaves_the_items_alone():
    model = small(dropout=0.5, item_dropout=0.0)
    history = FEATURES["history"]
    np.testing.assert_array_equal(
        model.states(history, training=True), model.states(history)
    )
    quiet = np.asarray(model(FEATURES))
    assert not np.allclose(model(FEATURES, training=True), quiet)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "`num_steps` must be at least 1"),
        ({"num_heads": 3}, "`num_heads` must divide the width"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SGNNHNAttenMixer(2, 9, **options)
