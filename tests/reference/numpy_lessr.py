"""LESSR in NumPy: a graph of lists, one GRU for each node."""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    weights = np.exp(x - x.max())
    return weights / weights.sum()


def gru(inputs, kernel, recurrent, bias):
    """Returns the last state over `inputs`, zero for none."""
    state = np.zeros(len(recurrent))
    for x in inputs:
        xz, xr, xh = np.split(x @ kernel + bias[0], 3)
        hz, hr, hh = np.split(state @ recurrent + bias[1], 3)
        update, reset = sigmoid(xz + hz), sigmoid(xr + hr)
        state = update * state + (1 - update) * np.tanh(xh + reset * hh)
    return state


def apply(layer, x):
    kernel, *bias = layer.get_weights()
    return x @ kernel + (bias[0] if bias else 0.0)


def normalize(layer, x):
    gamma, beta, mean, variance = layer.get_weights()
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def leaky(layer, x):
    (slope,) = layer.get_weights()
    return np.where(x > 0, x, slope[0] * x)


def edge_order(layer, nodes, session):
    """Returns item -> result of `EdgeOrderAggregation`."""
    normed = {item: normalize(layer.norm, x) for item, x in nodes.items()}
    heard = {item: [] for item in nodes}
    for before, after in zip(session, session[1:], strict=False):
        heard[after].append(normed[before])
    return {
        item: leaky(
            layer.activation,
            apply(layer.of_self, normed[item])
            + apply(
                layer.of_neighbors, gru(heard[item], *layer.cell.get_weights())
            ),
        )
        for item in nodes
    }


def shortcut(layer, nodes, session):
    """Returns item -> result of `ShortcutAttention`."""
    normed = {item: normalize(layer.norm, x) for item, x in nodes.items()}
    edges = {
        (session[i], session[j])
        for j in range(len(session))
        for i in range(j + 1)
    }
    results = {}
    for item in nodes:
        sources = [one for one in nodes if (one, item) in edges]
        x = np.stack([normed[one] for one in sources])
        hidden = apply(layer.query, x) + apply(layer.key, normed[item])
        weights = softmax(apply(layer.energy, sigmoid(hidden))[:, 0])
        results[item] = leaky(layer.activation, weights @ apply(layer.value, x))
    return results


def user_of(model, session):
    """Returns the user vector of a session of ids."""
    table = model.item_embedding.get_weights()[0].astype("float64")
    nodes = {item: table[item] for item in session}
    for number, layer in enumerate(model.blocks):
        step = shortcut if number % 2 else edge_order
        made = step(layer, nodes, session)
        nodes = {
            item: np.concatenate([made[item], nodes[item]]) for item in nodes
        }
    newest = nodes[session[-1]]
    normed = normalize(model.node_norm, np.stack(list(nodes.values())))
    asked = apply(model.of_last, normalize(model.node_norm, newest))
    hidden = sigmoid(apply(model.of_node, normed) + asked)
    found = apply(
        model.readout, softmax(apply(model.energy, hidden)[:, 0]) @ normed
    )
    if model.activation is not None:
        found = leaky(model.activation, found)
    joined = normalize(model.session_norm, np.concatenate([newest, found]))
    return apply(model.decoder, joined)
