"""Writes srgnn.npz: what CRIPAC-DIG/SR-GNN computes in PyTorch.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

ITEMS, DIM, SEED = 12, 6, 2019
SESSIONS = [
    [3, 4, 3, 4, 5, 5, 3],
    [7, 8],
    [9],
    [1, 2, 1, 12, 2, 1, 2],
]


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "pytorch_code"))
    import torch
    from model import SessionGraph
    from model import forward
    from utils import Data

    random = np.random.default_rng(SEED)
    # A row longer than the rest, so that every session has padding.
    data = Data((SESSIONS + [list(range(1, 10))], [1] * 5))
    arrays = {"history": data.inputs[:4]}
    for steps in (1, 2):
        settings = SimpleNamespace(
            hiddenSize=DIM,
            batchSize=4,
            nonhybrid=False,
            step=steps,
            lr=0.001,
            l2=0.0,
            lr_dc_step=3,
            lr_dc=0.1,
        )
        model = SessionGraph(settings, ITEMS + 1).eval()
        for path, weight in model.named_parameters():
            value = random.normal(scale=0.5, size=tuple(weight.shape))
            value = value.astype("float32")
            weight.data = torch.from_numpy(value)
            arrays[f"{steps}/weight/{path}"] = value
        _, scores = forward(model, np.arange(4), data)
        factors = random.normal(size=tuple(scores.shape)).astype("float32")
        (scores * torch.from_numpy(factors)).sum().backward()
        arrays[f"{steps}/factors"] = factors
        arrays[f"{steps}/scores"] = scores.detach().numpy()
        for path, weight in model.named_parameters():
            if weight.grad is not None:
                arrays[f"{steps}/gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("srgnn.npz"), **arrays)


if __name__ == "__main__":
    main()
