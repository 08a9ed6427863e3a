"""Atten-Mixer as released against Peiyance/Atten-Mixer-torch.

See `atten_mixer/`.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.atten_mixer.atten_mixer import AttenMixer

FIXTURE = dict(
    np.load(Path(__file__).parent / "atten_mixer" / "atten_mixer.npz")
)
ITEMS, DIM, LEVELS = 12, 8, 3
DENSE = {
    **{f"level_{n + 1}": f"linear_q.{n}" for n in range(LEVELS)},
    "query": "mattn.linear_zero",
    "key": "mattn.linear_one",
    "value": "mattn.linear_two",
    "output": "linear_transform",
}


def arrays(kind):
    """Returns path -> array in our layout, `kind` as in "4/weight"."""
    found = {
        "item_embedding/embeddings": FIXTURE[f"{kind}/embedding.weight"],
        "readout/norm/gamma": FIXTURE[f"{kind}/mattn.last_layernorm.weight"],
        "readout/norm/beta": FIXTURE[f"{kind}/mattn.last_layernorm.bias"],
    }
    for ours, theirs in DENSE.items():
        found[f"readout/{ours}/kernel"] = FIXTURE[f"{kind}/{theirs}.weight"].T
        found[f"readout/{ours}/bias"] = FIXTURE[f"{kind}/{theirs}.bias"]
    return found


def make(heads, **options):
    """Returns our model with the weights of the reference."""
    model = AttenMixer(
        3, ITEMS, DIM, LEVELS, heads, query="concat", dropout=0.0, **options
    )
    theirs = arrays(f"{heads}/weight")
    for weight in model.trainable_weights:
        weight.assign(theirs.pop(weight.path))
    assert not theirs
    return model


def features(columns):
    history = FIXTURE["history"][:, :columns]
    every = np.arange(1, ITEMS + 1)
    return {
        "history": history,
        "candidates": np.tile(every, (len(history), 1)),
    }


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("padded_length", [None, 6])
def test_scores_and_gradients(heads, padded_length):
    model = make(
        heads,
        head_split="released",
        mask_first_softmax=False,
        padded_length=padded_length,
    )
    with tf.GradientTape() as tape:
        scores = model(features(5 if padded_length else 6))
        form = tf.reduce_sum(scores * FIXTURE[f"{heads}/factors"])
    np.testing.assert_allclose(
        scores, FIXTURE[f"{heads}/scores"], rtol=1e-4, atol=1e-4
    )
    weights = model.trainable_weights
    gradients = tape.gradient(form, [weight.value for weight in weights])
    expected = arrays(f"{heads}/gradient")
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=2e-3,
            atol=1e-4,
            err_msg=weight.path,
        )


@pytest.mark.parametrize(
    "repaired", [{"head_split": "heads"}, {"mask_first_softmax": True}]
)
def test_each_repair_changes_the_scores(repaired):
    options = {"head_split": "released", "mask_first_softmax": False}
    scores = np.asarray(make(4, **{**options, **repaired})(features(6)))
    assert np.abs(scores - FIXTURE["4/scores"]).max() > 1e-2
