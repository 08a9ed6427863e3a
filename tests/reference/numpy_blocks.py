"""Blocks that several oracles share, in float64, written from the equations.

Weights come as the `get_weights()` of the Keras layer under test; nothing of
its code is used.
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    """Softmax of a vector."""
    e = np.exp(x - np.max(x))
    return e / e.sum()


def relu(x):
    return np.maximum(x, 0.0)


def named_weights(layer):
    """Returns path below the layer -> array in float64."""
    return {
        weight.path.split(f"{layer.name}/", 1)[1]: np.asarray(
            weight, dtype="float64"
        )
        for weight in layer.weights
    }


def feed_forward(weights, x, activation=relu, prefix=""):
    """The logit of one vector `x`, in inference.

    Args:
        weights: `named_weights` of a layer that holds a `FeedForward`.
        x: (inputs,).
        activation: of the hidden layers.
        prefix: where the `FeedForward` stands in `weights`.
    """
    hidden, number = x, 0
    kernel, bias = weights[f"{prefix}kernel"], weights[f"{prefix}bias"]
    while True:
        hidden = hidden @ kernel + bias
        norm = f"{prefix}normalization_{number}"
        if f"{norm}/gamma" in weights:
            scale = np.sqrt(weights[f"{norm}/moving_variance"] + 1e-4)
            hidden = (hidden - weights[f"{norm}/moving_mean"]) / scale
            hidden = hidden * weights[f"{norm}/gamma"]
            hidden = hidden + weights[f"{norm}/beta"]
        hidden = activation(hidden)
        number += 1
        following = f"{prefix}hidden_{number}"
        if f"{following}/kernel" not in weights:
            break
        kernel = weights[f"{following}/kernel"]
        bias = weights[f"{following}/bias"]
    output = hidden @ weights[f"{prefix}output/kernel"]
    return (output + weights[f"{prefix}output/bias"])[0]


def target_attention(weights, keys, query, prefix=""):
    """The weights of `keys` (n, k) for one query (d,).

    Args:
        weights: `named_weights` of a layer that holds a `TargetAttention`.
        keys: (n, k).
        query: (d,), or (n, d) for a query of its own for each key.
        prefix: where the `TargetAttention` stands in `weights`.
    """
    if not len(keys):
        return np.zeros(0)
    keys = keys @ weights[f"{prefix}key_kernel"]
    queries = np.broadcast_to(query, keys.shape)
    logits = [
        feed_forward(
            weights,
            np.concatenate([key, one, key - one, key * one]),
            prefix=f"{prefix}network/",
        )
        for key, one in zip(keys, queries, strict=True)
    ]
    return softmax(np.array(logits))
