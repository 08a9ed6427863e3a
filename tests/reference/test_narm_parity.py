"""NARM against RecBole, see `narm/`."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from baselines.narm import NARM

FIXTURE = dict(np.load(Path(__file__).parent / "narm" / "narm.npz"))
ITEMS, DIM, HIDDEN = 12, 4, 5
NAMES = {
    "item_embedding/embeddings": "item_embedding.weight",
    "gru/gru_cell/kernel": "gru.weight_ih_l0",
    "gru/gru_cell/recurrent_kernel": "gru.weight_hh_l0",
    "of_state/kernel": "a_1.weight",
    "of_last/kernel": "a_2.weight",
    "energy/kernel": "v_t.weight",
    "decoder/kernel": "b.weight",
}


def arrays(kind):
    """Returns path -> array in our layout, `kind` "weight" or "gradient"."""
    found = {}
    for path, name in NAMES.items():
        value = FIXTURE[f"{kind}/{name}"]
        if path.startswith("gru"):
            # Reset, update, new there; update, reset, new here.
            reset, update, new = np.split(value, 3)
            value = np.concatenate([update, reset, new])
        if "embeddings" not in path:
            value = value.T
        found[path] = value
    return found


def test_scores_and_gradients():
    model = NARM(3, ITEMS, DIM, HIDDEN, dropout=0.0, session_dropout=0.0)
    theirs = arrays("weight")
    for weight in model.trainable_weights:
        weight.assign(theirs.pop(weight.path))
    assert not theirs
    history = FIXTURE["history"]
    features = {
        "history": history,
        "candidates": np.tile(np.arange(ITEMS + 1), (len(history), 1)),
    }
    with tf.GradientTape() as tape:
        scores = model(features)
        form = tf.reduce_sum(scores * FIXTURE["factors"])
    np.testing.assert_allclose(scores, FIXTURE["scores"], rtol=1e-4, atol=1e-5)
    weights = model.trainable_weights
    gradients = tape.gradient(form, [weight.value for weight in weights])
    expected = arrays("gradient")
    # Theirs is that of the candidate 0, which is none here.
    expected["item_embedding/embeddings"][0] = 0.0
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=1e-3,
            atol=1e-5,
            err_msg=weight.path,
        )
