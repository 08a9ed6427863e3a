"""Writes atten_mixer.npz: what Peiyance/Atten-Mixer-torch computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

ITEMS, DIM, LEVELS, SEED = 12, 8, 3, 2023
# The reference ends every session with a column of padding.
HISTORY = [
    [4, 5, 4, 6, 9, 0],
    [7, 8, 0, 0, 0, 0],
    [3, 0, 0, 0, 0, 0],
    [1, 2, 11, 0, 0, 0],
]


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "src" / "models"))
    from CCSGNN import SessionGraphAttn

    random = np.random.default_rng(SEED)
    history = np.array(HISTORY)
    mask = torch.from_numpy((history > 0).astype("int64"))
    arrays = {"history": history}
    for heads in (1, 4):
        settings = SimpleNamespace(
            hiddenSize=DIM,
            norm=True,
            scale=True,
            batchSize=len(history),
            heads=heads,
            use_lp_pool="True",
            softmax=True,
            dropout=0.0,
            last_k=LEVELS,
            dot=True,
            l_p=4,
        )
        model = SessionGraphAttn(settings, ITEMS + 1).eval()
        for path, weight in model.named_parameters():
            value = random.normal(scale=0.7, size=tuple(weight.shape))
            value = value.astype("float32")
            weight.data = torch.from_numpy(value)
            arrays[f"{heads}/weight/{path}"] = value
        # Between the two calls, its training loop masks and normalises.
        states = model(torch.from_numpy(history)) * mask.unsqueeze(-1)
        length = torch.norm(states, p=2, dim=-1, keepdim=True) + 1e-12
        scores = model.compute_scores(states / length, mask)
        factors = random.normal(size=tuple(scores.shape)).astype("float32")
        (scores * torch.from_numpy(factors)).sum().backward()
        arrays[f"{heads}/factors"] = factors
        arrays[f"{heads}/scores"] = scores.detach().numpy()
        for path, weight in model.named_parameters():
            if weight.grad is None:  # Neither read nor trained.
                del arrays[f"{heads}/weight/{path}"]
            else:
                arrays[f"{heads}/gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("atten_mixer.npz"), **arrays)


if __name__ == "__main__":
    main()
