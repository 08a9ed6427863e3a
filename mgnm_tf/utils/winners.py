"""Which interest of a user speaks for an item."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def interests_behind(
    recommender: Any, history: list[str], user: str | None = None
) -> dict[str, np.ndarray]:
    """Asks a model for the interests whose products score an item.

    Of a model that mixes interests each one counts as much as it is expected:
    its vector is multiplied by its share, so that the products of a user add
    up to the score.

    Args:
        recommender: a `Recommender`.
        history: the items of a user, oldest first.
        user: the id of the user. Defaults to `None`, an unknown one.

    Returns:
        `interests` (1, n, d) and what else its method of this name returns,
        and of a model that mixes them the `distribution` (1, n), too.
    """
    users = None if user is None else [user]
    signatures = recommender.metadata.get("signatures", {})
    if "interest_distribution" not in signatures:
        return recommender.interests([history], users=users)
    found = recommender.interest_distribution([history], users=users)
    shares = found["distribution"][..., None]
    return {**found, "interests": found["interests"] * shares}


def winners_behind(
    found: Mapping[str, np.ndarray], vectors: np.ndarray
) -> np.ndarray:
    """Finds the interest that speaks for each item.

    Args:
        found: what `interests_behind` returned.
        vectors: see `winning_interests`.

    Returns:
        int64 (B, C), see `winning_interests`; where interests are mixed, that
        with the largest product, of whatever level.
    """
    levels = found["level"]
    if "distribution" in found:
        levels = np.zeros_like(levels)
    return winning_interests(found["interests"], levels, vectors)


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
