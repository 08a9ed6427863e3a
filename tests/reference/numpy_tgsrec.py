"""TGSRec for one node at a time, in float64, written from the equations.

Weights come by path, see `named_weights`; nothing of the layers is used.
"""

import numpy as np

from tests.reference.numpy_blocks import named_weights
from tests.reference.numpy_blocks import relu
from tests.reference.numpy_blocks import softmax


def time_code(weights, gap, scale=1.0):
    angle = weights["frequencies"] * gap / scale + weights["phases"]
    return np.cos(angle)


def layer_norm(weights, x):
    centred = x - x.mean()
    scaled = centred / np.sqrt(np.square(centred).mean() + 1e-5)
    return (
        weights["normalization/gamma"] * scaled + weights["normalization/beta"]
    )


def dense(weights, name, x):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def attention(weights, node, code, neighbors, codes):
    """One layer for one node.

    Args:
        weights: of a `TemporalAttention`.
        node: (d,).
        code: (d_T,), the code of no time.
        neighbors: (n, d), none of them padding.
        codes: (n, d_T).
    """
    query = np.concatenate([node, code])
    total = query
    if len(neighbors):
        keys = np.concatenate([neighbors, codes], axis=1)
        heads = []
        for head in range(weights["query_kernel"].shape[1]):
            q = query @ weights["query_kernel"][:, head]
            k = keys @ weights["key_kernel"][:, head]
            v = keys @ weights["value_kernel"][:, head]
            heads.append(softmax(k @ q / np.sqrt(len(q))) @ v)
        total = total + dense(weights, "output", np.concatenate(heads))
    attended = layer_norm(weights, total)
    merged = np.concatenate([attended, node])
    return dense(weights, "merge", relu(dense(weights, "hidden", merged)))


def infer(model, pick, level, node, now):
    """Returns h^level of a node, by recursion over its neighbours.

    Args:
        model: a `TGSRec`.
        pick: (node, time) -> list of (neighbour, its time).
        level: l, from 0.
        node: id.
        now: time.
    """
    if level == 0:
        table = np.asarray(model.node_embedding.embeddings, "float64")
        return table[node] * (node > 0)
    past = pick(node, now)
    coder = named_weights(model.time_encoding)
    return attention(
        named_weights(model.attention_layers[level - 1]),
        infer(model, pick, level - 1, node, now),
        time_code(coder, 0, model.time_scale),
        np.array([infer(model, pick, level - 1, *one) for one in past]),
        np.array(
            [time_code(coder, now - t, model.time_scale) for _, t in past]
        ),
    )


def affinity(model, user, item):
    """The score of two vectors."""
    if model.head == "dot":
        return user @ item
    kernel = np.concatenate(
        [model.user_layer.kernel, model.item_layer.kernel]
    ).astype("float64")
    hidden = relu(
        np.concatenate([user, item]) @ kernel
        + np.asarray(model.item_layer.bias)
    )
    weights = named_weights(model.output_layer)
    return (hidden @ weights["kernel"] + weights["bias"])[0]
