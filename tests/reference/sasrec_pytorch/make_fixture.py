"""Writes sasrec.npz: what pmixer/SASRec.pytorch computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

ITEMS, DIM, LENGTH, ROWS, SEED = 20, 6, 5, 3, 2018


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "python"))
    import torch
    from model import SASRec

    random = np.random.default_rng(SEED)
    # Without padding, which attention sees in the reference.
    history = random.integers(1, ITEMS + 1, (ROWS, LENGTH))
    arrays = {"history": history}
    for name, norm_first in (("before", True), ("after", False)):
        settings = SimpleNamespace(
            hidden_units=DIM,
            maxlen=LENGTH,
            num_blocks=2,
            num_heads=2,
            dropout_rate=0.0,
            norm_first=norm_first,
            device="cpu",
        )
        model = SASRec(3, ITEMS, settings).eval()
        for path, weight in model.named_parameters():
            value = random.normal(scale=0.5, size=tuple(weight.shape))
            # Ours has no product behind the heads.
            if path.endswith("out_proj.weight"):
                value = np.eye(DIM)
            elif path.endswith("out_proj.bias"):
                value = np.zeros(DIM)
            value = value.astype("float32")
            weight.data = torch.from_numpy(value)
            arrays[f"{name}/weight/{path}"] = value
        vectors = model.log2feats(history)[:, -1]
        factors = random.normal(size=(ROWS, DIM)).astype("float32")
        (vectors * torch.from_numpy(factors)).sum().backward()
        arrays[f"{name}/factors"] = factors
        arrays[f"{name}/vectors"] = vectors.detach().numpy()
        for path, weight in model.named_parameters():
            arrays[f"{name}/gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("sasrec.npz"), **arrays)


if __name__ == "__main__":
    main()
