"""Writes srgnn_atten_mixer.npz: what GNN-AM of Atten-Mixer-torch computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

ITEMS, DIM, LEVELS, HEADS, SEED = 12, 8, 3, 4, 2024
# Without padding, whose state the reference reads.
HISTORY = [
    [4, 5, 4, 6, 9],
    [7, 8, 8, 7, 8],
    [3, 12, 10, 2, 1],
    [1, 2, 11, 1, 3],
]


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "GNN-AM"))
    import model as reference
    from utils import Data

    settings = SimpleNamespace(
        hiddenSize=DIM,
        norm=True,
        scale=True,
        batchSize=len(HISTORY),
        step=2,
        lr=0.001,
        l2=0.0,
        lr_dc_step=3,
        lr_dc=0.1,
        last_k=LEVELS,
        l_p=4,
        use_attn_conv="True",
        heads=HEADS,
        dot=True,
    )
    model = reference.SessionGraph(settings, ITEMS + 1).eval()
    random = np.random.default_rng(SEED)
    arrays = {"history": np.array(HISTORY)}
    for path, weight in model.named_parameters():
        value = random.normal(scale=0.7, size=tuple(weight.shape))
        value = value.astype("float32")
        weight.data = torch.from_numpy(value)
        arrays[f"weight/{path}"] = value
    data = Data((HISTORY, [1] * len(HISTORY)))
    rows = np.arange(len(HISTORY))
    _, scores, _, _ = reference.forward(model, rows, data)
    factors = random.normal(size=tuple(scores.shape)).astype("float32")
    (scores * torch.from_numpy(factors)).sum().backward()
    arrays["factors"] = factors
    arrays["scores"] = scores.detach().numpy()
    for path, weight in model.named_parameters():
        if weight.grad is None:  # Neither read nor trained.
            del arrays[f"weight/{path}"]
        else:
            arrays[f"gradient/{path}"] = weight.grad.numpy()
    out = Path(__file__).with_name("srgnn_atten_mixer.npz")
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    main()
