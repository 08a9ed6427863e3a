"""Which ids of a request a model knows."""

import logging
import os
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from mgnm_tf.errors import DataError
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.serving.requests.request_blocks import Requests

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnknownIds:
    """What of a request a model does not know.

    Args:
        users: the users whom it does not know, each once.
        num_users: how many users are named in the request.
        items: the items that it does not know, each once.
        num_items: how many items are in the request.
        events: how many events are of these items.
        num_events: how many events are in the request.
    """

    users: list[str]
    num_users: int
    items: list[str]
    num_items: int
    events: int
    num_events: int

    @property
    def every_event(self) -> bool:
        """Whether there are events, and none is of an item that is known."""
        return 0 < self.num_events == self.events

    def __bool__(self):
        return bool(self.users or self.items)

    def __str__(self):
        parts = []
        if self.users:
            parts.append(
                f"{len(self.users):,} of {self.num_users:,} users (for "
                f"example {self.users[0]!r})"
            )
        if self.items:
            parts.append(
                f"{len(self.items):,} of {self.num_items:,} items (for "
                f"example {self.items[0]!r}), so {self.events:,} of "
                f"{self.num_events:,} events are left out"
            )
        return f"the model does not know {' and '.join(parts)}."


class KnownIds:
    """The users and items of a model, to be looked up.

    Args:
        vocabularies: the ids of the model.
        reads_users: whether the model reads who a user is; else none is
            unknown to it. Defaults to `True`.
    """

    def __init__(self, vocabularies: Vocabularies, reads_users: bool = True):
        self.items = pd.Index(vocabularies.item_ids)
        # Asked one by one, an index of pandas is slow.
        self._users = frozenset(vocabularies.user_ids)
        self._items = frozenset(vocabularies.item_ids)
        self._reads_users = reads_users

    def unknown(self, requests: Requests) -> UnknownIds:
        """Returns what of a request the model does not know.

        Args:
            requests: the request; a user without a name does not count.
        """
        users = [one for one in dict.fromkeys(requests.users) if one]
        counts = Counter(requests.items.tolist())
        counts.pop("", None)  # Padding.
        items = [str(one) for one in counts if one not in self._items]
        unknown = [one for one in users if one not in self._users]
        return UnknownIds(
            users=[str(one) for one in unknown] if self._reads_users else [],
            num_users=len(users),
            items=items,
            num_items=len(counts),
            events=sum(counts[one] for one in items),
            num_events=counts.total(),
        )

    def note(self, requests: Requests) -> None:
        """Logs a warning of what of a request the model does not know.

        Args:
            requests: the request.
        """
        unknown = self.unknown(requests)
        if unknown.every_event:
            logger.warning(self._foreign("The request", unknown))
        elif unknown:
            text = str(unknown)
            logger.warning(text[0].upper() + text[1:])

    def check_file(
        self, requests: Requests, path: str | os.PathLike, column: str
    ) -> None:
        """Refuses a file of which no event is known; else as `note`.

        Args:
            requests: what is in the file.
            path: the file, for messages.
            column: its column of items, for messages.

        Raises:
            DataError: the model knows no item of it.
        """
        unknown = self.unknown_of_file(requests, path, column)
        if unknown:
            logger.warning(f"{path}: {unknown}")

    def unknown_of_file(
        self, requests: Requests, path: str | os.PathLike, column: str
    ) -> UnknownIds:
        """Returns what of a file the model does not know, and logs nothing.

        Args:
            requests: what is in the file.
            path: the file, for messages.
            column: its column of items, for messages.

        Raises:
            DataError: the model knows no item of it.
        """
        unknown = self.unknown(requests)
        if unknown.every_event:
            where = f"{path}, column {column!r}"
            raise DataError(self._foreign(where, unknown))
        return unknown

    def _foreign(self, where, unknown):
        return (
            f"{where}: the model knows none of the {unknown.num_items:,} "
            f"items, for example {unknown.items[0]!r}; an item that it knows "
            f"is {self.items[0]!r}. Give the ids as they are in the data that "
            "it was trained on."
        )
