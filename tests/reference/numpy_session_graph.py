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


def encode_with_star(session, table, step, highway, num_steps, maps=None):
    """Returns the states (n, d) of a session and its star (d,).

    Args:
        session: a list of ids.
        table: the vector of each id.
        step: the weights of `GatedGraphStep`.
        highway: kernel and bias of the highway.
        num_steps: number of steps.
        maps: kernel and bias of four maps: of nodes and star in the gate, of
            nodes and star in the softmax; `None` for products without maps.
    """
    items, pairs = edges(session)
    dim = table.shape[1]
    states = {item: table[item] for item in items}
    star = np.mean([table[item] for item in items], axis=0)

    def product(state, number):
        if maps is None:
            scale = np.sqrt(dim) if number == 0 else 1.0
            return state @ star / scale
        (query, a), (key, b) = maps[2 * number : 2 * number + 2]
        return (state @ query + a) @ (star @ key + b) / np.sqrt(dim)

    for _ in range(num_steps):
        states = gated_step(states, pairs, step)
        for item, state in states.items():
            gate = sigmoid(product(state, 0))
            states[item] = (1 - gate) * state + gate * star
        weights = np.exp([product(states[item], 1) for item in items])
        weights /= weights.sum()
        star = weights @ np.array([states[item] for item in items])
    kernel, bias = highway
    mixed = {}
    for item, state in states.items():
        first = table[item]
        share = sigmoid(np.concatenate([first, state]) @ kernel + bias)
        mixed[item] = share * first + (1 - share) * state
    return np.array([mixed[item] for item in session]), star


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
