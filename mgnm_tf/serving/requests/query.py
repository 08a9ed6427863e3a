"""What one user asks for, and how many of them make a request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mgnm_tf.errors import UserError
from mgnm_tf.serving.requests.request_blocks import Requests


@dataclass(frozen=True)
class Query:
    """What one user asks for.

    Args:
        history: the items of the user, oldest first; where there are times
            these order it.
        user: the id of the user. Defaults to `""`, an unknown one.
        k: number of items. Defaults to `20`.
        exclude_seen: whether items of the history are left out. Defaults to
            `True`.
        times: the time of each event, in seconds. Defaults to `None`.
        time: the moment of the recommendation, in seconds. Defaults to
            `None`: that of the last event.
        diversity: weight of the difference between the items. Defaults to
            `0.0`.
        allow: the items that may be recommended. Defaults to `None`: all.
        deny: items that may not. Defaults to `frozenset()`.
        categories: the categories that may be recommended, numbers from 1.
            Defaults to `None`: all.
        explain: whether it is asked what stands behind each item. Defaults
            to `False`.

    Raises:
        UserError: there are more or fewer times than items.
    """

    history: Sequence[str]
    user: str = ""
    k: int = 20
    exclude_seen: bool = True
    times: Sequence[int] | None = None
    time: int | None = None
    diversity: float = 0.0
    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    categories: frozenset[int] | None = None
    explain: bool = False

    def __post_init__(self):
        if self.times is None:
            return
        if len(self.times) != len(self.history):
            raise UserError(
                "`times` must hold a time for each item of `history`. "
                f"Received: {len(self.times)} times, {len(self.history)} items"
            )
        order = np.argsort(self.times, kind="stable")
        history = [self.history[place] for place in order]
        object.__setattr__(self, "history", history)
        times = [self.times[place] for place in order]
        object.__setattr__(self, "times", times)

    def check_times(self) -> None:
        """Checks that a model that reads times can answer.

        Raises:
            UserError: there are no times.
        """
        if self.times is None and len(self.history):
            raise UserError(
                "The model reads times: give `times`, the second of each item "
                "of `history`."
            )
        if self.time is None and not len(self.history):
            raise UserError(
                "The model reads times: give `time`, the second of the "
                "recommendation, where `history` is empty."
            )


def requests_of(queries: Sequence[Query], reads_times: bool) -> Requests:
    """Lays queries out as one request.

    Args:
        queries: B of them; for models that read times each passes
            `check_times`.
        reads_times: whether the model reads times.
    """
    users = _texts([query.user for query in queries])
    items = _texts([item for query in queries for item in query.history])
    lengths = [len(query.history) for query in queries]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    if not reads_times:
        return Requests(users, users, items, offsets)
    times = [time for query in queries for time in query.times or ()]
    moments = [_moment(query) for query in queries]
    return Requests(
        users,
        users,
        items,
        offsets,
        item_times=np.asarray(times, np.int64),
        times=np.asarray(moments, np.int64),
    )


def _moment(query: Query) -> int:
    """Returns when a query is asked; `check_times` says that there is one."""
    if query.time is not None or not query.times:
        return query.time or 0
    return query.times[-1]


def _texts(values):
    array = np.empty(len(values), object)
    array[:] = values
    return array
