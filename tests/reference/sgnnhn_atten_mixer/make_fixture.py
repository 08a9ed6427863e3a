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
from unittest import mock

import numpy as np
import torch

from tests.reference.atten_mixer_sessions import HISTORY
from tests.reference.atten_mixer_sessions import ITEMS
from tests.reference.atten_mixer_sessions import SETTINGS
from tests.reference.atten_mixer_sessions import scores_of
from tests.reference.torch_fixture import draw_weights
from tests.reference.torch_fixture import write_fixture

SEED = 2025
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


def of_length_one(path, value):
    """Makes items of length 1, as here: the normalisation adds 1e-5 to it."""
    if path == "embedding.weight":
        value /= np.linalg.norm(value, axis=1, keepdims=True)


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "SGNN-HN-AM"))
    import model_star as reference
    from utils import Data

    model = reference.StarSessionGraph(SETTINGS, ITEMS + 1).eval()
    repaired(model.gnn)
    random = np.random.default_rng(SEED)
    weights = draw_weights(model, random, finish=of_length_one)
    arrays = {"history": np.array(HISTORY), **weights}
    scores = scores_of(reference, model, Data)
    out = Path(__file__).with_name("sgnnhn_atten_mixer.npz")
    write_fixture(out, arrays, model, scores, random)


if __name__ == "__main__":
    main()
