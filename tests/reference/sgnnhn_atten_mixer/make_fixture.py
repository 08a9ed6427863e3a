"""Writes sgnnhn_atten_mixer.npz: what SGNN-HN-AM of Atten-Mixer-torch computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.

Three repairs of the star are made from outside: its first state is the mean of
the nodes, where the reference divides by the number of clicks; a softmax over
the nodes in the place of the star's gate is a sigmoid; and the softmax over the
nodes that makes its next state does not see padding.
"""

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch

ITEMS, DIM, STEPS, LEVELS, HEADS, SEED = 12, 8, 2, 3, 4, 2025
# Without padding, whose state the reference reads.
HISTORY = [
    [4, 5, 4, 6, 9],
    [7, 8, 8, 7, 8],
    [3, 12, 10, 2, 1],
    [1, 2, 11, 1, 3],
]
softmax = torch.softmax


def repaired(network):
    """Makes the three repairs in a star graph network of the reference."""
    forward = network.forward

    def with_repairs(edges, states, mask):
        count = torch.tensor([len(set(row)) for row in HISTORY])
        nodes = torch.arange(states.shape[1]) < count[:, None]
        kinds = itertools.cycle(["gate", "star"])

        def other_softmax(logits, dim):
            if next(kinds) == "gate":
                return torch.sigmoid(logits)
            hidden = logits.masked_fill(~nodes[..., None], -torch.inf)
            return softmax(hidden, dim=dim)

        with mock.patch.object(torch, "softmax", other_softmax):
            return forward(edges, states * nodes[..., None], nodes.long())

    network.forward = with_repairs


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "SGNN-HN-AM"))
    import model_star as reference
    from utils import Data

    settings = SimpleNamespace(
        hiddenSize=DIM,
        norm=True,
        scale=True,
        batchSize=len(HISTORY),
        step=STEPS,
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
    model = reference.StarSessionGraph(settings, ITEMS + 1).eval()
    repaired(model.gnn)
    random = np.random.default_rng(SEED)
    arrays = {"history": np.array(HISTORY)}
    for path, weight in model.named_parameters():
        value = random.normal(scale=0.7, size=tuple(weight.shape))
        if path == "embedding.weight":
            # As long as here, for the 1e-5 that the normalisation adds.
            value /= np.linalg.norm(value, axis=1, keepdims=True)
        value = value.astype("float32")
        weight.data = torch.from_numpy(value)
        arrays[f"weight/{path}"] = value
    data = Data((HISTORY, [1] * len(HISTORY)))
    rows = np.arange(len(HISTORY))
    _, scores, _ = reference.forward(model, rows, data)
    factors = random.normal(size=tuple(scores.shape)).astype("float32")
    (scores * torch.from_numpy(factors)).sum().backward()
    arrays["factors"] = factors
    arrays["scores"] = scores.detach().numpy()
    for path, weight in model.named_parameters():
        if weight.grad is None:  # Neither read nor trained.
            del arrays[f"weight/{path}"]
        else:
            arrays[f"gradient/{path}"] = weight.grad.numpy()
    out = Path(__file__).with_name("sgnnhn_atten_mixer.npz")
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    main()
