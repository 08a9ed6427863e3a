"""MGNM in NumPy, one history at a time, straight from the paper's equations.

Slow on purpose and written without a look at the layers: the oracle of their
tests. Weights are taken from a model by name.
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def adjacency(items, user=None):
    """Equation 1; items (n, d), user (d,)."""
    n = len(items)
    a = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            product = items[i] * items[j]
            if user is not None:
                product = product * user
            a[i, j] = sigmoid(product.sum())
    return a


def propagation_matrix(a, normalization):
    n = len(a)
    if normalization == "none":
        return a
    if normalization == "renormalized":
        a = a + np.eye(n)
    root = np.diag(a.sum(axis=1) ** -0.5)
    normal = root @ a @ root
    return normal if normalization == "renormalized" else np.eye(n) + normal


def levels(items, a, kernel, num_layers, normalization, bias=0.0):
    """Equations 2 to 4."""
    p = propagation_matrix(a, normalization)
    out = [items]
    for _ in range(num_layers):
        h = p @ out[-1] @ kernel + bias
        out.append(np.where(h > 0, h, 0.2 * h))
    return out


def squash(v):
    """Equation 7."""
    norm = np.sqrt((v**2).sum() + 1e-9)
    return norm**2 / (norm**2 + 1) * v / norm


def lstm(x, kernel, recurrent, bias):
    """Keras's LSTM (gates i, f, c, o); x (n, d) to (n, units)."""
    units = recurrent.shape[0]
    h, c, out = np.zeros(units), np.zeros(units), []
    for step in x:
        z = step @ kernel + h @ recurrent + bias
        i, f, g, o = np.split(z, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def bilstm(x, forward, backward, projection):
    """A bidirectional LSTM projected back; weights as (kernel, rec, bias)."""
    ahead = lstm(x, *forward)
    back = lstm(x[::-1], *backward)[::-1]
    return np.concatenate([ahead, back], axis=1) @ projection


def capsule(
    h,
    kernel,
    output_kernel,
    encode,
    iterations=3,
    first=None,
    coupling=False,
):
    """Equations 5 to 11 for one capsule; h (n, d), kernels (d, d).

    With `coupling`, returns the last c of equation 6, (n,), instead.
    """
    z = h @ kernel
    g = np.zeros(len(h)) if first is None else first
    for step in range(iterations):
        c = softmax(g)
        o = squash((c[:, None] * z).sum(axis=0))
        g = g + z @ o
        if step == 0 and encode is not None:
            z = z + encode(z)
    if coupling:
        return c
    return np.maximum(o @ output_kernel, 0.0)


def level_score(interests, candidate):
    """Equations 12 to 14."""
    products = np.array([q @ candidate for q in interests])
    preference = sum(
        weight * q for weight, q in zip(softmax(products), interests)
    )
    return preference @ candidate


def weights_by_name(model):
    return {w.path: np.asarray(w.value, "float64") for w in model.weights}


def mgnm_scores(model, features):
    """Scores of all levels, (batch, levels, candidates), preset "paper"."""
    w = weights_by_name(model)
    item_table = w["item_embedding/embeddings"].copy()
    item_table[0] = 0.0
    return np.array(
        [
            [
                [level_score(one, item_table[c]) for c in candidates]
                for one in own
            ]
            for own, candidates in zip(
                mgnm_interests(model, features), features["candidates"]
            )
        ]
    )


def mgnm_interests(model, features, coupling=False):
    """Interests (d,), or couplings (n,), as [row][level][capsule]."""
    w = weights_by_name(model)
    item_table = w["item_embedding/embeddings"].copy()
    item_table[0] = 0.0
    user_table = w["user_embedding/embeddings"].copy()
    user_table[0] = user_table[1:].mean(axis=0)

    def encode(z, encoder="extractor/encoder"):
        cell = encoder + "/bilstm/{}_lstm/lstm_cell/{}"
        directions = []
        for side in ("forward", "backward"):
            names = ("kernel", "recurrent_kernel", "bias")
            directions.append([w[cell.format(side, n)] for n in names])
        kernel = w[encoder + "/projection/kernel"]
        return bilstm(z, *directions, kernel)

    out = []
    for row in range(len(features["user"])):
        history = features["history"][row]
        items = item_table[history[history != 0]]
        if model.history_encoder is not None:
            items = items + encode(items, "history_encoder")
        user = user_table[features["user"][row]]
        levels_ = levels(
            items,
            adjacency(items, user),
            w["propagation/kernel"],
            model.num_layers,
            model.adjacency_normalization,
        )
        own = [
            [
                capsule(
                    h,
                    w["extractor/kernel"][0, k],
                    w["extractor/output_kernel"][0, k],
                    encode,
                    model.routing_iterations,
                    coupling=coupling,
                )
                for k in range(model.num_interests)
            ]
            for h in levels_
        ]
        out.append(own)
    return out
