"""Writes dsan.npz: what SamHaoYuan/DSANForAAAI2021 computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import json
import math
import sys
from pathlib import Path

import entmax
import numpy as np
import torch

ITEMS, DIM, LENGTH, SEED = 12, 4, 6, 2021
# 70 places, the target among them, are written down in the reference.
PLACES = 70


def load(folder):
    """Returns the class of the notebook."""
    notebook = json.loads((folder / "DualAdaptiveTrain.ipynb").read_text())
    (cell,) = (
        text
        for text in ("".join(one["source"]) for one in notebook["cells"])
        if text.startswith("class DualAttention")
    )
    names = {
        "np": np,
        "torch": torch,
        "math": math,
        "nn": torch.nn,
        "F": torch.nn.functional,
        "init": torch.nn.init,
        "entmax_bisect": entmax.entmax_bisect,
    }
    exec(cell, names)  # noqa: S102
    return names["DualAttention"]


def main():
    random = np.random.default_rng(SEED)
    history = random.integers(1, ITEMS + 1, (4, LENGTH))
    history[np.arange(LENGTH) >= np.array([6, 4, 2, 1])[:, None]] = 0
    ids = np.zeros((4, PLACES), "int64")
    places = np.zeros((4, PLACES), "int64")
    for row, items in enumerate(history):
        count = (items > 0).sum()
        ids[row, -count - 1 : -1] = items[:count]
        ids[row, -1] = ITEMS + 1
        places[row, -count - 1 :] = np.arange(1, count + 2)
    torch.set_default_dtype(torch.float64)
    model = load(Path(sys.argv[1]))(
        DIM, DIM, ITEMS + 1, PLACES + 1, 20, dropout=0.0
    )
    arrays = {"history": history}
    for name, weight in model.named_parameters():
        value = random.normal(scale=0.8, size=tuple(weight.shape))
        if "embedding" in name:  # Short enough to stay as they are.
            value *= 1.4 / np.linalg.norm(value, axis=1, keepdims=True)
        weight.data = torch.tensor(value)
        arrays[f"weight/{name}"] = value
    scores = model(torch.tensor(ids), torch.tensor(places))
    factors = random.normal(size=(4, ITEMS))
    (scores * torch.tensor(factors)).sum().backward()
    arrays.update(factors=factors, scores=scores.detach().numpy())
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            arrays[f"gradient/{name}"] = weight.grad.numpy()
    for name in list(arrays):
        if "pos_embedding" in name:
            arrays[name] = arrays[name][: LENGTH + 2]
    np.savez_compressed(Path(__file__).with_name("dsan.npz"), **arrays)


if __name__ == "__main__":
    main()
