"""Writes dhcn.npz: what xiaxin1998/DHCN computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
import types
from pathlib import Path

import numpy as np

ITEMS, DIM, LAYERS, BETA, SEED = 12, 6, 3, 0.01, 2018


def main():
    sys.path.insert(0, sys.argv[1])
    import torch

    # Ranking alone is compiled by numba; `coo` is imported and not used.
    numba = types.ModuleType("numba")
    numba.jit = lambda **_: lambda function: function
    sys.modules["numba"] = numba
    sys.modules["scipy.sparse.coo"] = types.ModuleType("scipy.sparse.coo")
    import scipy.sparse

    scipy.sparse.coo = sys.modules["scipy.sparse.coo"]
    torch.cuda.FloatTensor = torch.FloatTensor
    import model as reference
    from util import Data

    # `numpy.sum` over a list of tensors, which newer versions refuse.
    reference.np = types.SimpleNamespace(
        sum=lambda tensors, axis: torch.stack(tensors).sum(axis),
        vstack=np.vstack,
    )
    random = np.random.default_rng(SEED)
    sessions = [
        random.integers(1, ITEMS, size).tolist()
        for size in random.integers(1, 6, 25)
    ]
    histories = np.empty(len(sessions), object)
    histories[:] = sessions
    targets = random.integers(1, ITEMS + 1, len(sessions))
    data = Data((histories, targets), n_node=ITEMS)
    rows = np.arange(7)
    net = reference.DHCN(
        data.adjacency,
        ITEMS,
        1e-3,
        LAYERS,
        0.0,
        BETA,
        "diginetica",
        emb_size=DIM,
        batch_size=len(rows),
    )
    # The reference does not hand the width on to its layers.
    net.HyperGraph.emb_size = net.LineGraph.emb_size = DIM
    arrays = {}
    for name, weight in net.named_parameters():
        value = random.normal(scale=0.5, size=tuple(weight.shape))
        weight.data = torch.from_numpy(value.astype("float32"))
        arrays[f"weight/{name}"] = weight.detach().numpy().copy()
    # "Shuffled" is reversed, which another library can do, too.
    torch.randperm = lambda size: torch.arange(size - 1, -1, -1)
    target, scores, second = reference.forward(net, rows, data)
    first = net.loss_function(scores + 1e-8, target)
    (first + second).backward()
    width = max(map(len, sessions))
    padded = [session + [0] * (width - len(session)) for session in sessions]
    overlap, _ = data.get_overlap([padded[row] for row in rows])
    arrays.update(
        histories=np.array(padded),
        targets=targets,
        rows=rows,
        adjacency=data.adjacency.toarray().astype("float32"),
        overlap=overlap.astype("float32"),
        scores=scores.detach().numpy(),
        first=first.detach().numpy(),
        second=second.detach().numpy(),
    )
    for name, weight in net.named_parameters():
        arrays[f"gradient/{name}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("dhcn.npz"), **arrays)


if __name__ == "__main__":
    main()
