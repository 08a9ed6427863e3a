"""Writes narm.npz: what RecBole's NARM computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import torch

ITEMS, DIM, HIDDEN, SEED = 12, 4, 5, 2017
SETTINGS = {
    "embedding_size": DIM,
    "hidden_size": HIDDEN,
    "n_layers": 1,
    "dropout_probs": [0.0, 0.0],
    "device": "cpu",
    "loss_type": "CE",
}
HISTORY = [[4, 5, 4, 6], [7, 8, 0, 0], [3, 0, 0, 0], [1, 2, 11, 0]]


class Recommender(torch.nn.Module):
    """What `NARM` takes from its base, which loads all of RecBole."""

    ITEM_SEQ = ITEM_SEQ_LEN = POS_ITEM_ID = NEG_ITEM_ID = ITEM_ID = ""

    def __init__(self, config, dataset):
        super().__init__()
        self.n_items = ITEMS + 1

    def gather_indexes(self, output, index):
        return output[torch.arange(len(output)), index]


def reference(folder):
    """Returns the class of the reference."""
    for name, content in (
        ("recbole.model.abstract_recommender", Recommender),
        ("recbole.model.loss", torch.nn.Module),
    ):
        module = types.ModuleType(name)
        module.SequentialRecommender = module.BPRLoss = content
        sys.modules[name] = module
    path = Path(folder) / "recbole/model/sequential_recommender/narm.py"
    spec = importlib.util.spec_from_file_location("narm", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NARM


def main():
    random = np.random.default_rng(SEED)
    model = reference(sys.argv[1])(SETTINGS, None).eval()
    history = np.array(HISTORY)
    arrays = {"history": history}
    for path, weight in model.named_parameters():
        value = random.normal(scale=0.5, size=tuple(weight.shape))
        if path == "item_embedding.weight":
            value[0] = 0.0
        value = value.astype("float32")
        weight.data = torch.from_numpy(value)
        arrays[f"weight/{path}"] = value
    lengths = torch.from_numpy((history > 0).sum(1))
    vectors = model(torch.from_numpy(history), lengths)
    scores = vectors @ model.item_embedding.weight.T
    factors = random.normal(size=tuple(scores.shape)).astype("float32")
    (scores * torch.from_numpy(factors)).sum().backward()
    arrays["factors"] = factors
    arrays["scores"] = scores.detach().numpy()
    for path, weight in model.named_parameters():
        arrays[f"gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("narm.npz"), **arrays)


if __name__ == "__main__":
    main()
