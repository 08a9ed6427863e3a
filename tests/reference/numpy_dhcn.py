"""DHCN with loops and dense matrices, one session at a time."""

import numpy as np


def propagation(histories, num_items):
    """Returns P (M + 1, M + 1) of hyperedges that may repeat."""
    incidence = np.zeros((num_items + 1, len(histories)))
    for column, history in enumerate(histories):
        incidence[list(set(history)), column] = 1
    of_item, of_edge = incidence.sum(axis=1), incidence.sum(axis=0)
    inverse = np.divide(1, of_item, where=of_item > 0, out=0 * of_item)
    return inverse[:, None] * ((incidence / of_edge) @ incidence.T)


def propagate(matrix, table, num_layers):
    layers = [table]
    for _ in range(num_layers):
        layers.append(matrix @ layers[-1])
    return np.mean(layers, axis=0)


def session_vector(vectors, items, w):
    """Returns s of a session, its items oldest first."""
    x = vectors[list(reversed(items))]
    if "places" in w:
        both = np.concatenate([w["places"][: len(items)], x], axis=1)
        y = np.tanh(both @ w["W1"] + w["b1"])
    else:
        y = np.tanh(x)
    gate = 1 / (1 + np.exp(-(y @ w["G1"] + w["b2"] + x.mean(0) @ w["G2"])))
    return ((gate @ w["w2"]) * x).sum(axis=0)


def line_vectors(table, sessions, num_layers):
    """Returns W and z of a batch of sessions without padding."""
    sets = [set(session) for session in sessions]
    overlap = np.array(
        [[len(p & q) / max(1, len(p | q)) for q in sets] for p in sets]
    )
    np.fill_diagonal(overlap, 1)
    z = np.stack([table[session].mean(axis=0) for session in sessions])
    step = overlap / overlap.sum(axis=1, keepdims=True)
    layers = [z]
    for _ in range(num_layers):
        layers.append(step @ layers[-1])
    return overlap, np.mean(layers, axis=0)


def second_view_loss(sessions, line, mixed):
    agreed = (sessions * line).sum(axis=1)
    refused = (mixed * line).sum(axis=1)
    return (np.log1p(np.exp(-agreed)) + np.log1p(np.exp(refused))).sum()
