"""One model of RecBole, without the rest of RecBole.

For the scripts `make_fixture.py`, which run in environments of their own.
"""

import importlib.util
import sys
import types
from pathlib import Path

import torch


class SequentialRecommender(torch.nn.Module):
    """What a model takes from its base, which loads all of RecBole.

    Args:
        config: the settings of the model.
        dataset: the number of items with padding; in RecBole the data.
    """

    ITEM_SEQ = ITEM_SEQ_LEN = POS_ITEM_ID = NEG_ITEM_ID = ITEM_ID = ""

    def __init__(self, config, dataset):
        super().__init__()
        self.n_items = dataset

    def gather_indexes(self, output, index):
        return output[torch.arange(len(output)), index]


STUBS = {
    "recbole.utils": dict.fromkeys(("FeatureType", "FeatureSource")),
    "recbole.model.loss": dict.fromkeys(
        ("EmbLoss", "RegLoss", "BPRLoss"), torch.nn.Module
    ),
    "recbole.model.abstract_recommender": {
        "SequentialRecommender": SequentialRecommender
    },
}


def load(folder, name):
    """Imports a file of a checkout without its package.

    Args:
        folder: the checkout.
        name: the module, with dots.
    """
    path = Path(folder) / f"{name.replace('.', '/')}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_sequential(folder, name, *needs):
    """Imports a sequential model.

    Args:
        folder: a checkout of RecBole.
        name: the file of the model, without its ending.
        *needs: other modules that it reads, to be loaded as they are.

    Returns:
        The module of the model.
    """
    for stub, content in STUBS.items():
        sys.modules[stub] = types.ModuleType(stub)
        vars(sys.modules[stub]).update(content)
    for other in needs:
        load(folder, other)
    return load(folder, f"recbole.model.sequential_recommender.{name}")


def without_padding(path, value):
    """Makes the vector of padding zero, for `draw_weights`."""
    if path == "item_embedding.weight":
        value[0] = 0.0


def scores_of(model, vectors):
    """Returns the scores of all items and padding for vectors of users."""
    return vectors @ model.item_embedding.weight.T
