"""Writes caser.npz: what graytowne/caser_pytorch computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

USERS, ITEMS, DIM, WINDOW = 4, 20, 6, 5
LENGTHS, CANDIDATES, SEED = [5, 3, 1, 5, 4], 4, 2018


def main():
    sys.path.insert(0, sys.argv[1])
    import torch
    from caser import Caser

    random = np.random.default_rng(SEED)
    settings = SimpleNamespace(
        L=WINDOW, d=DIM, nv=2, nh=3, drop=0.5, ac_conv="relu", ac_fc="relu"
    )
    model = Caser(USERS + 1, ITEMS + 1, settings).eval()
    arrays = {}
    for name, weight in model.named_parameters():
        value = random.normal(scale=0.5, size=tuple(weight.shape))
        if name == "item_embeddings.weight":
            value[0] = 0.0
        value = value.astype("float32")
        weight.data = torch.from_numpy(value)
        arrays[f"weight/{name}"] = value
    window = np.zeros((len(LENGTHS), WINDOW), "int64")
    for row, length in enumerate(LENGTHS):
        window[row, -length:] = random.integers(1, ITEMS + 1, length)
    users = random.integers(1, USERS + 1, len(LENGTHS))
    candidates = random.integers(1, ITEMS + 1, (len(LENGTHS), CANDIDATES))
    factors = random.normal(size=candidates.shape).astype("float32")
    scores = model(
        torch.from_numpy(window),
        torch.from_numpy(users)[:, None],
        torch.from_numpy(candidates),
    )
    (scores * torch.from_numpy(factors)).sum().backward()
    for name, weight in model.named_parameters():
        arrays[f"gradient/{name}"] = weight.grad.numpy()
    np.savez_compressed(
        Path(__file__).with_name("caser.npz"),
        window=window,
        users=users,
        candidates=candidates,
        factors=factors,
        scores=scores.detach().numpy(),
        **arrays,
    )


if __name__ == "__main__":
    main()
