"""Weights of gated graph networks in PyTorch, in our layout."""

import numpy as np


def below(arrays, prefix):
    """Returns the arrays whose names start with `prefix`, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def gates(array):
    """Turns reset, update, new on the first axis into ours on the last."""
    reset, update, new = np.split(array, 3)
    return np.concatenate([update, reset, new]).T


def gates_of_new(array):
    """Like `gates`, where the update gate weighs what is new, not what was.

    `1 - sigmoid(x)` is `sigmoid(-x)`, so what leads to it changes its sign.
    """
    reset, update, new = np.split(array, 3)
    return np.concatenate([-update, reset, new]).T


def gated_step(theirs, path, name):
    """Returns path -> array of a `GatedGraphStep`, from SR-GNN's code.

    Args:
        theirs: their arrays by name.
        path: of our layer.
        name: of their graph network.
    """

    def joined(*names):
        return np.concatenate([theirs[f"{name}.{part}"] for part in names]).T

    biases = [gates(theirs[f"{name}.{part}"]) for part in ("b_ih", "b_hh")]
    return {
        f"{path}/message_kernel": joined(
            "linear_edge_in.weight", "linear_edge_out.weight"
        ),
        f"{path}/message_bias": joined(
            "linear_edge_in.bias", "linear_edge_out.bias"
        ),
        f"{path}/input_bias": joined("b_iah", "b_oah"),
        f"{path}/kernel": gates(theirs[f"{name}.w_ih"]),
        f"{path}/recurrent_kernel": gates(theirs[f"{name}.w_hh"]),
        f"{path}/bias": np.stack(biases),
    }


def soft_attention(theirs, path, names):
    """Returns path -> array of a `SoftAttentionReadout`.

    Args:
        theirs: their arrays by name.
        path: of our layer.
        names: our name of each part -> theirs.
    """
    arrays = {}
    for ours, name in names.items():
        arrays[f"{path}/{ours}/kernel"] = theirs[f"{name}.weight"].T
        if ours != "weight":
            arrays[f"{path}/{ours}/bias"] = theirs[f"{name}.bias"]
    return arrays
