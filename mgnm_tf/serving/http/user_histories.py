"""Histories of users that the page offers to load."""

from collections.abc import Iterable
from itertools import islice

import numpy as np

from mgnm_tf.serving.requests.request_blocks import Requests


class UserHistories:
    """Finds users by the beginning of their ids, and tells their histories.

    Args:
        requests: the histories, with times where a model reads them.
    """

    def __init__(self, requests: Requests):
        self._requests = requests
        self._rows = {user: row for row, user in enumerate(requests.users)}
        self._sorted = np.sort(requests.users)

    def search(self, text: str, limit: int) -> list[str]:
        """Returns ids of users that begin with a text, in order.

        Args:
            text: the beginning; nothing finds all users.
            limit: the most ids.
        """
        first = int(np.searchsorted(self._sorted, text))
        following: Iterable[str] = self._sorted[first:]
        return [one for one in islice(following, limit) if one.startswith(text)]

    def of(
        self, user: str, most: int
    ) -> tuple[list[str], list[int] | None] | None:
        """Returns the newest items of a user, oldest first, and their times.

        Args:
            user: the id of the user.
            most: the most items.

        Returns:
            `None` for a user who has no history.
        """
        row = self._rows.get(user)
        if row is None:
            return None
        start, stop = self._requests.offsets[row : row + 2]
        part = slice(max(start, stop - most), stop)
        times = self._requests.item_times
        items = self._requests.items[part].tolist()
        return items, None if times is None else times[part].tolist()
