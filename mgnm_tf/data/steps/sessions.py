"""Sessions: a user's events, cut where nothing happened for long."""

import re

import numpy as np

from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.reading.times import TIME_UNITS
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError

BY_GAP = "cutting sessions by a gap in time"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of_gap(gap: str) -> int:
    """Returns the seconds of a gap in time.

    Args:
        gap: a whole number above 0 and its unit: s, m, h or d, for example
            "30m" or "1d".

    Raises:
        UserError: it is not of this form, or 0.
    """
    found = re.fullmatch(r"([0-9]+)([smhd])", str(gap))
    if found is None or int(found[1]) == 0:
        raise UserError(
            "`sessions_by_gap` must be a whole number above 0 and one of s, m, "
            f"h, d, for example 30m. Received: {gap!r}"
        )
    return int(found[1]) * _SECONDS[found[2]]


def cut_sessions(log: InteractionLog, gap: str) -> InteractionLog:
    """Cuts the events of each user into sessions.

    A session ends where the next event of the user is later by more than
    the gap; one that is later by just the gap still belongs to it. The
    sessions take the place of the users. Their ids are that of the user, "#"
    and the number of the session, from 1: "anna#3". What stands behind the
    last "#" is the number, so that two sessions never have one id.

    Args:
        log: the log; it needs times.
        gap: see `seconds_of_gap`.

    Returns:
        The log of sessions, of the same events in the same order.

    Raises:
        UserError: the gap is not a gap.
        DataError: the log has only an order and no times.
    """
    longest = seconds_of_gap(gap) * units_per_second(log.time_unit)
    need_times(log.order_only, log.source, BY_GAP)
    order = np.lexsort((log.times, log.users))
    users, times = log.users[order], log.times[order]
    other = np.diff(users, prepend=-1) != 0
    # The first difference is never looked at: it begins a session anyway.
    begins = other | (np.diff(times, prepend=times[0]) > longest)
    sessions = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    of_user = np.cumsum(other[first])
    numbers = np.arange(len(first)) - np.flatnonzero(other[first])[of_user - 1]
    codes = np.empty(len(log), np.int32)
    codes[order] = sessions
    user_ids = [
        f"{log.user_ids[user]}#{number + 1}"
        for user, number in zip(
            users[first].tolist(), numbers.tolist(), strict=True
        )
    ]
    step = {
        "filter": "sessions_by_gap",
        "gap": gap,
        "users": int(of_user[-1]),
        "sessions": len(first),
    }
    return log.of_users(codes, user_ids, step)


def units_per_second(time_unit: str) -> int:
    """Returns how many of a unit of `TIME_UNITS` are a second."""
    return 1000 ** TIME_UNITS.index(time_unit)


def need_times(order_only: bool, source: str, what: str) -> None:
    """Checks that a log has times.

    Args:
        order_only: whether the log has only an order.
        source: where it comes from, for the message.
        what: what needs them, for the message.

    Raises:
        DataError: it has only an order.
    """
    if order_only:
        raise DataError(
            f"{source}: {what} needs times, but the log has only positions "
            "in a sequence (0 or 1 and upwards); name a column of times."
        )
