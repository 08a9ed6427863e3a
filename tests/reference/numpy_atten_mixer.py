"""Atten-Mixer's readout in NumPy, float64, a loop for everything.

Weights come as `named_weights` of the layer under test; nothing of its code
is used.
"""

import numpy as np

from tests.reference.numpy_blocks import sigmoid
from tests.reference.numpy_blocks import softmax


def linear(weights, name, x):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def queries(weights, states, levels, query="sum", normalization="level"):
    """The queries (levels, d) of the states (n, d) of one session."""
    dim = weights["query/kernel"].shape[0]
    found = []
    for level in range(1, levels + 1):
        group = [
            states[len(states) - 1 - j] if j < len(states) else np.zeros(dim)
            for j in range(level)
        ]
        if query == "sum":
            joined = np.sum(group, axis=0)
        else:
            joined = np.concatenate(group)
        found.append(linear(weights, f"level_{level}", joined))
    found = np.stack(found)
    axis = {"level": 0, "feature": 1, None: None}[normalization]
    if axis is not None:
        length = np.sqrt(np.sum(found**2, axis=axis, keepdims=True))
        found = found / np.maximum(length, 1e-6)
    return found


def pieces(vectors, heads, split):
    """The vectors (t, d) as (heads, t, d / heads)."""
    count, dim = vectors.shape
    width = dim // heads
    if split == "released":
        # The numbers in the order of memory, `count` pieces to a head.
        flat = vectors.reshape(-1)
        size = count * width
        return [
            np.stack(
                [
                    flat[g * size + t * width : g * size + (t + 1) * width]
                    for t in range(count)
                ]
            )
            for g in range(heads)
        ]
    return [vectors[:, g * width : (g + 1) * width] for g in range(heads)]


def readout(
    weights,
    states,
    padding=0,
    levels=7,
    heads=8,
    power=4.0,
    query="sum",
    normalization="level",
    split="heads",
    mask_first=True,
    layer_norm=True,
):
    """The vector (d,) of the states (n, d) of one session.

    Args:
        padding: how many columns of padding stand behind the session.
    """
    count, dim = states.shape
    asked = queries(weights, states, levels, query, normalization)
    padded = np.concatenate([states, np.zeros((padding, dim))])
    asked = pieces(linear(weights, "query", asked), heads, split)
    keys = pieces(linear(weights, "key", padded), heads, split)
    values = pieces(linear(weights, "value", states), heads, "heads")
    read = []
    for g in range(heads):
        maps = []
        for level in range(levels):
            logits = 2 * sigmoid(keys[g] @ asked[g][level])
            seen = logits[:count] if mask_first else logits
            maps.append(softmax(seen)[:count])
        pooled = np.sum(np.stack(maps) ** power, axis=0) ** (1 / power)
        read.append(softmax(2 * pooled) @ values[g])
    read = np.concatenate(read)
    if layer_norm:
        read = (read - read.mean()) / np.sqrt(read.var() + 1e-8)
        read = read * weights["norm/gamma"] + weights["norm/beta"]
    return linear(weights, "output", np.concatenate([read, states[-1]]))
