"""HSTU's formulas in plain loops, written from the paper."""

import numpy as np

from mgnm_tf.layers.sequence.relative_bias import BUCKETS


def silu(x):
    return x / (1 + np.exp(-x))


def norm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)


def unit(states, times, layer, bias, heads, max_length):
    """One layer in plain loops: states (n, d), times (n,)."""
    length, dim = states.shape
    gate_query = silu(norm(states) @ layer.gate_query.get_weights()[0])
    value_key = silu(norm(states) @ layer.value_key.get_weights()[0])
    gate, query = gate_query[:, :dim], gate_query[:, dim:]
    value, key = value_key[:, :dim], value_key[:, dim:]
    tables = bias.get_weights()
    attended = np.zeros((length, dim))
    width = dim // heads
    for i in range(length):
        for j in range(i + 1):
            extra = tables[0][i - j]
            if len(tables) == 2:
                gap = max(abs(times[i] - times[j]), 1)
                extra += tables[1][min(int(np.log(gap) / 0.301), BUCKETS - 1)]
            for head in range(heads):
                part = slice(head * width, (head + 1) * width)
                weight = silu(query[i, part] @ key[j, part] + extra)
                attended[i, part] += weight / max_length * value[j, part]
    kernel, constant = layer.output_layer.get_weights()
    return states + (gate * norm(attended)) @ kernel + constant
