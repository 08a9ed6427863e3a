"""Writes recbole_gnn.npz: what NISER+ and SGNN-HN of RecBole-GNN compute.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.

The graphs are made by the code of the reference. In it, padding is a node of
each session, and the spare node in front of a batch one of the first session;
the star of SGNN-HN hears from both. So the script runs SGNN-HN on each history
alone, without padding, behind a copy of itself, and reads the second row.
"""

import importlib.util
import logging
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch_geometric  # noqa: F401  Before a stub of what it may use.

ITEMS, DIM, MAX_LENGTH, SEED = 12, 6, 8, 2019
SETTINGS = {
    "embedding_size": DIM,
    "device": "cpu",
    "loss_type": "CE",
    "item_dropout": 0.0,
    "sigma": 16,
    "scale": 12,
    "step": 2,
}
HISTORY = [
    [4, 5, 4, 6, 6],
    [7, 8, 0, 0, 0],
    [3, 0, 0, 0, 0],
    [1, 2, 11, 1, 3],
]


class Recommender(torch.nn.Module):
    """What the models take from their base, which loads all of RecBole."""

    ITEM_SEQ = ""

    def __init__(self, config, dataset):
        super().__init__()
        self.n_items = ITEMS + 1

    def gather_indexes(self, output, index):
        return output[torch.arange(len(output)), index]


def stub(name, **contents):
    """Puts a module with `contents` where the reference imports `name`."""
    module = types.ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module


def load(folder, name):
    """Imports a file of the reference without its package."""
    path = Path(folder) / f"{name.replace('.', '/')}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def prepare_imports(folder):
    """Makes what the models import from elsewhere; none of it is computed."""
    stub("torch_sparse", matmul=None)
    stub("recbole", __version__="1.2.0")
    stub("recbole.utils", set_color=None, FeatureSource=None, ensure_dir=None)
    stub("recbole.data.interaction", Interaction=dict)
    stub("recbole.data.dataset", SequentialDataset=object, Dataset=object)
    stub("recbole.model.loss", BPRLoss=torch.nn.Module)
    stub(
        "recbole.model.abstract_recommender", SequentialRecommender=Recommender
    )
    load(folder, "recbole_gnn.model.layers")


class Clicks(dict):
    """The columns of a data set of RecBole."""

    @property
    def interaction(self):
        return self


def graphs(folder, history):
    """Returns the batch of the graphs of int histories (B, m)."""
    sessions = load(folder, "recbole_gnn.data.dataset").SessionGraphDataset
    transform = load(folder, "recbole_gnn.data.transform").SessionGraph
    history = torch.tensor(history)
    data = SimpleNamespace(
        logger=logging.getLogger(),
        item_id_list_field="items",
        item_list_length_field="length",
        inter_feat=Clicks(items=history, length=(history > 0).sum(1)),
    )
    sessions.session_graph_construction(data)
    batch = transform({})(data, data.inter_feat)
    names = ["x", "edge_index", "batch", "alias_inputs"]
    return {
        **{name: batch[name] for name in names},
        "item_seq_len": batch["length"],
    }


def niser(model, folder):
    """Returns the scores, which the loss of the reference multiplies."""
    batch = graphs(folder, HISTORY)
    del batch["batch"]
    items = torch.nn.functional.normalize(model.item_embedding.weight, dim=-1)
    return model.sigma * model(**batch) @ items.T


def sgnnhn(model, folder):
    vectors = []
    for history in HISTORY:
        alone = [item for item in history if item]
        vectors.append(model(**graphs(folder, [alone, alone]))[1])
    # Not that of padding, whose row of zeros has no direction.
    items = sys.modules[type(model).__module__].layer_norm(
        model.item_embedding.weight[1:]
    )
    return model.scale * torch.stack(vectors) @ items.T


def main():
    folder = sys.argv[1]
    prepare_imports(folder)
    random = np.random.default_rng(SEED)
    arrays = {"history": np.array(HISTORY)}
    data = SimpleNamespace(field2seqlen={"": MAX_LENGTH})
    place = "recbole_gnn.model.sequential_recommender"
    for name, scored in (("niser", niser), ("sgnnhn", sgnnhn)):
        module = load(folder, f"{place}.{name}")
        model = getattr(module, name.upper())(SETTINGS, data).eval()
        for path, weight in model.named_parameters():
            value = random.normal(scale=0.7, size=tuple(weight.shape))
            if path == "item_embedding.weight":
                value[0] = 0.0
            value = value.astype("float32")
            weight.data = torch.from_numpy(value)
            arrays[f"{name}/weight/{path}"] = value
        scores = scored(model, folder)
        factors = random.normal(size=tuple(scores.shape)).astype("float32")
        (scores * torch.from_numpy(factors)).sum().backward()
        arrays[f"{name}/factors"] = factors
        arrays[f"{name}/scores"] = scores.detach().numpy()
        for path, weight in model.named_parameters():
            arrays[f"{name}/gradient/{path}"] = weight.grad.numpy()
    out = Path(__file__).with_name("recbole_gnn.npz")
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    main()
