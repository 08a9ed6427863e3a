"""Writes gcsan.npz: what RecBole's GC-SAN computes, in the form of the paper.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.

RecBole has a Transformer's encoder where the paper has attention blocks. So
the script takes out of it what the paper does not have: the mask of the
future, the normalisations, the sum with what attention reads, the projection
of what it gives, and its biases.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import torch

ITEMS, DIM, STEPS, BLOCKS, SEED = 12, 6, 2, 2, 2019
SETTINGS = {
    "n_layers": BLOCKS,
    "n_heads": 1,
    "hidden_size": DIM,
    "inner_size": DIM,
    "hidden_dropout_prob": 0.0,
    "attn_dropout_prob": 0.0,
    "hidden_act": "relu",
    "layer_norm_eps": 1e-12,
    "step": STEPS,
    "device": "cpu",
    "weight": 0.6,
    "reg_weight": 0.0,
    "loss_type": "CE",
    "initializer_range": 0.02,
}
HISTORY = [
    [4, 5, 4, 6, 4],
    [7, 8, 8, 0, 0],
    [3, 0, 0, 0, 0],
    [1, 2, 11, 1, 3],
]


class Recommender(torch.nn.Module):
    """What `GCSAN` takes from its base, which loads all of RecBole."""

    def __init__(self, config, dataset):
        super().__init__()
        self.n_items = ITEMS + 1

    def gather_indexes(self, output, index):
        return output[torch.arange(len(output)), index]

    def get_attention_mask(self, history):
        """Hides padding alone; the one of RecBole hides the future, too."""
        return torch.where(history > 0, 0.0, -10000.0)[:, None, None]


def load(folder, name):
    """Imports a file of the reference without its package."""
    path = Path(folder) / f"{name.replace('.', '/')}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def reference(folder):
    """Returns the class of the reference."""
    for name, names, content in (
        ("recbole.utils", ("FeatureType", "FeatureSource"), None),
        ("recbole.model.loss", ("EmbLoss", "BPRLoss"), torch.nn.Module),
        (
            "recbole.model.abstract_recommender",
            ("SequentialRecommender",),
            Recommender,
        ),
    ):
        sys.modules[name] = types.ModuleType(name)
        for content_name in names:
            setattr(sys.modules[name], content_name, content)
    load(folder, "recbole.model.layers")
    return load(folder, "recbole.model.sequential_recommender.gcsan").GCSAN


def as_in_the_paper(block):
    """Takes out of a block of RecBole what the paper does not have."""
    attention = block.multi_head_attention
    attention.dense = torch.nn.Identity()
    attention.LayerNorm = torch.nn.Identity()
    block.feed_forward.LayerNorm = torch.nn.Identity()
    for layer in (attention.query, attention.key, attention.value):
        layer.bias = None
    attention.register_forward_hook(
        lambda layer, inputs, output: output - inputs[0]
    )


def main():
    random = np.random.default_rng(SEED)
    model = reference(sys.argv[1])(SETTINGS, None).eval()
    for block in model.self_attention.layer:
        as_in_the_paper(block)
    history = np.array(HISTORY)
    arrays = {"history": history}
    for path, weight in model.named_parameters():
        value = random.normal(scale=0.7, size=tuple(weight.shape))
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
    np.savez_compressed(Path(__file__).with_name("gcsan.npz"), **arrays)


if __name__ == "__main__":
    main()
