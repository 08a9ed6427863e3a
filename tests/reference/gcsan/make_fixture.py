"""Writes gcsan.npz: what RecBole's GC-SAN computes, in the form of the paper.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.

RecBole has a Transformer's encoder where the paper has attention blocks. So
the script takes out of it what the paper does not have: the mask of the
future, the normalisations, the sum with what attention reads, the projection
of what it gives, and its biases.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from tests.reference.recbole_stubs import load_sequential
from tests.reference.recbole_stubs import scores_of
from tests.reference.recbole_stubs import without_padding
from tests.reference.torch_fixture import draw_weights
from tests.reference.torch_fixture import write_fixture

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


def mask_of_padding(model, history):
    """Hides padding alone; the mask of RecBole hides the future, too."""
    return torch.where(history > 0, 0.0, -10000.0)[:, None, None]


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
    layers = "recbole.model.layers"
    reference = load_sequential(sys.argv[1], "gcsan", layers).GCSAN
    reference.get_attention_mask = mask_of_padding
    model = reference(SETTINGS, ITEMS + 1).eval()
    for block in model.self_attention.layer:
        as_in_the_paper(block)
    weights = draw_weights(model, random, finish=without_padding)
    history = np.array(HISTORY)
    lengths = torch.from_numpy((history > 0).sum(1))
    scores = scores_of(model, model(torch.from_numpy(history), lengths))
    out = Path(__file__).with_name("gcsan.npz")
    write_fixture(out, {"history": history, **weights}, model, scores, random)


if __name__ == "__main__":
    main()
