"""NARM against RecBole, see `narm/`."""

from pathlib import Path

import numpy as np

from baselines.narm import NARM
from tests.reference.parity import check_parity
from tests.reference.torch_gru import gates

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
            value = gates(value)
        elif "embeddings" not in path:
            value = value.T
        found[path] = value
    return found


def test_scores_and_gradients():
    gradients = arrays("gradient")
    # Theirs is that of the candidate 0, which is none here.
    gradients["item_embedding/embeddings"][0] = 0.0
    check_parity(
        NARM(3, ITEMS, DIM, HIDDEN, dropout=0.0, session_dropout=0.0),
        FIXTURE["history"],
        FIXTURE,
        arrays("weight"),
        gradients,
    )
