"""Writes tisasrec.npz: what the TiSASRec of THUwangcy/ReChorus computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import importlib.util
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

ITEMS, DIM, LENGTH, LONGEST, SEED = 12, 6, 4, 5, 2020
NOW = 1_500_000_000
HISTORY = [[4, 5, 4, 6], [7, 8, 1, 0], [3, 0, 0, 0], [1, 2, 11, 10]]
STEPS = [[0, 60, 90, 400], [0, 50000, 190000, 0], [0, 0, 0, 0], [0, 7, 7, 30]]


class SequentialModel(torch.nn.Module):
    """What the model takes from its base, which reads a data set."""

    class Dataset:
        pass

    def __init__(self, args, corpus):
        super().__init__()
        self.device = "cpu"
        self.item_num = ITEMS + 1
        self.dropout = 0.0

    def init_weights(self, module):
        pass


def reference(folder):
    """Returns the class of the reference."""
    np.int = int  # Gone from NumPy since.
    module = types.ModuleType("models.BaseModel")
    module.SequentialModel = SequentialModel
    sys.modules["models.BaseModel"] = module
    path = Path(folder) / "src/models/sequential/TiSASRec.py"
    spec = importlib.util.spec_from_file_location("tisasrec", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TiSASRec


def main():
    random = np.random.default_rng(SEED)
    history = np.array(HISTORY)
    times = np.where(history > 0, NOW + np.array(STEPS), 0)
    arrays = {"history": history, "times": times}
    rows, columns = np.nonzero(history)
    events = pd.DataFrame({"user_id": rows, "time": times[rows, columns]})
    for layers, heads in ((1, 1), (2, 2)):
        settings = SimpleNamespace(
            emb_size=DIM,
            history_max=LENGTH,
            num_layers=layers,
            num_heads=heads,
            time_max=LONGEST,
        )
        model = reference(sys.argv[1])(
            settings, SimpleNamespace(all_df=events)
        ).eval()
        prefix = f"{layers}/"
        for path, weight in model.named_parameters():
            value = random.normal(scale=0.5, size=tuple(weight.shape))
            if path == "i_embeddings.weight":
                value[0] = 0.0
            value = value.astype("float32")
            weight.data = torch.from_numpy(value)
            arrays[f"{prefix}weight/{path}"] = value
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.eps = 1e-8  # That of ours, instead of 1e-5.
        gaps = [model.user_min_interval[row] for row in range(len(history))]
        arrays["gaps"] = np.array(gaps)
        candidates = np.tile(np.arange(1, ITEMS + 1), (len(history), 1))
        scores = model(
            {
                "item_id": torch.from_numpy(candidates),
                "history_items": torch.from_numpy(history),
                "history_times": torch.from_numpy(times),
                "user_min_intervals": torch.from_numpy(arrays["gaps"]),
                "lengths": torch.from_numpy((history > 0).sum(1)),
            }
        )["prediction"]
        factors = random.normal(size=tuple(scores.shape)).astype("float32")
        (scores * torch.from_numpy(factors)).sum().backward()
        arrays[f"{prefix}factors"] = factors
        arrays[f"{prefix}scores"] = scores.detach().numpy()
        for path, weight in model.named_parameters():
            arrays[f"{prefix}gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("tisasrec.npz"), **arrays)


if __name__ == "__main__":
    main()
