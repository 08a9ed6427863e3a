"""MIMN for one history in NumPy, slot by slot, in float64.

Weights are given by name, see `weights_of`. Gates of a GRU are written as in
TensorFlow 1: the second one keeps.
"""

import numpy as np


def weights_of(model):
    """Returns {name: array} of a MIMN or a cell named `memory_cell`."""
    return {
        weight.path.removeprefix(f"{model.name}/").removeprefix(
            "memory_cell/"
        ): np.asarray(weight, "float64")
        for weight in model.weights
    }


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def softmax(x):
    values = np.exp(x - np.max(x))
    return values / values.sum()


def cosine(x, y):
    return x @ y / np.sqrt((x @ x + 1e-12) * (y @ y + 1e-12))


def gru(w, name, x, context, state):
    units = len(state)
    outer = x @ w[f"{name}/input_kernel"] + w[f"{name}/bias"]
    outer = outer + context @ w[f"{name}/context_kernel"]
    inner = state @ w[f"{name}/gate_kernel"]
    reset = sigmoid(outer[:units] + inner[:units])
    keep = 1.0 - sigmoid(outer[units : 2 * units] + inner[units:])
    candidate = np.tanh(
        outer[2 * units :] + (reset * state) @ w[f"{name}/state_kernel"]
    )
    return keep * state + (1.0 - keep) * candidate


def initial_state(w):
    slots, dim = w["slot_keys"].shape
    return {
        "h": np.zeros(w["output_bias"].shape),
        "r": np.tanh(w["initial_read"]),
        "M": np.tanh(w["initial_memory"]),
        "u": np.zeros(slots),
        "c": np.zeros(dim),
        "S": np.zeros((slots, dim)),
    }


def ask(w, h, u):
    """Returns what the controller asks for, by name."""
    seen = h
    if len(w["head_kernel"]) > len(h):
        seen = np.concatenate([h, u / 400.0])
    asked = np.clip(seen @ w["head_kernel"] + w["head_bias"], -20.0, 20.0)
    dim = len(w["initial_read"])
    names = ("read_key", "write_key", "add", "erase")
    named = {name: asked[i * dim :][:dim] for i, name in enumerate(names)}
    read_beta, write_beta, gamma, *shift = asked[4 * dim :][:6]
    return {
        **named,
        "read_beta": 2.0 * (softplus(read_beta) + 1.0),
        "write_beta": 2.0 * (softplus(write_beta) + 1.0),
        "gamma": 4.0 * (softplus(gamma) + 1.0),
        "shift": softmax(np.array(shift)),
    }


def address(w, key, beta, M):
    key, slots = np.tanh(key), np.tanh(w["slot_keys"])
    return softmax(
        np.array(
            [
                beta * 0.5 * (cosine(key, slots[i]) + cosine(key, M[i]))
                for i in range(len(M))
            ]
        )
    )


def balance(weights, shift, gamma):
    moved = np.zeros_like(weights)
    for i in range(len(weights)):
        moved[i] = (
            shift[0] * weights[i]
            + shift[1] * weights[i - 1]
            + shift[2] * weights[(i + 1) % len(weights)]
        )
    return moved**gamma / np.sum(moved**gamma)


def step(w, x, state, util=True, miu=True):
    """Returns the state after the item `x`."""
    h = gru(w, "controller", x, state["r"], state["h"])
    asked = ask(w, h, state["u"])
    M, S = state["M"], state["S"].copy()
    reading = address(w, asked["read_key"], asked["read_beta"], M)
    writing = address(w, asked["write_key"], asked["write_beta"], M)
    counted = writing
    if util:
        writing = balance(writing, asked["shift"], asked["gamma"])
        counted = balance(writing, asked["shift"], asked["gamma"])
    if miu:
        chosen = np.argmax(reading)
        S[chosen] = gru(w, "channel", x, M[chosen], S[chosen])
    erase, add = sigmoid(asked["erase"]), np.tanh(asked["add"])
    return {
        "h": h,
        "r": reading @ M,
        "M": M * (1.0 - np.outer(writing, erase)) + np.outer(writing, add),
        "u": state["u"] + counted,
        "c": state["c"] + add,
        "S": S,
    }


def look_up(w, x, state):
    """Returns the output for the item `x`, a step that is not taken."""
    h = gru(w, "controller", x, state["r"], state["h"])
    asked = ask(w, h, state["u"])
    reading = address(w, asked["read_key"], asked["read_beta"], state["M"])
    both = np.concatenate([h, reading @ state["M"]])
    return np.clip(both @ w["output_kernel"] + w["output_bias"], -20.0, 20.0)


def dense(w, name, x):
    return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]


def channel_vector(w, x, S):
    logits = []
    for channel in S:
        hidden = np.concatenate([x, channel, x - channel, x * channel])
        hidden = sigmoid(dense(w, "channel_0", hidden))
        hidden = sigmoid(dense(w, "channel_1", hidden))
        logits.append(dense(w, "channel_2", hidden)[0])
    return softmax(np.array(logits)) @ S


def head(w, x):
    x = x * w["input_scale"] + w["input_shift"]
    for i in range(2):
        x = dense(w, f"head_{i}", x)
        x = np.where(x > 0, x, w[f"head_activation_{i}/alpha"][0] * x)
    return dense(w, "head_2", x)[0]


def score(w, history, candidate, util=True, miu=True):
    """Returns the score of the vector `candidate` after vectors `history`."""
    state = initial_state(w)
    for x in history:
        state = step(w, x, state, util, miu)
    parts = [
        np.sum(history, axis=0) if len(history) else 0.0 * candidate,
        candidate,
        look_up(w, candidate, state),
        state["c"] / len(state["u"]) * candidate,
    ]
    if miu:
        parts.append(channel_vector(w, candidate, state["S"]))
    return head(w, np.concatenate(parts))
