"""Scores candidates exactly, and takes the best."""

from typing import Any

import numpy as np
import tensorflow as tf

_COMPARED = 1 << 20
"""Up to so many pairs of rows are compared one by one, which is faster."""


def best_of(
    scorer: Any,
    encoded: Any,
    candidates: np.ndarray,
    vectors: np.ndarray,
    k: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best candidates of each user by the score of the model.

    Args:
        scorer: has `score_each`, as an `InterestReader` has.
        encoded: what the model scores by, of B users.
        candidates: int64 (B, C), rows, ascending where equal scores shall
            keep the order of the catalogue; -1 for none.
        vectors: float32 (B, C, d), their vectors.
        k: how many.

    Returns:
        `rows` int64 (B, k) and `scores` float32 (B, k), best first; -1 and
        -inf where fewer are left.
    """
    count = len(candidates)
    scores = scorer.score_each(encoded, vectors)
    scores = np.where(candidates >= 0, scores, -np.inf)
    # Of equal scores the lower row comes first, as in the whole catalogue.
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    rows = np.full((count, k), -1, np.int64)
    best = np.full((count, k), -np.inf, np.float32)
    width = order.shape[1]
    rows[:, :width] = np.take_along_axis(candidates, order, axis=1)
    best[:, :width] = np.take_along_axis(scores, order, axis=1)
    rows[best == -np.inf] = -1
    return rows, best


def rows_of(encoded: Any, part: slice, count: int) -> Any:
    """Takes rows out of every tensor; all of them at no cost.

    Args:
        encoded: tensors of `count` users.
        part: which of them.
        count: how many users there are.
    """
    if part.start == 0 and part.stop >= count:
        return encoded
    return tf.nest.map_structure(lambda x: x[part], encoded)


def without(found: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Puts -1 where a row of `found` holds what the row of `seen` holds.

    Args:
        found: int64 (B, C), rows, -1 for none.
        seen: int64 (B, s), rows, 0 for none.
    """
    if not seen.size or not found.size:
        return found
    if found.size * seen.shape[1] <= _COMPARED:
        taken = (found[:, :, None] == seen[:, None]).any(axis=2)
        return np.where(taken, -1, found)
    # One number for each pair of user and item, so that one look-up does.
    base = max(found.max(), seen.max()) + 2
    shift = np.arange(len(found))[:, None] * base
    taken = np.isin(found + shift, seen + shift) & (found >= 0)
    return np.where(taken, -1, found)


def seen_rows(seen: np.ndarray) -> np.ndarray:
    """Moves the rows of seen items together.

    Args:
        seen: integers (B, m), 0 for none.

    Returns:
        int64 (B, s), the largest first, 0 behind them; s is the most of a
        user.
    """
    longest = int((seen > 0).sum(axis=1).max(initial=0))
    return -np.sort(-seen.astype(np.int64), axis=1)[:, :longest]
