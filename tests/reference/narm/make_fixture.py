"""Writes narm.npz: what RecBole's NARM computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from tests.reference.recbole_stubs import load_sequential
from tests.reference.recbole_stubs import scores_of
from tests.reference.recbole_stubs import without_padding
from tests.reference.torch_fixture import draw_weights
from tests.reference.torch_fixture import write_fixture

ITEMS, DIM, HIDDEN, SEED = 12, 4, 5, 2017
SETTINGS = {
    "embedding_size": DIM,
    "hidden_size": HIDDEN,
    "n_layers": 1,
    "dropout_probs": [0.0, 0.0],
    "device": "cpu",
    "loss_type": "CE",
}
HISTORY = [[4, 5, 4, 6], [7, 8, 0, 0], [3, 0, 0, 0], [1, 2, 11, 0]]


def main():
    random = np.random.default_rng(SEED)
    reference = load_sequential(sys.argv[1], "narm")
    model = reference.NARM(SETTINGS, ITEMS + 1).eval()
    weights = draw_weights(model, random, 0.5, without_padding)
    history = np.array(HISTORY)
    lengths = torch.from_numpy((history > 0).sum(1))
    scores = scores_of(model, model(torch.from_numpy(history), lengths))
    out = Path(__file__).with_name("narm.npz")
    write_fixture(out, {"history": history, **weights}, model, scores, random)


if __name__ == "__main__":
    main()
