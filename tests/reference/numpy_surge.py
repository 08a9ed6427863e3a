"""SURGE in NumPy and float64, one history and one candidate at a time.

Written from the equations; padding and batches do not exist here.
"""

import numpy as np

from tests.reference.numpy_blocks import feed_forward
from tests.reference.numpy_blocks import sigmoid
from tests.reference.numpy_blocks import softmax
from tests.reference.numpy_blocks import target_attention


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def adjacency(items, metric, edge_ratio=0.5):
    """The graph of `items` (n, d), with its diagonal."""
    n = len(items)
    similarity = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            a, b = items[i] * metric, items[j] * metric
            similarity[i, j] = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    for i in range(n):
        low, high = similarity[i].min(), similarity[i].max()
        constant = high - low < 1e-6
        similarity[i] -= low
        similarity[i] *= 0.0 if constant else 1 / (high - low)
    # Equal up to rounding is equal.
    similarity = similarity.round(6)
    kept = int(np.ceil(edge_ratio * np.count_nonzero(similarity)))
    threshold = np.sort(similarity, axis=None)[::-1][kept]
    linked = (similarity > threshold).astype(float)
    np.fill_diagonal(linked, 1.0)
    return linked


def cluster_means(linked, items):
    """Two steps along the normalised graph."""
    root = np.sqrt(linked.sum(axis=1)) + 1e-7
    normalized = linked / root[:, None] / root[None, :]
    return normalized @ normalized @ items


def nodes(weights, items):
    """The nodes (n, d) and their cluster fitness (n,)."""
    linked = adjacency(items, weights["graph/metric"][0])

    def fitness(values):
        return target_attention(
            weights,
            values,
            cluster_means(linked, values),
            "cluster_attention/",
        )

    scores = fitness(items)
    fused = np.zeros_like(items)
    for i in range(len(items)):
        neighbors = np.flatnonzero(linked[i])
        fused[i] = softmax(scores[neighbors]) @ items[neighbors]
    values = leaky(fused @ weights["fusion/kernel"] + items)
    return values, fitness(values)


def augru(weights, inputs, attention, variant="surge"):
    """The last state after `inputs` (n, d)."""
    kernel = weights["recurrent_input/kernel"]
    cell = {
        key.removeprefix("recurrence/cell/"): value
        for key, value in weights.items()
        if key.startswith("recurrence/cell/")
    }
    units = len(cell["candidate_bias"])
    state = np.zeros(units)
    for x, a in zip(inputs, attention, strict=True):
        px = x @ kernel
        gates = sigmoid(
            px[: 2 * units] + state @ cell["gate_kernel"] + cell["gate_bias"]
        )
        u, r = gates[:units], gates[units:]
        c = np.tanh(
            px[2 * units :]
            + (r * state) @ cell["candidate_kernel"]
            + cell["candidate_bias"]
        )
        u = (1 - a) * u if variant == "surge" else 1 - a * (1 - u)
        state = u * state + (1 - u) * c
    return state


def score(weights, items, target, pool_length, variant="surge"):
    """The logit of one candidate.

    Args:
        weights: `named_weights` of a model.
        items: vectors (n, d) of the history.
        target: vector (d,) of the candidate.
        pool_length: number of nodes to keep.
        variant: of the AUGRU.
    """
    readout = np.zeros_like(target)
    state = np.zeros(len(weights["recurrence/cell/candidate_bias"]))
    if len(items):
        values, fitness = nodes(weights, items)
        fitness = fitness + target_attention(
            weights, values, target, "query_attention/"
        )
        gamma = softmax(fitness)
        # Of equal nodes the newest.
        order = np.lexsort((-np.arange(len(items)), -fitness.round(6)))
        kept = np.sort(order[:pool_length])
        readout = gamma[kept] @ values[kept]
        attention = target_attention(
            weights, values[kept], target, "state_attention/"
        )
        state = augru(weights, values[kept], attention, variant)
    return feed_forward(
        weights,
        np.concatenate([state, readout, target, readout * target]),
        prefix="network/",
    )
