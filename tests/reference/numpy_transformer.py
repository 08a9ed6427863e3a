"""A causal transformer block in NumPy, position by position."""

import numpy as np


def layer_norm(x, gamma, beta, epsilon=1e-8):
    return (x - x.mean()) / np.sqrt(x.var() + epsilon) * gamma + beta


def causal_transformer(items, weights, num_heads, normalization):
    """Returns the output (n, d) of a block for `items` (n, d).

    Args:
        items: the items of one sequence, without padding.
        weights: name -> array, the names those of the layer.
        num_heads: number of heads.
        normalization: see `CausalTransformer`.
    """

    after = normalization == "after"

    def norm(x, name):
        gamma, beta = weights[f"{name}/gamma"], weights[f"{name}/beta"]
        return layer_norm(x, gamma, beta, 1e-5 if after else 1e-8)

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    width = items.shape[1]
    outputs = []
    for i, item in enumerate(items):
        past = items[: i + 1]
        query = residual = item
        if normalization == "before":
            past = np.stack([norm(x, "attention_norm") for x in past])
            query = past[i]
        elif normalization == "query":
            query = residual = norm(item, "attention_norm")
        query = dense(query, "query")
        keys, values = np.split(dense(past, "key_value"), 2, axis=1)
        heads = []
        for part in np.split(np.arange(width), num_heads):
            logits = keys[:, part] @ query[part] / np.sqrt(len(part))
            weight = np.exp(logits - logits.max())
            heads.append(weight @ values[:, part] / weight.sum())
        y = residual + np.concatenate(heads)
        if normalization == "after":
            y = norm(y, "attention_norm")
        inner = y if normalization == "after" else norm(y, "output_norm")
        if normalization == "query":
            y = inner
        y = y + dense(np.maximum(dense(inner, "hidden"), 0.0), "output")
        outputs.append(
            norm(y, "output_norm") if normalization == "after" else y
        )
    return np.stack(outputs)
