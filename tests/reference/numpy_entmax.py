"""alpha-entmax of a vector in NumPy, as its papers write it."""

import numpy as np


def numpy_entmax(scores, alpha):
    """Returns alpha-entmax of a vector, by bisection of its threshold."""
    scaled = (alpha - 1.0) * scores
    low = scaled.max() - 1.0
    high = scaled.max() - len(scores) ** (1.0 - alpha)
    for _ in range(80):
        middle = 0.5 * (low + high)
        shares = np.maximum(scaled - middle, 0.0) ** (1.0 / (alpha - 1.0))
        if shares.sum() >= 1.0:
            low = middle
        else:
            high = middle
    return shares / shares.sum()


def numpy_gradients(shares, alpha, upstream):
    """Returns the gradients by scores and alpha, as the papers write them."""
    support = shares > 0
    safe = np.where(support, shares, 1.0)
    slopes = np.where(support, safe ** (2.0 - alpha), 0.0)
    skewed = slopes / slopes.sum()
    by_scores = slopes * (upstream - skewed @ upstream)
    entropy = -shares * np.log(safe)
    by_alpha = (shares - skewed) / (alpha - 1.0) ** 2
    by_alpha += (entropy - skewed * entropy.sum()) / (alpha - 1.0)
    return by_scores, upstream @ by_alpha
