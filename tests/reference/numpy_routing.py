"""Dynamic routing in float64, one item and one capsule at a time."""

import numpy as np

from tests.reference.numpy_mgnm import squash


def route(items, logits, iterations, active=None, coupling=False):
    """Returns the capsules (K, d) of one history.

    With `coupling`, returns (K, n), the last share of each item, instead.

    Args:
        items: (n, K, d), item i as capsule k sees it; real items only.
        logits: (n, K), the first routing logits.
        iterations: how often coupling and capsules are computed.
        active: the number of capsules that take part; `None` for all.
    """
    length, count, dim = items.shape
    active = count if active is None else active
    logits = np.array(logits, dtype="float64")
    capsules = np.zeros((count, dim))
    shares = np.zeros((count, length))
    for _ in range(iterations):
        sums = np.zeros((count, dim))
        for i in range(length):
            share = np.exp(logits[i, :active])
            share = share / share.sum()
            shares[:active, i] = share
            for k in range(active):
                sums[k] += share[k] * items[i, k]
        for k in range(count):
            capsules[k] = squash(sums[k])
        for i in range(length):
            for k in range(active):
                logits[i, k] += items[i, k] @ capsules[k]
    return shares if coupling else capsules
