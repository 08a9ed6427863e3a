"""Writes entmax.npz: what the package entmax computes.

Runs in the environment of requirements.txt, not in that of this project.
"""

from pathlib import Path

import numpy as np
import torch
from entmax import entmax_bisect

SEED, ROWS, COUNT = 2019, 3, 6
ALPHAS = (1.05, 1.3, 1.5, 1.8)


def main():
    random = np.random.default_rng(SEED)
    arrays = {}
    for case, alpha in enumerate(ALPHAS):
        scores = random.normal(scale=2.0, size=(ROWS, COUNT))
        upstream = random.normal(size=(ROWS, COUNT))
        alphas = alpha + random.uniform(0.0, 0.04, size=(ROWS, 1))
        inputs = [torch.tensor(x, requires_grad=True) for x in (scores, alphas)]
        shares = entmax_bisect(*inputs, dim=-1, n_iter=60)
        (shares * torch.tensor(upstream)).sum().backward()
        for name, value in {
            "scores": scores,
            "alpha": alphas,
            "upstream": upstream,
            "shares": shares.detach().numpy(),
            "by_scores": inputs[0].grad.numpy(),
            "by_alpha": inputs[1].grad.numpy(),
        }.items():
            arrays[f"{case}/{name}"] = value
    np.savez_compressed(Path(__file__).with_name("entmax.npz"), **arrays)


if __name__ == "__main__":
    main()
