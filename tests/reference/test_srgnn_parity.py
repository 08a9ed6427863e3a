"""SR-GNN against CRIPAC-DIG/SR-GNN, see `srgnn/`."""

from pathlib import Path

import numpy as np
import pytest

from baselines.srgnn import SRGNN
from tests.reference.parity import check_parity
from tests.reference.torch_gru import below
from tests.reference.torch_gru import gated_step
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
    return {
        "item_embedding/embeddings": theirs["embedding.weight"],
        **gated_step(theirs, "encoder/step", "gnn"),
        **soft_attention(theirs, "readout", READOUT),
    }


@pytest.mark.parametrize("num_steps", [1, 2])
def test_published_code(num_steps):
    fixture = below(FIXTURE, f"{num_steps}/")
    check_parity(
        SRGNN(3, ITEMS, DIM, num_steps=num_steps),
        FIXTURE["history"],
        fixture,
        converted(below(fixture, "weight/")),
        converted(below(fixture, "gradient/")),
        first_item=1,
    )
