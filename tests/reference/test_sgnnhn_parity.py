"""SGNN-HN with its highway against SR-PredictAO-official, see `sgnnhn/`."""

from pathlib import Path

import numpy as np

from baselines.sgnnhn import SGNNHN
from tests.reference.parity import check_parity
from tests.reference.torch_gru import below
from tests.reference.torch_gru import gated_step
from tests.reference.torch_gru import soft_attention

FIXTURE = dict(np.load(Path(__file__).parent / "sgnnhn" / "sgnnhn.npz"))
ITEMS, DIM, STEPS, MAX_LENGTH = 12, 6, 2, 8
READOUT = {
    "query": "linear_one",
    "context": "linear_two",
    "key": "linear_three",
    "weight": "linear_four",
    "merge": "linear_transform",
}


def converted(theirs):
    """Returns path -> array in our layout."""
    return {
        "item_embedding/embeddings": theirs["embedding.weight"],
        "position_embedding/embeddings": theirs["pos_embedding.weight"],
        "encoder/highway/kernel": theirs["linear_hn.weight"].T,
        "encoder/highway/bias": theirs["linear_hn.bias"],
        **gated_step(theirs, "encoder/step", "gnn"),
        **soft_attention(theirs, "readout", READOUT),
    }


def test_scores_and_gradients():
    model = SGNNHN(3, ITEMS, DIM, STEPS, max_length=MAX_LENGTH)
    check_parity(
        model,
        FIXTURE["history"],
        FIXTURE,
        converted(below(FIXTURE, "weight/")),
        converted(below(FIXTURE, "gradient/")),
        first_item=1,
    )
