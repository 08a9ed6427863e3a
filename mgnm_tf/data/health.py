"""Facts about a log that decide what can be learned and measured on it."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from mgnm_tf.data.index import Sorted
from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.reading.times import days_of
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.data.steps.splits import leave_one_out
from mgnm_tf.data.steps.splits import per_user_ratio

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
"""The quantiles of events per user and per item."""

BURST = 10
"""Events of a user within one second that are a burst."""

LAST_SHARE = 0.1
"""What of the time-ordered log is called its end, where drift is told."""

MOST_POPULAR = 100
"""How many of the most popular items are compared for drift, at most."""

_MOST_OF_ALL = 0.5
"""The share of the catalogue above which the most popular are no selection."""

FIRST_YEAR = 1995
"""Times before that year are taken for faults."""

_DAY = 86_400
_RATIOS = (0.7, 0.1, 0.2)


@dataclass(frozen=True)
class LogHealth:
    """What a log is like; shares are between 0 and 1.

    Args:
        rows: number of events.
        users: number of users.
        items: number of items.
        events_per_user: `QUANTILES` of the events of a user.
        events_per_item: `QUANTILES` of the events of an item.
        users_below_3: users with fewer than 3 events, of whom
            `leave_one_out` tests none.
        duplicates: rows that repeat user, item and time of another row.
        repeats: share of the events, without duplicates, whose user had that
            item before.
        order_only: whether there are no times, only the order of events.
            What needs times is `None` then.
        first_day: "YYYY-MM-DD".
        last_day: "YYYY-MM-DD".
        whole_days: whether all times are midnights, so that the order within
            a day is unknown.
        ties: share of the events of a user, without the first, that have
            the time of the event before them.
        burst_events: events in groups of `BURST` or more of one user within
            one second; 0 where times are whole days.
        largest_burst: the events of the largest such group, or 0.
        in_future: rows later than now.
        before_first_year: rows before `FIRST_YEAR`.
        unordered: share of the rows that are earlier than the row before
            them of the same user.
        new_items_at_end: share of the last `LAST_SHARE` of the events whose
            item did not occur before.
        new_users_at_end: likewise, whose user did not.
        popular: how many of the most popular items are compared for drift:
            `MOST_POPULAR`, or all of the end; `None` if that is most of the
            catalogue.
        popular_that_stay: share of the `popular` items of the end that were
            among as many most popular ones before it; `None` likewise.
        leaks: split -> facts, see `split_leaks`.
    """

    rows: int
    users: int
    items: int
    events_per_user: tuple[float, ...]
    events_per_item: tuple[float, ...]
    users_below_3: int
    duplicates: int
    repeats: float
    order_only: bool
    first_day: str | None = None
    last_day: str | None = None
    whole_days: bool | None = None
    ties: float | None = None
    burst_events: int | None = None
    largest_burst: int | None = None
    in_future: int | None = None
    before_first_year: int | None = None
    unordered: float | None = None
    new_items_at_end: float | None = None
    new_users_at_end: float | None = None
    popular: int | None = None
    popular_that_stay: float | None = None
    leaks: Mapping[str, Mapping[str, float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns all facts as JSON values."""
        return asdict(self)


def log_health(log: InteractionLog, now: float | None = None) -> LogHealth:
    """Looks at a log as it was read, before any filter.

    Args:
        log: the log.
        now: seconds since 1970 after which a time is a fault. `None` is the
            clock of this machine.
    """
    order = np.lexsort((log.times, log.users))
    events = Sorted.of(log, order)
    items = np.bincount(log.items)
    health: dict[str, Any] = {
        "rows": len(log),
        "users": len(events.sizes),
        "items": int(np.count_nonzero(items)),
        "events_per_user": _quantiles(events.sizes),
        "events_per_item": _quantiles(items[items > 0]),
        "users_below_3": int(np.count_nonzero(events.sizes < 3)),
        "order_only": log.order_only,
        **_repetition(log),
    }
    if not log.order_only:
        health |= _clock(log, events, time.time() if now is None else now)
        health |= _drift(log)
        health["leaks"] = split_leaks(log, events)
    return LogHealth(**health)


def _quantiles(counts: np.ndarray) -> tuple[float, ...]:
    return tuple(np.quantile(counts, QUANTILES).tolist())


def _repetition(log: InteractionLog) -> dict[str, Any]:
    """Counts rows that repeat others."""
    order = np.lexsort((log.times, log.items, log.users))
    users, items, times = (
        array[order] for array in (log.users, log.items, log.times)
    )
    same_pair = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    same_row = same_pair & (times[1:] == times[:-1])
    duplicates = int(np.count_nonzero(same_row))
    again = int(np.count_nonzero(same_pair)) - duplicates
    return {
        "duplicates": duplicates,
        "repeats": again / (len(log) - duplicates),
    }


def _clock(log: InteractionLog, events: Sorted, now: float) -> dict[str, Any]:
    """Tells how far times can be trusted."""
    first_day, last_day = days_of(log.times, log.time_unit)
    seconds = whole_seconds(events.times, log.time_unit)
    same_user = events.users[1:] == events.users[:-1]
    same_time = same_user & (events.times[1:] == events.times[:-1])
    whole_days = bool((seconds % _DAY == 0).all())
    burst_events = largest = 0
    if not whole_days:
        together = same_user & (seconds[1:] == seconds[:-1])
        starts = np.flatnonzero(np.concatenate([[True], ~together]))
        sizes = np.diff(starts, append=len(seconds))
        bursts = sizes[sizes >= BURST]
        burst_events, largest = int(bursts.sum()), int(max(bursts, default=0))
    # The rows of each user in the order of the file.
    rows = np.argsort(log.users, kind="stable")
    times, users = log.times[rows], log.users[rows]
    in_file = users[1:] == users[:-1]
    earlier = in_file & (times[1:] < times[:-1])
    followers = max(int(np.count_nonzero(same_user)), 1)
    year = np.datetime64(f"{FIRST_YEAR}-01-01", "s").astype(np.int64)
    return {
        "first_day": first_day,
        "last_day": last_day,
        "whole_days": whole_days,
        "ties": int(np.count_nonzero(same_time)) / followers,
        "burst_events": burst_events,
        "largest_burst": largest,
        "in_future": int(np.count_nonzero(seconds > now)),
        "before_first_year": int(np.count_nonzero(seconds < year)),
        "unordered": int(np.count_nonzero(earlier)) / followers,
    }


def _drift(log: InteractionLog) -> dict[str, Any]:
    """Tells how new the end of a log is."""
    order = np.argsort(log.times, kind="stable")
    cut = int(len(order) * (1 - LAST_SHARE))
    if not 0 < cut < len(order):
        return {}
    before, end = order[:cut], order[cut:]
    popular = min(MOST_POPULAR, len(np.unique(log.items[end])))
    drift: dict[str, Any] = {
        "new_items_at_end": _share_of_new(log.items, before, end),
        "new_users_at_end": _share_of_new(log.users, before, end),
    }
    # Most of a catalogue stays popular whatever happens.
    if popular <= _MOST_OF_ALL * len(np.unique(log.items)):
        top = [
            set(np.argsort(-np.bincount(log.items[rows]))[:popular].tolist())
            for rows in (before, end)
        ]
        drift["popular"] = popular
        drift["popular_that_stay"] = len(top[0] & top[1]) / popular
    return drift


def _share_of_new(
    codes: np.ndarray, before: np.ndarray, end: np.ndarray
) -> float:
    known = np.zeros(int(codes.max()) + 1, bool)
    known[codes[before]] = True
    return float(1.0 - known[codes[end]].mean())


def split_leaks(
    log: InteractionLog, events: Sorted
) -> dict[str, dict[str, float]]:
    """Tells what each split would show a model of the future.

    Args:
        log: a log with times.
        events: its events, sorted.

    Returns:
        - "leave_one_out" and "per_user_ratio": `records_with_later`, the
          share of the test records with a training event later than them,
          and `later_training`, the share of the training events that are
          later than a test record, averaged over the records;
        - "temporal": it leaks nothing; `cold_users` and `cold_items`, the
          shares of the test events of users and of items that training
          never saw.
    """
    leaks = {}
    for name, split in (
        ("leave_one_out", leave_one_out),
        ("per_user_ratio", per_user_ratio),
    ):
        parts, _ = split(events, _RATIOS)
        training = np.sort(events.times[parts == 0])
        test = events.times[parts == 2]
        if len(test) and len(training):
            known = np.searchsorted(training, test, side="right")
            later = 1.0 - known / len(training)
            leaks[name] = {
                "records_with_later": float(np.mean(later > 0)),
                "later_training": float(later.mean()),
            }
    times = np.sort(log.times)
    cuts = (np.array([0.7, 0.8]) * len(times)).astype(int)
    first, last = times[cuts]
    before = np.flatnonzero(log.times < first)
    test = np.flatnonzero(log.times >= last)
    if len(before):
        leaks["temporal"] = {
            "cold_users": _share_of_new(log.users, before, test),
            "cold_items": _share_of_new(log.items, before, test),
        }
    return leaks
