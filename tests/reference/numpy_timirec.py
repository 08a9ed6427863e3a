"""TiMiRec in NumPy, one history at a time.

`weights` are path -> array, the paths those of the model.
"""

import numpy as np


def softmax(x):
    weights = np.exp(x - x.max())
    return weights / weights.sum()


def dense(x, weights, path):
    return x @ weights[f"{path}/kernel"] + weights[f"{path}/bias"]


def layer_norm(x, weights, path):
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return x * weights[f"{path}/gamma"] + weights[f"{path}/beta"]


def block(states, weights, path):
    """Returns the states (n, d) behind a block, position by position."""
    dim = states.shape[1]
    outputs = []
    for state in states:
        query = dense(state, weights, f"{path}query")
        logits = [
            query @ dense(other, weights, f"{path}key") / np.sqrt(dim)
            for other in states
        ]
        attention = softmax(np.array(logits))
        read = sum(
            share * dense(other, weights, f"{path}value")
            for share, other in zip(attention, states)
        )
        y = layer_norm(state + read, weights, f"{path}attention_norm")
        hidden = np.maximum(dense(y, weights, f"{path}hidden"), 0.0)
        y = y + dense(hidden, weights, f"{path}output")
        outputs.append(layer_norm(y, weights, f"{path}output_norm"))
    return np.array(outputs)


def extract(items, weights, path, positions=True, transformer=False):
    """Returns interests (K, d) and weights (K, n) of items (n, d)."""
    states = np.array(items, "float64")
    if positions:
        places = weights[f"{path}position_embedding/embeddings"]
        states = np.array(
            [state + places[len(items) - i] for i, state in enumerate(states)]
        )
    if transformer:
        states = block(states, weights, f"{path}block/")
    logits = dense(
        np.tanh(dense(states, weights, f"{path}hidden_layer")),
        weights,
        f"{path}attention",
    )
    attention = np.array([softmax(column) for column in logits.T])
    return attention @ states, attention


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def predict(history, weights, path, num_layers):
    """Returns the logits (K,) of a history of ids."""
    table = weights[f"{path}item_embedding/embeddings"]
    kernel, recurrent, bias = (
        weights[f"{path}gru/gru_cell/{name}"]
        for name in ("kernel", "recurrent_kernel", "bias")
    )
    state = np.zeros(len(recurrent))
    for item in history:
        xz, xr, xh = np.split(table[item] @ kernel + bias[0], 3)
        hz, hr, hh = np.split(state @ recurrent + bias[1], 3)
        update, reset = sigmoid(xz + hz), sigmoid(xr + hr)
        new = np.tanh(xh + reset * hh)
        state = update * state + (1.0 - update) * new
    for number in range(1, num_layers):
        state = np.maximum(dense(state, weights, f"{path}hidden_{number}"), 0.0)
    return dense(state, weights, f"{path}output")


def divergence(interests, logits, positive, temperature):
    """Returns T^2 KL(p | q) of one history."""
    cosines = np.array(
        [
            v @ positive / np.linalg.norm(v) / np.linalg.norm(positive)
            for v in interests
        ]
    )
    p, q = softmax(cosines / temperature), softmax(logits / temperature)
    return temperature**2 * float((p * (np.log(p) - np.log(q))).sum())
