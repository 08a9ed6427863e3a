"""Filters: log -> log. Each notes in the log what it did."""

import numpy as np

from mgnm_tf.data.log import InteractionLog
from mgnm_tf.errors import DataError
from mgnm_tf.utils.validation import check_positive_int


def filter_rating(log: InteractionLog, above: float) -> InteractionLog:
    """Keeps the events with a rating strictly above a threshold.

    Args:
        log: the log.
        above: the threshold, in the unit of the ratings.

    Raises:
        DataError: the log has no ratings, or no event is left.
    """
    if log.ratings is None:
        raise no_ratings(log.source, above)
    step = {"filter": "rating", "above": above}
    return log.keep(log.ratings > above, step)


def no_ratings(source: str, above: float) -> DataError:
    """Returns the error for a threshold without ratings."""
    return DataError(
        f"{source}: a rating above {above} is asked for, but no "
        "rating column was read; name the column of the ratings."
    )


def drop_duplicates(log: InteractionLog) -> InteractionLog:
    """Keeps the first of events with equal user, item and time.

    Args:
        log: the log.
    """
    order = np.lexsort((log.items, log.times, log.users))
    same = np.zeros(len(log), bool)
    earlier, later = order[:-1], order[1:]
    # The sort is stable, so the first row of equal ones comes first.
    same[later] = (
        (log.users[earlier] == log.users[later])
        & (log.times[earlier] == log.times[later])
        & (log.items[earlier] == log.items[later])
    )
    return log.keep(~same, {"filter": "duplicates"})


def filter_core(
    log: InteractionLog, min_user: int = 1, min_item: int = 1
) -> InteractionLog:
    """Keeps users and items with enough events, again until nothing changes.

    It counts the events of the whole log, test events too, as the published
    5-core data sets do. So it looks past any split; where that matters, use
    it with 1 and 1, which keeps everything.

    Args:
        log: the log.
        min_user: the fewest events of a user that stays. Defaults to 1.
        min_item: the fewest events of an item that stays. Defaults to 1.

    Raises:
        DataError: no event is left.
    """
    min_user = check_positive_int(min_user, "min_user")
    min_item = check_positive_int(min_item, "min_item")
    chosen = np.ones(len(log), bool)
    left = len(log)
    while True:
        users = np.bincount(log.users[chosen], minlength=len(log.user_ids))
        chosen &= (users >= min_user)[log.users]
        items = np.bincount(log.items[chosen], minlength=len(log.item_ids))
        chosen &= (items >= min_item)[log.items]
        before, left = left, int(np.count_nonzero(chosen))
        if left == before:
            break
    step = {"filter": "core", "min_user": min_user, "min_item": min_item}
    return log.keep(chosen, step)


def filter_support(
    log: InteractionLog, min_user: int = 1, min_item: int = 1
) -> InteractionLog:
    """Keeps users, or items, with enough events, counted once.

    What is left may have too few events again; `filter_core` goes on until
    nothing changes. Users and items are counted before either is dropped, so
    call it twice to count one after the other.

    Args:
        log: the log.
        min_user: the fewest events of a user (session) that stays. Defaults
            to 1.
        min_item: the fewest events of an item that stays. Defaults to 1.

    Raises:
        DataError: no event is left.
    """
    min_user = check_positive_int(min_user, "min_user")
    min_item = check_positive_int(min_item, "min_item")
    chosen = (np.bincount(log.users) >= min_user)[log.users]
    chosen &= (np.bincount(log.items) >= min_item)[log.items]
    step = {"filter": "support", "min_user": min_user, "min_item": min_item}
    return log.keep(chosen, step)


def first_events(log: InteractionLog, count: int) -> InteractionLog:
    """Keeps the first events of each user (session) by time.

    Args:
        log: the log; of equal times the first row comes first.
        count: how many.
    """
    count = check_positive_int(count, "first_events")
    order = np.lexsort((log.times, log.users))
    users = log.users[order]
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    sizes = np.diff(starts, append=len(users))
    ranks = np.empty(len(log), np.int64)
    ranks[order] = np.arange(len(users)) - np.repeat(starts, sizes)
    step = {"filter": "first_events", "count": count}
    return log.keep(ranks < count, step)


def drop_repeats(log: InteractionLog) -> InteractionLog:
    """Drops an event whose item is that of the event before it.

    The event before is that of the same user (session), by time; of equal
    times the first row comes first. A later filter of items may bring
    repeats back.

    Args:
        log: the log.
    """
    order = np.lexsort((log.times, log.users))
    users, items = log.users[order], log.items[order]
    chosen = np.ones(len(log), bool)
    repeated = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    chosen[order[1:]] = ~repeated
    return log.keep(chosen, {"filter": "repeats"})


def top_items(log: InteractionLog, count: int) -> InteractionLog:
    """Keeps the items with the most events.

    Args:
        log: the log.
        count: how many items. Of items with equally many events those stay
            whose ids come first in the order of text.
    """
    count = check_positive_int(count, "top_items")
    events = np.bincount(log.items, minlength=len(log.item_ids))
    ranked = sorted(
        range(len(events)), key=lambda code: (-events[code], log.item_ids[code])
    )
    kept = np.zeros(len(events), bool)
    kept[ranked[:count]] = True
    return log.keep(kept[log.items], {"filter": "top_items", "count": count})
