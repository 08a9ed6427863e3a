"""Writes torch_adam.npz: 50 steps of PyTorch's Adam with `weight_decay`.

Runs in the environment of requirements.txt, not in that of this project.
"""

from pathlib import Path

import numpy as np
import torch

STEPS = 50


def run(gradients, initial, amsgrad):
    """Returns the table after 1, 10 and all steps."""
    table = torch.nn.Parameter(torch.tensor(initial))
    optimizer = torch.optim.Adam(
        [table],
        lr=0.05,
        betas=(0.9, 0.99),
        eps=1e-6,
        weight_decay=1e-5,
        amsgrad=amsgrad,
    )
    kept = {}
    for step in range(STEPS):
        table.grad = torch.tensor(gradients[step])
        optimizer.step()
        if step + 1 in (1, 10, STEPS):
            kept[str(step + 1)] = table.detach().numpy().copy()
    return kept


def main():
    random = np.random.default_rng(2022)
    gradients = random.normal(size=(STEPS, 7, 3)).astype(np.float32)
    # Smaller ones later, so that the largest second moment is an old one.
    gradients *= np.linspace(2.0, 0.1, STEPS, dtype=np.float32)[:, None, None]
    gradients[:, -2:] = 0.0
    initial = random.normal(size=(7, 3)).astype(np.float32)
    arrays = {"gradients": gradients, "initial": initial}
    for name, amsgrad in (("plain", False), ("amsgrad", True)):
        for step, table in run(gradients, initial, amsgrad).items():
            arrays[f"{name}_{step}"] = table
    np.savez_compressed(Path(__file__).with_name("torch_adam.npz"), **arrays)


if __name__ == "__main__":
    main()
