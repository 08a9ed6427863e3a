"""GC-SAN against RecBole, made to compute the paper's form, see `gcsan/`."""

from pathlib import Path

import numpy as np

from baselines.gcsan import GCSAN
from tests.reference.parity import check_parity
from tests.reference.torch_gru import below
from tests.reference.torch_gru import gates_of_new

FIXTURE = dict(np.load(Path(__file__).parent / "gcsan" / "gcsan.npz"))
ITEMS, DIM, STEPS, BLOCKS = 12, 6, 2, 2
MAPS = {
    "query": "multi_head_attention.query",
    "key": "multi_head_attention.key",
    "value": "multi_head_attention.value",
    "hidden": "feed_forward.dense_1",
    "output": "feed_forward.dense_2",
}


def converted(theirs):
    """Returns path -> array in our layout, but for the bias of inputs."""

    def both(kind):
        names = "linear_edge_in", "linear_edge_out"
        return np.concatenate([theirs[f"gnn.{name}.{kind}"] for name in names])

    found = {
        "item_embedding/embeddings": theirs["item_embedding.weight"],
        "encoder/step/message_kernel": both("weight").T,
        "encoder/step/message_bias": both("bias"),
        "encoder/step/kernel": gates_of_new(theirs["gnn.w_ih"]),
        "encoder/step/recurrent_kernel": gates_of_new(theirs["gnn.w_hh"]),
        "encoder/step/bias": np.stack(
            [
                gates_of_new(theirs["gnn.b_ih"]),
                gates_of_new(theirs["gnn.b_hh"]),
            ]
        ),
    }
    for block in range(BLOCKS):
        for ours, name in MAPS.items():
            name = f"self_attention.layer.{block}.{name}"
            path = f"block_{block + 1}_{ours}"
            found[f"{path}/kernel"] = theirs[f"{name}.weight"].T
            if f"{name}.bias" in theirs:
                found[f"{path}/bias"] = theirs[f"{name}.bias"]
    return found


def test_scores_and_gradients():
    model = GCSAN(3, ITEMS, DIM, STEPS, BLOCKS, dropout=0.0)
    weights = converted(below(FIXTURE, "weight/"))
    gradients = converted(below(FIXTURE, "gradient/"))
    # Theirs is that of the candidate 0, which is none here.
    gradients["item_embedding/embeddings"][0] = 0.0
    # They have no bias behind the product with the adjacency.
    path = "encoder/step/input_bias"
    weights[path] = np.zeros(2 * DIM)
    gradients[path] = (
        weights["encoder/step/kernel"] @ gradients["encoder/step/bias"][0]
    )
    check_parity(model, FIXTURE["history"], FIXTURE, weights, gradients)
