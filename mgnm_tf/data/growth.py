"""Data that grew: where the rows of earlier data stand, and what is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

import numpy as np
import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.errors import DataError

CONTEXT_ONLY = -1
"""The part of an event that is no target, only history of later ones."""

_FIRST = 20
"""How many of the items beside a new item, the earliest, tell what it is."""


@dataclass(frozen=True, eq=False)
class Growth:
    """Earlier rows of users, items and categories among those of new data.

    Ids are compared as text; numbers of rows mean nothing across data sets.

    Args:
        users: int32 (num_users + 1,), earlier row -> new row; 0 -> 0.
        items: int32 (num_items + 1,), likewise.
        categories: int32 (num_categories + 1,), likewise; -1 for a category
            that the new data do not have.
        new_users: int32, the rows of new users, ascending.
        new_items: int32, the rows of new items, ascending.
        new_categories: int32, likewise.
        item_categories: int32 (M + 1,), the category of each item of the new
            data, 0 for none.
        neighbors: int32 (n, 2), a new item and an old one that stands
            directly before or after it in the training part, both by their
            new rows; of each new item the earliest.
    """

    users: np.ndarray
    items: np.ndarray
    categories: np.ndarray
    new_users: np.ndarray
    new_items: np.ndarray
    new_categories: np.ndarray
    item_categories: np.ndarray
    neighbors: np.ndarray


def growth_of(old: SequenceDataset, new: SequenceDataset, run: str) -> Growth:
    """Finds the rows of earlier data in new data.

    Args:
        old: the earlier data.
        new: the new data.
        run: the run of the earlier data, for messages.

    Raises:
        DataError: the new data lack an item or a known user of the earlier
            ones, or one of both has times and the other an order only.
    """
    if old.has_times != new.has_times:
        kinds = ("only an order of events", "times")
        raise DataError(
            f"The new data have {kinds[new.has_times]} and those of {run} "
            f"{kinds[old.has_times]}, so that it cannot be told which events "
            "are new."
        )
    users = _rows(old.user_ids[: old.num_users], new.user_ids[: new.num_users])
    items = _rows(old.item_ids, new.item_ids)
    for kind, rows, ids in (
        ("users", users, old.user_ids),
        ("items", items, old.item_ids),
    ):
        gone = np.flatnonzero(rows < 0)
        if len(gone):
            raise DataError(
                f"{len(gone):,} of the {len(rows) - 1:,} {kind} of {run} have "
                "no training event in the new data, first "
                f"{ids[gone[0] - 1]!r}; expected data that hold all of them."
            )
    categories = _rows(old.category_ids, new.category_ids)
    of_items = new.item_categories
    if of_items is None:
        of_items = np.zeros(new.num_items + 1, np.int32)
    new_items = _others(items, new.num_items)
    return Growth(
        users,
        items,
        categories,
        _others(users, new.num_users),
        new_items,
        _others(categories, new.num_categories),
        np.asarray(of_items),
        _neighbors(new, new_items),
    )


def without_old_targets(
    old: SequenceDataset, new: SequenceDataset, growth: Growth
) -> SequenceDataset:
    """Returns new data whose training part has new targets alone.

    Training events that were training events of the earlier data, too (the
    same user, item and time), stay as history and are no targets. The
    fingerprint is that of `new`, as it is its rows that are meant.

    Args:
        old: the earlier data.
        new: the new data.
        growth: see `growth_of`.
    """
    before = np.flatnonzero(np.asarray(old.parts) == PARTS.index("train"))
    now = np.flatnonzero(np.asarray(new.parts) == PARTS.index("train"))
    units = (old.time_unit, new.time_unit)
    columns = {
        "user": (
            growth.users[np.asarray(old.sequences)[before]],
            np.asarray(new.sequences)[now],
        ),
        "item": (
            growth.items[np.asarray(old.items)[before]],
            np.asarray(new.items)[now],
        ),
        "time": tuple(
            np.asarray(data.times)[places]
            if units[0] == units[1]
            else whole_seconds(np.asarray(data.times)[places], data.time_unit)
            for data, places in ((old, before), (new, now))
        ),
    }
    events = pd.DataFrame(
        {name: np.concatenate(pair) for name, pair in columns.items()}
    )
    # The same event may be there several times: the second of the new data
    # is an old one only if the earlier data have a second, too.
    event = events.groupby([*columns], sort=False).ngroup().to_numpy()
    known = np.bincount(event[: len(before)], minlength=event.max() + 1)
    again = pd.Series(event[len(before) :])
    seen = again.groupby(again).cumcount().to_numpy() < known[again]
    parts = np.array(new.parts)
    parts[now[seen]] = CONTEXT_ONLY
    rest = replace(new, parts=parts)
    vars(rest)["fingerprint"] = new.fingerprint
    return rest


def _rows(old: Sequence[str], new: Sequence[str]) -> np.ndarray:
    """Returns for each row of `old`, from 0, the row in `new`, or -1."""
    found = pd.Index(new, dtype=object).get_indexer(pd.Index(old, dtype=object))
    rows = np.where(found < 0, -1, found + 1)
    return np.concatenate([[0], rows]).astype(np.int32)


def _others(rows: np.ndarray, count: int) -> np.ndarray:
    """Returns the rows from 1 to `count` that are not among `rows`."""
    return np.setdiff1d(np.arange(1, count + 1, dtype=np.int32), rows)


def _neighbors(data: SequenceDataset, new_items: np.ndarray) -> np.ndarray:
    """Returns which old items stand beside new ones, see `Growth`."""
    kept = np.asarray(data.parts) == PARTS.index("train")
    items = np.asarray(data.items)[kept]
    times = np.asarray(data.times)[kept]
    sequences = np.asarray(data.sequences)[kept]
    is_new = np.zeros(data.num_items + 1, bool)
    is_new[new_items] = True
    together = sequences[1:] == sequences[:-1]
    pairs = []
    for one, other, when in (
        (items[1:], items[:-1], times[1:]),
        (items[:-1], items[1:], times[:-1]),
    ):
        chosen = together & is_new[one] & ~is_new[other]
        pairs.append(
            pd.DataFrame(
                {
                    "new": one[chosen],
                    "old": other[chosen],
                    "time": when[chosen],
                }
            )
        )
    found = pd.concat(pairs).sort_values(["new", "time"], kind="stable")
    first = found.groupby("new", sort=False).head(_FIRST)
    return first[["new", "old"]].to_numpy(np.int32)
