"""TiSASRec in NumPy, pair by pair, from the equations of its paper."""

import numpy as np

from tests.reference.numpy_transformer import layer_norm


def intervals_of(times, gap, longest):
    """Returns the clipped intervals (n, n) of n times, in units of `gap`."""
    table = np.zeros((len(times), len(times)), int)
    for i, late in enumerate(times):
        for j, early in enumerate(times):
            if gap:
                table[i, j] = min(abs(int(late) - int(early)) // gap, longest)
    return table


def interval_transformer(items, weights, places, intervals, tables, **options):
    """Returns the output (n, d) of a block for `items` (n, d).

    Args:
        items: the items of one sequence, without padding.
        weights: name -> array, the names those of the layer.
        places: keys and values of the places, two arrays (n, d).
        intervals: int (n, n).
        tables: keys and values of the intervals, two arrays (R, d).
        **options: `num_heads` and `normalization`, see `CausalTransformer`.
    """
    num_heads, normalization = options["num_heads"], options["normalization"]

    after = normalization == "after"

    def norm(x, name):
        gamma, beta = weights[f"{name}/gamma"], weights[f"{name}/beta"]
        return layer_norm(x, gamma, beta, 1e-5 if after else 1e-8)

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    width = items.shape[1]
    size = width // num_heads
    outputs = []
    for i, item in enumerate(items):
        normed = norm(item, "attention_norm")
        residual = normed if normalization == "query" else item
        query = dense(item if normalization == "after" else normed, "query")
        attended = np.zeros(width)
        for first in range(0, width, size):
            part = slice(first, first + size)
            logits, values = [], []
            for j in range(i + 1):
                read = items[j]
                if normalization == "before":
                    read = norm(read, "attention_norm")
                key, value = np.split(dense(read, "key_value"), 2)
                key = key + places[0][j] + tables[0][intervals[i, j]]
                value = value + places[1][j] + tables[1][intervals[i, j]]
                logits.append(query[part] @ key[part] / np.sqrt(size))
                values.append(value[part])
            weight = np.exp(np.array(logits) - max(logits))
            attended[part] = weight @ np.array(values) / weight.sum()
        y = residual + attended
        if normalization == "after":
            y = inner = norm(y, "attention_norm")
        else:
            inner = norm(y, "output_norm")
        if normalization == "query":
            y = inner
        y = y + dense(np.maximum(dense(inner, "hidden"), 0.0), "output")
        outputs.append(
            norm(y, "output_norm") if normalization == "after" else y
        )
    return np.stack(outputs)
