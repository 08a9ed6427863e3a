"""Atten-Mixer as released against Peiyance/Atten-Mixer-torch.

See `atten_mixer/`, `srgnn_atten_mixer/` and `sgnnhn_atten_mixer/`.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.atten_mixer.atten_mixer import AttenMixer
from baselines.atten_mixer.sgnnhn_atten_mixer import SGNNHNAttenMixer
from baselines.atten_mixer.srgnn_atten_mixer import SRGNNAttenMixer
from tests.reference.torch_gru import below
from tests.reference.torch_gru import gated_step

FOLDER = Path(__file__).parent
FIXTURE = dict(np.load(FOLDER / "atten_mixer" / "atten_mixer.npz"))
GRAPH = dict(np.load(FOLDER / "srgnn_atten_mixer" / "srgnn_atten_mixer.npz"))
STAR = dict(np.load(FOLDER / "sgnnhn_atten_mixer" / "sgnnhn_atten_mixer.npz"))
ITEMS, DIM, LEVELS = 12, 8, 3
DENSE = {
    **{f"level_{n + 1}": f"linear_q.{n}" for n in range(LEVELS)},
    "query": "mattn.linear_zero",
    "key": "mattn.linear_one",
    "value": "mattn.linear_two",
    "output": "linear_transform",
}
STAR_MAPS = {
    "gate_query": "Wq1",
    "gate_key": "Wk1",
    "star_query": "Wq2",
    "star_key": "Wk2",
    "highway": "Wg",
}


def arrays(kind, fixture=FIXTURE):
    """Returns path -> array in our layout, `kind` as in "4/weight"."""
    table = fixture[f"{kind}/embedding.weight"]
    found = {"item_embedding/embeddings": table}
    for ours, theirs in DENSE.items():
        found[f"readout/{ours}/kernel"] = fixture[f"{kind}/{theirs}.weight"].T
        found[f"readout/{ours}/bias"] = fixture[f"{kind}/{theirs}.bias"]
    if fixture is FIXTURE:
        norm = f"{kind}/mattn.last_layernorm"
        found["readout/norm/gamma"] = fixture[f"{norm}.weight"]
        found["readout/norm/beta"] = fixture[f"{norm}.bias"]
    return found


def arrays_of_graph(kind):
    """Returns path -> array in our layout, `kind` "weight" or "gradient"."""
    return {
        **gated_step(below(GRAPH, f"{kind}/"), "encoder/step", "gnn"),
        **arrays(kind, GRAPH),
    }


def arrays_of_star(kind):
    """Returns path -> array in our layout, `kind` "weight" or "gradient"."""
    theirs = below(STAR, f"{kind}/")
    found = {
        "encoder/norm/gamma": theirs["layernorm3.weight"],
        "encoder/norm/beta": theirs["layernorm3.bias"],
    }
    for ours, name in STAR_MAPS.items():
        found[f"encoder/{ours}/kernel"] = theirs[f"gnn.{name}.weight"].T
        found[f"encoder/{ours}/bias"] = theirs[f"gnn.{name}.bias"]
    return {
        **found,
        **gated_step(theirs, "encoder/step", "gnn"),
        **arrays(kind, STAR),
    }


def assign(model, theirs):
    for weight in model.trainable_weights:
        weight.assign(theirs.pop(weight.path))
    assert not theirs


def check_gradients(tape, form, model, expected):
    """Compares the gradients of `form` with those of the reference."""
    weights = model.trainable_weights
    gradients = tape.gradient(form, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=2e-3,
            atol=1e-4,
            err_msg=weight.path,
        )


def make(heads, **options):
    """Returns our model with the weights of the reference."""
    model = AttenMixer(
        3, ITEMS, DIM, LEVELS, heads, query="concat", dropout=0.0, **options
    )
    assign(model, arrays(f"{heads}/weight"))
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
    check_gradients(tape, form, model, arrays(f"{heads}/gradient"))


@pytest.mark.parametrize(
    "of, converted, theirs",
    [
        (SRGNNAttenMixer, arrays_of_graph, GRAPH),
        (SGNNHNAttenMixer, arrays_of_star, STAR),
    ],
)
def test_behind_a_graph(of, converted, theirs):
    model = of(
        3,
        ITEMS,
        DIM,
        2,
        LEVELS,
        4,
        query="concat",
        head_split="released",
        mask_first_softmax=False,
        dropout=0.0,
    )
    assign(model, converted("weight"))
    history = theirs["history"]
    candidates = np.tile(np.arange(1, ITEMS + 1), (len(history), 1))
    with tf.GradientTape() as tape:
        scores = model({"history": history, "candidates": candidates})
        form = tf.reduce_sum(scores * theirs["factors"])
    np.testing.assert_allclose(scores, theirs["scores"], rtol=1e-4, atol=1e-4)
    check_gradients(tape, form, model, converted("gradient"))


@pytest.mark.parametrize(
    "repaired", [{"head_split": "heads"}, {"mask_first_softmax": True}]
)
def test_each_repair_changes_the_scores(repaired):
    options = {"head_split": "released", "mask_first_softmax": False}
    scores = np.asarray(make(4, **{**options, **repaired})(features(6)))
    assert np.abs(scores - FIXTURE["4/scores"]).max() > 1e-2
