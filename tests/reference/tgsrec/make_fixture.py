"""Writes tgsrec.npz: scores and gradients of DyGRec/TGSRec on a synthetic log.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import importlib
import sys
from pathlib import Path

import numpy as np
import torch

SEED = 2021
USERS, ITEMS, EVENTS = 5, 6, 80
NODE_DIM, TIME_DIM = 6, 4
NEIGHBORS = 9
ROWS = 4
CANDIDATES = 3


class NewestNeighbors:
    """Stands in for the sampler of the reference, whose search is wrong.

    Gives the newest events that are strictly earlier, padded in front, and
    keeps times as integers. It draws nothing, so that each layer sees the
    same neighbours.
    """

    def __init__(self, events):
        self.events = events
        self.sizes = []

    def get_temporal_neighbor(self, nodes, times, num_neighbors):
        neighbors = np.zeros((len(nodes), num_neighbors), np.int32)
        when = np.zeros((len(nodes), num_neighbors), np.int64)
        for row, (node, time) in enumerate(zip(nodes, times)):
            past = []
            for user, item, moment in self.events:
                if moment < time and node in (user, item):
                    past.append((item if node == user else user, moment))
            past = past[-num_neighbors:]
            if node:
                self.sizes.append(len(past))
            for place, (other, moment) in enumerate(reversed(past)):
                neighbors[row, -1 - place] = other
                when[row, -1 - place] = moment
        return neighbors, np.zeros_like(neighbors), when


def made_log(random):
    """Returns (user, item, time) by node number, oldest first."""
    times = np.sort(random.choice(300, EVENTS, replace=False))
    users = random.integers(1, USERS + 1, EVENTS)
    items = USERS + random.integers(1, ITEMS + 1, EVENTS)
    return np.stack([users, items, times], axis=1)


def made_model(reference, finder):
    """Returns the model of the reference, with no weight at its start."""
    model = reference.TGRec(
        finder,
        USERS + ITEMS + 1,
        None,
        node_dim=NODE_DIM,
        time_dim=TIME_DIM,
        num_layers=2,
        n_head=2,
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "basis_freq" not in name:
                weight.normal_(0.0, 0.6)
    return model.eval()


def main(checkout):
    sys.path.insert(0, checkout)
    reference = importlib.import_module("model")
    # The reference asks for the first GPU by name.
    device = torch.device("cpu")
    torch.device = lambda name: device
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    events = made_log(random)
    finder = NewestNeighbors(events)
    model = made_model(reference, finder)

    now = 300 + np.arange(ROWS)
    users = 1 + np.arange(ROWS)
    items = USERS + np.stack(
        [1 + random.permutation(ITEMS)[:CANDIDATES] for _ in range(ROWS)]
    )
    pairs = [np.repeat(x, CANDIDATES) for x in (users, now)]
    user_vectors = model.tem_conv(pairs[0], pairs[1], 2, NEIGHBORS)
    item_vectors = model.tem_conv(items.reshape(-1), pairs[1], 2, NEIGHBORS)
    scores = model(pairs[0], items.reshape(-1), pairs[1], NEIGHBORS)
    # Some lists are full, some are not, and none is empty: there the
    # reference attends to padding.
    assert 0 < min(finder.sizes) < max(finder.sizes) == NEIGHBORS
    factors = random.normal(size=ROWS * CANDIDATES)
    (scores * torch.tensor(factors)).sum().backward()

    layer = model.attn_model_list[1]
    inputs = {
        "nodes": random.normal(size=(5, NODE_DIM)),
        "query_codes": random.normal(size=(5, TIME_DIM)),
        "neighbors": random.normal(size=(5, 7, NODE_DIM)),
        "time_codes": random.normal(size=(5, 7, TIME_DIM)),
    }
    valid = np.arange(7) < np.array([7, 6, 4, 2, 1])[:, None]
    tensors = [torch.tensor(x).float() for x in inputs.values()]
    tensors[1] = tensors[1][:, None]
    alone, _ = layer(*tensors, torch.tensor(~valid))

    gaps = np.array([0, 1, 59, 3600])
    weights = {
        name: weight
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    arrays = {
        "events": events,
        "now": now,
        "users": users,
        "items": items,
        "factors": factors.reshape(ROWS, CANDIDATES),
        "scores": scores.detach().numpy().reshape(ROWS, CANDIDATES),
        "user_vectors": user_vectors.detach().numpy()[::CANDIDATES],
        "item_vectors": item_vectors.detach().numpy(),
        "layer_out": alone.detach().numpy(),
        "layer_valid_mask": valid,
        "gaps": gaps,
        "codes": model.time_encoder(torch.tensor(gaps[None]).float())[0]
        .detach()
        .numpy(),
        **{f"layer_{name}": array for name, array in inputs.items()},
        **{f"weight/{k}": w.detach().numpy() for k, w in weights.items()},
        **{f"gradient/{k}": w.grad.numpy() for k, w in weights.items()},
    }
    np.savez_compressed(
        Path(__file__).with_name("tgsrec.npz"),
        **{
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in arrays.items()
        },
    )


if __name__ == "__main__":
    main(sys.argv[1])
