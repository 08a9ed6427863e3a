"""Writes nextitnet.npz: what RecBole's NextItNet computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.

RecBole reads the last column of a batch, padding or not. So the script gives
it each history alone, without padding.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import torch

ITEMS, DIM, SEED = 12, 5, 2018
SETTINGS = {
    "embedding_size": DIM,
    "block_num": 2,
    "dilations": [1, 2],
    "kernel_size": 3,
    "reg_weight": 0.0,
    "loss_type": "CE",
}
HISTORY = [
    [4, 5, 4, 6, 9, 1, 2, 8, 10],
    [7, 8, 8, 12, 3, 0, 0, 0, 0],
    [3, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 2, 11, 1, 3, 5, 6, 7, 0],
]


class Recommender(torch.nn.Module):
    """What `NextItNet` takes from its base, which loads all of RecBole."""

    def __init__(self, config, dataset):
        super().__init__()
        self.n_items = ITEMS + 1


def reference(folder):
    """Returns the class of the reference."""
    for name, names, content in (
        ("recbole.model.loss", ("RegLoss", "BPRLoss"), torch.nn.Module),
        (
            "recbole.model.abstract_recommender",
            ("SequentialRecommender",),
            Recommender,
        ),
    ):
        sys.modules[name] = types.ModuleType(name)
        for content_name in names:
            setattr(sys.modules[name], content_name, content)
    path = Path(folder) / "recbole/model/sequential_recommender/nextitnet.py"
    spec = importlib.util.spec_from_file_location("nextitnet", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NextItNet


def main():
    random = np.random.default_rng(SEED)
    model = reference(sys.argv[1])(SETTINGS, None).eval()
    arrays = {"history": np.array(HISTORY)}
    for path, weight in model.named_parameters():
        value = random.normal(scale=0.7, size=tuple(weight.shape))
        if path == "item_embedding.weight":
            value[0] = 0.0
        value = value.astype("float32")
        weight.data = torch.from_numpy(value)
        arrays[f"weight/{path}"] = value
    vectors = torch.cat(
        [
            model(torch.tensor([[item for item in row if item]]))
            for row in HISTORY
        ]
    )
    scores = vectors @ model.item_embedding.weight.T
    factors = random.normal(size=tuple(scores.shape)).astype("float32")
    (scores * torch.from_numpy(factors)).sum().backward()
    arrays["factors"] = factors
    arrays["scores"] = scores.detach().numpy()
    for path, weight in model.named_parameters():
        arrays[f"gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("nextitnet.npz"), **arrays)


if __name__ == "__main__":
    main()
