"""Writes sgnnhn.npz: what the SGNN-HN in SR-PredictAO-official computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument. The decision forest
that the reference puts beside the model is left out.
"""

import sys
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

ITEMS, DIM, MAX_LENGTH, SEED = 12, 6, 8, 2020
SETTINGS = SimpleNamespace(
    hiddenSize=DIM,
    batchSize=4,
    tau=12,
    cutnum=MAX_LENGTH,
    step=2,
    lr=0.001,
    l2=0.0,
    lr_dc_step=3,
    lr_dc=0.1,
)
HISTORY = [
    [4, 5, 4, 6, 6],
    [7, 8],
    [3],
    [1, 2, 11, 1, 3],
]


class Forest(torch.nn.Module):
    """Stands for the decision forest, and has no weights."""

    def __init__(self, *args, **kwargs):
        super().__init__()


def main():
    forests = types.ModuleType("deep_neural_decision_forests")
    forests.NeuralDecisionForest = Forest
    sys.modules[forests.__name__] = forests
    sys.path.insert(0, str(Path(sys.argv[1]) / "SGNNHN+NDF"))
    import model as reference
    from utils import Data

    model = reference.SessionGraph(SETTINGS, ITEMS + 1).eval()
    random = np.random.default_rng(SEED)
    arrays = {}
    for path, weight in model.named_parameters():
        value = random.normal(scale=0.7, size=tuple(weight.shape))
        value = value.astype("float32")
        weight.data = torch.from_numpy(value)
        arrays[f"weight/{path}"] = value
    data = Data((HISTORY, [1] * len(HISTORY)), SETTINGS)
    arrays["history"] = data.inputs
    alias, edges, items, mask, _ = data.get_slice_gnn(np.arange(len(HISTORY)))
    alias, items, mask = map(torch.tensor, (alias, items, mask))
    nodes = torch.sign(items)
    states, star = model(items, torch.tensor(np.array(edges)).float(), nodes)
    states_of_clicks = torch.stack(
        [row[places] for row, places in zip(states, alias, strict=True)]
    )
    scores = model.compute_scores(states_of_clicks, states, star, mask, nodes)
    factors = random.normal(size=tuple(scores.shape)).astype("float32")
    (scores * torch.from_numpy(factors)).sum().backward()
    arrays["factors"] = factors
    arrays["scores"] = scores.detach().numpy()
    for path, weight in model.named_parameters():
        if weight.grad is None:  # Neither read nor trained.
            del arrays[f"weight/{path}"]
        else:
            arrays[f"gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("sgnnhn.npz"), **arrays)


if __name__ == "__main__":
    main()
