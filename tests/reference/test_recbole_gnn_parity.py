"""NISER+ and SGNN-HN against RecBole-GNN, see `recbole_gnn/`."""

from pathlib import Path

import numpy as np

from baselines.niser_plus import NISERPlus
from baselines.sgnnhn import SGNNHN
from tests.reference.parity import check_parity
from tests.reference.torch_gru import below
from tests.reference.torch_gru import gates_of_new
from tests.reference.torch_gru import soft_attention

FIXTURE = np.load(Path(__file__).parent / "recbole_gnn" / "recbole_gnn.npz")
ITEMS, DIM, STEPS, MAX_LENGTH = 12, 6, 2, 8
STEP = "encoder/step"
NISER_READOUT = {
    "query": "linear_one",
    "key": "linear_two",
    "weight": "linear_three",
    "merge": "linear_transform",
}
SGNNHN_READOUT = {
    **NISER_READOUT,
    "context": "linear_three",
    "weight": "linear_four",
}


def converted(theirs, readout):
    """Returns path -> array in our layout, but for the bias of inputs."""

    def both(kind):
        names = "incomming_conv", "outcomming_conv"
        return np.concatenate(
            [theirs[f"gnncell.{name}.lin.{kind}"] for name in names]
        )

    names = "lin_ih", "lin_hh"
    kernel, recurrent = (
        gates_of_new(theirs[f"gnncell.{name}.weight"]) for name in names
    )
    biases = [gates_of_new(theirs[f"gnncell.{name}.bias"]) for name in names]
    return {
        "item_embedding/embeddings": theirs["item_embedding.weight"],
        "position_embedding/embeddings": theirs["pos_embedding.weight"],
        f"{STEP}/message_kernel": both("weight").T,
        f"{STEP}/message_bias": both("bias"),
        f"{STEP}/kernel": kernel,
        f"{STEP}/recurrent_kernel": recurrent,
        f"{STEP}/bias": np.stack(biases),
        **soft_attention(theirs, "readout", readout),
    }


def weights_and_gradients(fixture, readout):
    weights = converted(below(fixture, "weight/"), readout)
    gradients = converted(below(fixture, "gradient/"), readout)
    # They have no bias behind the mean over the neighbours.
    weights[f"{STEP}/input_bias"] = np.zeros(2 * DIM)
    gradients[f"{STEP}/input_bias"] = (
        weights[f"{STEP}/kernel"] @ gradients[f"{STEP}/bias"][0]
    )
    # Theirs is that of the candidate 0, which is none here.
    gradients["item_embedding/embeddings"][0] = 0.0
    return weights, gradients


def test_niser_plus():
    fixture = below(FIXTURE, "niser/")
    model = NISERPlus(3, ITEMS, DIM, STEPS, dropout=0.0, max_length=MAX_LENGTH)
    weights, gradients = weights_and_gradients(fixture, NISER_READOUT)
    check_parity(model, FIXTURE["history"], fixture, weights, gradients)


def test_sgnnhn_without_the_highway():
    fixture = below(FIXTURE, "sgnnhn/")
    model = SGNNHN(3, ITEMS, DIM, STEPS, max_length=MAX_LENGTH)
    weights, gradients = weights_and_gradients(fixture, SGNNHN_READOUT)
    # They have none: so far down, its gate is 0, and so is its slope.
    kernel, bias = "encoder/highway/kernel", "encoder/highway/bias"
    weights[kernel] = gradients[kernel] = np.zeros((2 * DIM, DIM))
    weights[bias], gradients[bias] = np.full(DIM, -200.0), np.zeros(DIM)
    check_parity(model, FIXTURE["history"], fixture, weights, gradients, 1)
