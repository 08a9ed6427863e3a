"""What became of the rows of a log, and how far its order can be trusted."""

from typing import Any

import numpy as np

from mgnm_tf.data.dataset import PARTS
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.times import days_of
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


def account_of(
    rows: int, log: InteractionLog, data: SequenceDataset
) -> dict[str, Any]:
    """Accounts for every row of a log.

    Args:
        rows: the number of rows that were read.
        log: the log that was split.
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
    dropped: dict[str, int] = {}
    for step in data.metadata["filters"]:
        name = step["filter"]
        dropped[name] = dropped.get(name, 0) + step["dropped_events"]
    dropped["cold_items"] = sum(data.metadata["cold_item_events"].values())
    kept = len(data.items)
    if rows != kept + sum(dropped.values()):
        raise DataError(
            f"{log.source}: {rows:,} rows were read, but {kept:,} kept and "
            f"{sum(dropped.values()):,} dropped. This is a fault of mgnm_tf; "
            "please report it."
        )
    account = {"read": rows, "kept": kept, "dropped": dropped}
    if data.has_times:
        first, last = days_of(data.times, data.time_unit)
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
    ties = {}
    for part in PARTS[1:]:
        targets = data.positions(part)
        tied = data.times[targets] == data.times[targets - 1]
        ties[part] = {
            "records": len(targets),
            "tied": int(np.count_nonzero(tied)),
        }
    return ties


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
