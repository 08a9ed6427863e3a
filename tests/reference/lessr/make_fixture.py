"""Writes lessr.npz: what twchen/lessr computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path

import numpy as np
import torch

ITEMS, DIM, LAYERS, SEED = 9, 3, 3, 2020
SESSIONS = (
    (3, 1, 3, 4, 1, 1),
    (2, 5),
    (7,),
    (1, 2, 1, 2, 6),
    (8, 4, 8),
)


def main():
    sys.path.insert(0, sys.argv[1])
    from lessr import LESSR
    from utils.data.collate import collate_fn_factory
    from utils.data.collate import seq_to_eop_multigraph
    from utils.data.collate import seq_to_shortcut_graph

    random = np.random.default_rng(SEED)
    model = LESSR(ITEMS, DIM, LAYERS)
    history = np.zeros((len(SESSIONS), 6), "int64")
    for row, session in zip(history, SESSIONS, strict=True):
        row[: len(session)] = session
    arrays = {"history": history}
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        new = random.normal(scale=0.6, size=tuple(value.shape))
        if "running_var" in name:
            new = random.uniform(0.5, 2.0, tuple(value.shape))
        if "embedding" in name:  # Short enough to stay as they are.
            new *= 0.9 / np.linalg.norm(new, axis=1, keepdims=True)
        value.copy_(torch.tensor(new))
        arrays[f"weight/{name}"] = new.astype("float32")
    # Items are numbered from 0 there.
    collate = collate_fn_factory(seq_to_eop_multigraph, seq_to_shortcut_graph)
    graphs, _ = collate([([x - 1 for x in one], 0) for one in SESSIONS])
    factors = random.normal(size=(len(SESSIONS), ITEMS)).astype("float32")
    arrays["factors"] = factors
    for name in ("inference", "training"):
        model.train(name == "training")
        model.zero_grad()
        scores = model(*graphs)
        (scores * torch.tensor(factors)).sum().backward()
        arrays[f"{name}/scores"] = scores.detach().numpy()
        for path, weight in model.named_parameters():
            if weight.grad is not None:
                arrays[f"{name}/gradient/{path}"] = weight.grad.numpy()
    for path, value in model.state_dict().items():
        if "running_mean" in path:
            arrays[f"after/{path}"] = value.numpy()
    np.savez_compressed(Path(__file__).with_name("lessr.npz"), **arrays)


if __name__ == "__main__":
    main()
