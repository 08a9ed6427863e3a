"""Gated networks on the graphs of sessions, one session and node at a time."""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def edges(session):
    """Returns the distinct items and {(from, to)} of a list of ids."""
    return list(dict.fromkeys(session)), set(zip(session[:-1], session[1:]))


def gated_step(states, pairs, weights):
    """One step for {item: state} and {(from, to)}.

    The weights in the order of `GatedGraphStep`.
    """
    kernel, offset, shift, outer, inner, bias = weights
    dim = len(kernel)
    updated = {}
    for item, state in states.items():
        halves = []
        for part, senders in (
            (slice(0, dim), [u for u, v in pairs if v == item]),
            (slice(dim, 2 * dim), [v for u, v in pairs if u == item]),
        ):
            heard = np.zeros(dim)
            for sender in senders:
                message = states[sender] @ kernel[:, part] + offset[part]
                heard += message / len(senders)
            halves.append(heard + shift[part])
        z, r, n = np.split(np.concatenate(halves) @ outer + bias[0], 3)
        hz, hr, hn = np.split(state @ inner + bias[1], 3)
        update, reset = sigmoid(z + hz), sigmoid(r + hr)
        candidate = np.tanh(n + reset * hn)
        updated[item] = update * state + (1 - update) * candidate
    return updated


def encode(session, table, weights, num_steps=1):
    """Returns the state of each position of a list of ids, (n, d).

    `table` holds the vector of each id.
    """
    items, pairs = edges(session)
    states = {item: table[item] for item in items}
    for _ in range(num_steps):
        states = gated_step(states, pairs, weights)
    return np.array([states[item] for item in session])


def soft_attention(states, weights, context=None):
    """Returns the vector of a session from its states (n, d).

    The weights in the order of `SoftAttentionReadout`.
    """
    weights = list(weights)
    query, query_bias, key, key_bias = weights[:4]
    asked = states[-1] @ query + query_bias + key_bias
    if context is not None:
        asked = asked + context @ weights[4] + weights[5]
    vector, merge, bias = weights[-3:]
    total = np.zeros(states.shape[1])
    for state in states:
        total += (sigmoid(asked + state @ key) @ vector) * state
    return np.concatenate([total, states[-1]]) @ merge + bias
