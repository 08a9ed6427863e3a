"""SR-GNN against CRIPAC-DIG/SR-GNN, see `srgnn/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.srgnn import SRGNN
from tests.reference.torch_gru import below
from tests.reference.torch_gru import gates
from tests.reference.torch_gru import soft_attention

FIXTURE = dict(np.load(Path(__file__).parent / "srgnn" / "srgnn.npz"))
ITEMS, DIM = 12, 6
READOUT = {
    "query": "linear_one",
    "key": "linear_two",
    "weight": "linear_three",
    "merge": "linear_transform",
}


def converted(theirs):
    """Returns path -> array in our layout."""

    def joined(names):
        return np.concatenate([theirs[f"gnn.{name}"] for name in names]).T

    step = "encoder/step"
    return {
        "item_embedding/embeddings": theirs["embedding.weight"],
        f"{step}/message_kernel": joined(
            ["linear_edge_in.weight", "linear_edge_out.weight"]
        ),
        f"{step}/message_bias": joined(
            ["linear_edge_in.bias", "linear_edge_out.bias"]
        ),
        f"{step}/input_bias": joined(["b_iah", "b_oah"]),
        f"{step}/kernel": gates(theirs["gnn.w_ih"]),
        f"{step}/recurrent_kernel": gates(theirs["gnn.w_hh"]),
        f"{step}/bias": np.stack(
            [gates(theirs["gnn.b_ih"]), gates(theirs["gnn.b_hh"])]
        ),
        **soft_attention(theirs, "readout", READOUT),
    }


@pytest.mark.parametrize("num_steps", [1, 2])
def test_published_code(num_steps):
    fixture = below(FIXTURE, f"{num_steps}/")
    model = SRGNN(3, ITEMS, DIM, num_steps=num_steps)
    arrays = converted(below(fixture, "weight/"))
    for weight in model.trainable_weights:
        weight.assign(arrays.pop(weight.path))
    assert not arrays
    history = FIXTURE["history"]
    features = {
        "history": history,
        "candidates": np.tile(np.arange(1, ITEMS + 1), (len(history), 1)),
    }
    with tf.GradientTape() as tape:
        scores = model(features)
        form = tf.reduce_sum(scores * fixture["factors"])
    np.testing.assert_allclose(scores, fixture["scores"], rtol=1e-4, atol=1e-5)
    weights = model.trainable_weights
    gradients = tape.gradient(form, [weight.value for weight in weights])
    expected = converted(below(fixture, "gradient/"))
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=1e-3,
            atol=1e-5,
            err_msg=weight.path,
        )
