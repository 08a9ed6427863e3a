"""Which interest of a user speaks for an item."""

import numpy as np


def winning_interests(
    interests: np.ndarray, levels: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """Finds the level that scores an item highest, and its main interest.

    With interests `q_k` of a level and an item `x`, the level scores
    `sum_k softmax_k(q_k . x) (q_k . x)`. Of the level with the highest score
    the interest with the most attention is taken, which is that with the
    largest product. Where a model has one level, this is the nearest interest.

    Args:
        interests: float, (B, n, d).
        levels: int, (n,), the level of each interest.
        vectors: float, (B, C, d), items of each user, or (C, d), the same
            for all.

    Returns:
        int64 (B, C): for each item the place of the interest, 0 to n - 1; of
        equals the first.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.utils.winners import winning_interests
    >>> interests = np.array([[[3.0, 0.0], [0.0, 1.0], [2.0, 2.0]]])
    >>> levels = np.array([0, 0, 1])
    >>> winning_interests(interests, levels, np.array([[1.0, 0], [0, 1.0]]))
    array([[0, 2]])

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, equations 12 to 15.
    """
    products = np.matmul(interests, np.swapaxes(vectors, -1, -2))  # (B, n, C)
    products = products.astype("float64")
    best, places = [], []
    for level in np.unique(levels):
        (members,) = np.nonzero(levels == level)
        own = products[:, members]
        weights = np.exp(own - own.max(axis=1, keepdims=True))
        best.append((weights * own).sum(axis=1) / weights.sum(axis=1))
        places.append(members[own.argmax(axis=1)])
    winner = np.argmax(best, axis=0)[None]
    return np.take_along_axis(np.stack(places), winner, axis=0)[0]
