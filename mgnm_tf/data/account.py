"""What became of the rows of a log, and how far its order can be trusted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import days_of
from mgnm_tf.errors import DataError

_REASONS = {
    "rating": "by their rating",
    "duplicates": "as duplicates",
    "core": "of users or items with too few events",
    "support": "of users or items with too few events, counted once",
    "first_events": "after the first ones of their user",
    "repeats": "as immediate repeats",
    "top_items": "of items that are not frequent enough",
    "training_share": "of earlier training sessions than those that stay",
    "cold_items": "of items without a training event",
}


def account_of(rows: int, data: SequenceDataset) -> dict[str, Any]:
    """Accounts for every row of a log.

    Args:
        rows: the number of rows that were read.
        data: the data set that was made of it.

    Returns:
        - `read` and `kept`: numbers of rows;
        - `dropped`: numbers of rows by reason: the names of the `filters`
          in its metadata and "cold_items", those without a training event;
        - `first_day` and `last_day`: "YYYY-MM-DD"; only where times are
          times.

    Raises:
        DataError: the rows read are not those kept and dropped together.
    """
    ends = None
    if data.has_times:
        ends = int(data.times.min()), int(data.times.max())
    return account_for(
        rows, len(data.items), data.metadata, ends, data.time_unit
    )


def account_for(
    rows: int,
    kept: int,
    metadata: dict[str, Any],
    ends: tuple[int, int] | None,
    time_unit: str,
) -> dict[str, Any]:
    """Accounts for every row as `account_of` does.

    Args:
        rows: the number of rows that were read.
        kept: the number of events of the data set.
        metadata: its metadata.
        ends: the first and the last time, or `None` if there are only
            positions.
        time_unit: the unit of the times.

    Raises:
        DataError: see `account_of`.
    """
    dropped: dict[str, int] = {}
    for step in metadata["filters"]:
        name = step["filter"]
        dropped[name] = dropped.get(name, 0) + step["dropped_events"]
    dropped["cold_items"] = sum(metadata["cold_item_events"].values())
    if rows != kept + sum(dropped.values()):
        raise DataError(
            f"{metadata['source']}: {rows:,} rows were read, but {kept:,} kept "
            f"and {sum(dropped.values()):,} dropped. This is a fault of "
            "mgnm_tf; please report it."
        )
    account = {"read": rows, "kept": kept, "dropped": dropped}
    if ends is not None:
        first, last = days_of(np.array(ends), time_unit)
        account |= {"first_day": first, "last_day": last}
    return account


def count_ties(data: SequenceDataset) -> dict[str, dict[str, int]]:
    """Counts the records whose place in their sequence is not known by time.

    Args:
        data: the split data.

    Returns:
        For "validation" and "test": `records`, and how many of them are
        `tied`: they have the time of the event before them, so their order
        is that of the source.
    """
    records, tied = [], []
    for part in PARTS:
        targets = data.positions(part) if part != "train" else np.empty(0, int)
        equal = data.times[targets] == data.times[targets - 1]
        records.append(len(targets))
        tied.append(int(np.count_nonzero(equal)))
    return count_of_ties(records, tied)


def count_of_ties(
    records: Sequence[int], tied: Sequence[int]
) -> dict[str, dict[str, int]]:
    """Puts counts into the form of `count_ties`.

    Args:
        records: of each of `PARTS`, the events with an earlier event.
        tied: of these, those with the time of the event before.
    """
    counts = zip(PARTS[1:], records[1:], tied[1:], strict=True)
    return {
        part: {"records": count, "tied": equal} for part, count, equal in counts
    }


def sentences(metadata: dict[str, Any]) -> list[str]:
    """Puts the `account` and the `ties` of a data set into words."""
    account = metadata["account"]
    dropped = [
        f"{count:,} {_REASONS[reason]}"
        for reason, count in account["dropped"].items()
        if count
    ]
    lines = [
        f"Rows: {account['read']:,} read, {account['kept']:,} kept, dropped "
        f"{', '.join(dropped) or 'none'}."
    ]
    for step in metadata.get("filters", []):
        if step["filter"] == "sessions_by_gap":
            lines.append(
                f"Sessions: {step['sessions']:,} of {step['users']:,} users, "
                f"cut where more than {step['gap']} pass."
            )
    if "first_day" in account:
        lines.append(f"Times: {account['first_day']} to {account['last_day']}.")
    else:
        lines.append("Times: no timestamps, only the order of events.")
    for part, ties in metadata["ties"].items():
        if tied := ties["tied"]:
            records = ties["records"]
            lines.append(
                f"{tied:,} of {records:,} {part} records "
                f"({100 * tied / records:.0f} %) have the time of the event "
                "before them: their order is that of the source."
            )
    return lines
