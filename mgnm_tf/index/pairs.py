"""Pairs of user and id as a table with a row for each user."""

import numpy as np


def table_of_pairs(
    users: np.ndarray, ids: np.ndarray, num_users: int
) -> np.ndarray:
    """Returns the distinct ids of each user.

    Args:
        users: int64 (P,), below `num_users`.
        ids: int64 (P,), at least 0; a pair may come more than once.
        num_users: number of users B.

    Returns:
        int64 (B, c), ascending, -1 behind them; c is the most of a user.
    """
    base = int(ids.max(initial=0)) + 1
    users, ids = np.divmod(np.unique(users * base + ids), base)
    sizes = np.bincount(users, minlength=num_users)
    table = np.full((num_users, int(sizes.max(initial=0))), -1, np.int64)
    table[np.arange(table.shape[1]) < sizes[:, None]] = ids
    return table
