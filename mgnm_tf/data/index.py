"""From a log and the part of each event to the arrays of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.parts import PARTS


@dataclass(frozen=True)
class Sorted:
    """The events of a log sorted by (user, time, original row).

    Args:
        rows: int64 (N,), the original row of each event.
        users: int32 (N,), users counted from 0 without gaps.
        times: int64 (N,), in `time_unit`.
        ranks: int64 (N,), the place of an event within its user, from 0.
        sizes: int64 (U,), the number of events of each user.
        user_ids: raw ids of the U users.
        parts: int8 (N,), a given split, or `None`.
        source: where the events come from, for messages.
        time_unit: the unit of the times, that of the log.
    """

    rows: np.ndarray
    users: np.ndarray
    times: np.ndarray
    ranks: np.ndarray
    sizes: np.ndarray
    user_ids: Sequence[str]
    parts: np.ndarray | None
    source: str
    time_unit: str

    @classmethod
    def of(cls, log: InteractionLog, order: np.ndarray) -> "Sorted":
        """Sorts a log by `order`, the rows sorted by (user, time, row)."""
        codes = log.users[order]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        sizes = np.diff(starts, append=len(codes))
        users = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        return cls(
            rows=order,
            users=users,
            times=log.times[order],
            ranks=np.arange(len(codes)) - np.repeat(starts, sizes),
            sizes=sizes,
            user_ids=[log.user_ids[code] for code in codes[starts]],
            parts=None if log.parts is None else log.parts[order],
            source=log.source,
            time_unit=log.time_unit,
        )


def index_events(
    log: InteractionLog,
    events: Sorted,
    parts: np.ndarray,
    metadata: dict[str, Any],
) -> SequenceDataset:
    """Numbers sequences, items and categories by the training events.

    Args:
        log: the log.
        events: its events, sorted.
        parts: int8 (N,), the part of each sorted event.
        metadata: what is known about the data; counts are added.

    Returns:
        The data set, without the events of items that have no training
        event.
    """
    filtered = {
        "events": len(log),
        "users": len(events.sizes),
        "items": int(np.count_nonzero(np.bincount(log.items))),
    }
    codes = log.items[events.rows]
    training = parts == PARTS.index("train")
    item_rows, item_ids = _number(codes[training], log.item_ids)
    items = item_rows[codes]
    known = items > 0
    cold = np.bincount(parts[~known], minlength=len(PARTS))
    categories, category_ids = _categories(
        log, events.rows[training], items[training], len(item_ids)
    )
    users, items = events.users[known], items[known]
    parts, times = parts[known], events.times[known]

    training = parts == PARTS.index("train")
    user_rows, user_ids = _number(users[training], events.user_ids)
    num_users = len(user_ids)
    rest, rest_ids = _number(users[user_rows[users] == 0], events.user_ids)
    user_rows = np.where(rest > 0, rest + num_users, user_rows)
    sequences = user_rows[users]
    # Stable, so that time order within a sequence stays.
    order = np.argsort(sequences, kind="stable")
    sequences, parts = sequences[order], parts[order]
    lengths = np.bincount(sequences, minlength=num_users + len(rest_ids) + 1)
    counts = np.bincount(parts, minlength=len(PARTS))
    return SequenceDataset(
        items=items[order],
        times=times[order],
        parts=parts,
        sequences=sequences,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        user_ids=user_ids + rest_ids,
        item_ids=item_ids,
        num_users=num_users,
        time_unit=log.time_unit,
        item_categories=categories,
        category_ids=category_ids,
        metadata={
            **metadata,
            "filtered": filtered,
            "counts": {
                "events": len(parts),
                "known_users": num_users,
                "unknown_users": len(rest_ids),
                "items": len(item_ids),
                "categories": len(category_ids),
                **dict(zip(PARTS, counts.tolist(), strict=True)),
            },
            "cold_item_events": dict(
                zip(PARTS[1:], cold[1:].tolist(), strict=True)
            ),
        },
    )


def _number(
    codes: np.ndarray, raw: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Numbers the codes that occur from 1, in the order of their raw ids.

    Returns:
        int32 (len(raw),), the number of each code, 0 where it does not
        occur; and the raw ids in the order of the numbers.
    """
    occurs = np.zeros(len(raw), bool)
    occurs[codes] = True
    found = sorted(np.flatnonzero(occurs).tolist(), key=raw.__getitem__)
    numbers = np.zeros(len(raw), np.int32)
    numbers[found] = np.arange(1, len(found) + 1)
    return numbers, [raw[code] for code in found]


def _categories(
    log: InteractionLog, rows: np.ndarray, items: np.ndarray, num_items: int
) -> tuple[np.ndarray | None, list[str]]:
    """Gives each item the category of its first training row that has one.

    Args:
        log: the log.
        rows: original rows of the training events.
        items: item rows of the training events.
        num_items: the number of items M.

    Returns:
        int32 (M + 1,), 0 for none, or `None` without a category column; and
        the raw ids of the categories.
    """
    if log.categories is None:
        return None, []
    codes = np.full(num_items + 1, -1, np.int32)
    labelled = log.categories[rows] >= 0
    rows, items = rows[labelled], items[labelled]
    latest_first = np.argsort(-rows)
    # Of several assignments to an item the last one, the first row, stays.
    codes[items[latest_first]] = log.categories[rows[latest_first]]
    numbers, category_ids = _number(codes[codes >= 0], log.category_ids)
    return np.where(codes >= 0, numbers[codes], 0), category_ids
