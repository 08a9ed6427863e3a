"""Writes nextitnet.npz: what RecBole's NextItNet computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.

RecBole reads the last column of a batch, padding or not. So the script gives
it each history alone, without padding.
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

ITEMS, DIM, SEED = 12, 5, 2018
SETTINGS = {
    "embedding_size": DIM,
    "block_num": 2,
    "dilations": [1, 2],
    "kernel_size": 3,
    "reg_weight": 0.0,
    "loss_type": "CE",
}
HISTORY = [
    [4, 5, 4, 6, 9, 1, 2, 8, 10],
    [7, 8, 8, 12, 3, 0, 0, 0, 0],
    [3, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 2, 11, 1, 3, 5, 6, 7, 0],
]


def main():
    random = np.random.default_rng(SEED)
    reference = load_sequential(sys.argv[1], "nextitnet")
    model = reference.NextItNet(SETTINGS, ITEMS + 1).eval()
    weights = draw_weights(model, random, finish=without_padding)
    vectors = torch.cat(
        [
            model(torch.tensor([[item for item in row if item]]))
            for row in HISTORY
        ]
    )
    out = Path(__file__).with_name("nextitnet.npz")
    arrays = {"history": np.array(HISTORY), **weights}
    write_fixture(out, arrays, model, scores_of(model, vectors), random)


if __name__ == "__main__":
    main()
