"""Splits of whole sessions by the time at which they end."""

from collections.abc import Callable
from collections.abc import Sequence
from fractions import Fraction
from math import ceil

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.index import Sorted
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.data.steps.sessions import units_per_second
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError

DAY = 86_400
VALIDATION_SHARE = 0.1

LEFT_OUT = -1
"""The part of events in no part."""


def last_days(
    events: Sorted, days: float, training_share: Fraction | None = None
) -> tuple[np.ndarray, dict]:
    """The sessions that end in the last days of the log are test.

    A session is test if its last event is at the latest time of the log
    minus the days, or after it. It asks for the next item in a session of
    somebody unknown, with all sessions that ended before known; a session
    that lies across the limit is test as a whole. Of the other sessions the
    last 10 % by their end are validation; sessions that end at the same time
    stay together. It leaks nothing.
    """
    ends = _ends(events)
    units = units_per_second(events.time_unit)
    limit = int(ends.max()) - int(days) * DAY * units
    if (ends >= limit).all():
        span = (int(ends.max()) - int(events.times.min())) / (DAY * units)
        raise too_many_days(events.source, span, int(days))
    return _parts(events, ends, limit, training_share, {"days": int(days)})


def last_share(
    events: Sorted, share: float, training_share: Fraction | None = None
) -> tuple[np.ndarray, dict]:
    """The last sessions by their end, a share of all, are test.

    As `last_days`, but a number of sessions is cut off and not a time. With
    sessions that end at the time of the first of them the test part is
    larger than the share.
    """
    ends = _ends(events)
    count = sessions_of_share(len(ends), share, events.source)
    limit = int(np.sort(ends)[len(ends) - count])
    return _parts(events, ends, limit, training_share, {"share": share})


def too_many_days(source: str, span: float, days: int) -> DataError:
    """Returns the error for a log all of whose sessions would be test.

    Args:
        source: where they come from.
        span: the days between the first and the last event.
        days: the number of days of the split.
    """
    return DataError(
        f"{source}: the log spans {span:.3g} days and all its "
        f"sessions end within the last {days}, so the split "
        f"'last_days={days}' leaves the train part empty; use fewer "
        "days."
    )


def sessions_of_share(count: int, share: float, source: str) -> int:
    """Returns how many of `count` sessions a share of them is.

    Raises:
        DataError: none.
    """
    held = int(count * share + 1e-9)
    if held == 0:
        raise DataError(
            f"{source}: the split 'last_share={share:g}' of "
            f"{count} sessions leaves the test part empty; use a larger "
            "share or more sessions."
        )
    return held


EndSplit = Callable[[Sorted, float, Fraction | None], tuple[np.ndarray, dict]]

END_TIMES: dict[str, EndSplit] = {
    "last_days": last_days,
    "last_share": last_share,
}
"""The splits by the end of sessions. Each takes the sorted events, a number
and the share of the training that stays, and returns the part of each event,
int8 (N,), and a note for the metadata."""

WHOLE_SESSIONS = ("sessions", *END_TIMES)
"""The splits that keep sessions whole, as the metadata names them."""


def read_amount(kind: str, text: str) -> float:
    """Reads the number of a split of `END_TIMES`.

    Args:
        kind: the name of the split.
        text: what stands after "=".

    Raises:
        UserError: it is not a whole number of days from 1, or not a share
            between 0 and 1.
    """
    if kind == "last_days":
        if text.isascii() and text.isdigit() and int(text) > 0:
            return int(text)
        expected = "a whole number of days from 1, as in last_days=7"
    else:
        try:
            share = float(text)
        except ValueError:
            share = 0.0
        if 0 < share < 1:
            return share
        expected = "a number between 0 and 1, as in last_share=0.2"
    raise UserError(f"The split {kind!r} needs {expected}. Received: {text!r}")


def read_training_share(
    share: str | float | None, method: str
) -> Fraction | None:
    """Reads the share of the training samples that stays.

    Args:
        share: "1/64", or a number.
        method: the split.

    Raises:
        UserError: it is no number above 0 and at most 1, or the split is not
            one of whole sessions.
    """
    if share is None:
        return None
    try:
        read = Fraction(str(share)) if str(share).isascii() else Fraction(0)
    except (ValueError, ZeroDivisionError):
        read = Fraction(0)
    if not 0 < read <= 1:
        raise UserError(
            "`training_share` must be a number above 0 and at most 1, as in "
            f"1/64 or 0.25. Received: {share!r}"
        )
    if method.partition("=")[0] not in WHOLE_SESSIONS:
        raise UserError(
            "`training_share` keeps the latest training sessions, so it goes "
            f"with the splits {', '.join(WHOLE_SESSIONS)}. Received: "
            f"training_share={share!r} with the split {method!r}"
        )
    return read


def first_of_share(sizes: np.ndarray, share: Fraction) -> int:
    """Returns where the last sessions begin that hold a share of the samples.

    They are as few as hold it. A session of n events has n - 1 samples.

    Args:
        sizes: int64 (n,), events of each session, the latest one last.
        share: above 0 and at most 1.
    """
    if not len(sizes):
        return 0
    held = np.cumsum(sizes[::-1] - 1)
    needed = ceil(int(held[-1]) * share)
    return len(sizes) - 1 - int(np.searchsorted(held, needed))


def check_sessions(data: SequenceDataset, source: str, what: str) -> None:
    """Checks that something can be predicted in every part.

    Args:
        data: the split data.
        source: where they come from, for the message.
        what: the split, for the message.

    Raises:
        DataError: all sessions of a part have one event.
    """
    records = [len(data.positions(part)) for part in PARTS]
    check_records(records, source, what)


def check_records(records: Sequence[int], source: str, what: str) -> None:
    """Checks that something can be predicted in every part.

    Args:
        records: of each of `PARTS`, the events with an earlier event.
        source: see `check_sessions`; so is `what`.
        what: the split, for the message.

    Raises:
        DataError: see `check_sessions`.
    """
    for part, count in zip(PARTS, records, strict=True):
        if count == 0:
            raise DataError(
                f"{source}: {what} leaves only sessions of one event in the "
                f"{part} part, in which no next item can be predicted; "
                "expected sessions of two events or more of known items."
            )


def _ends(events: Sorted) -> np.ndarray:
    """Returns the time of the last event of each session, int64 (U,)."""
    return events.times[np.cumsum(events.sizes) - 1]


def _parts(
    events: Sorted,
    ends: np.ndarray,
    limit: int,
    training_share: Fraction | None,
    note: dict,
) -> tuple[np.ndarray, dict]:
    """Returns the parts, where sessions that end at `limit` or later are test.

    Args:
        events: the sorted events.
        ends: int64 (U,), the end of each session.
        limit: in the unit of the log.
        training_share: how much stays of the sessions before `limit`, if
            not all; sessions that end at the time of the first one stay, too.
        note: what is known about the split; the first ends of validation
            and test in whole seconds and numbers of sessions are added.
    """
    left_out = np.zeros(len(ends), bool)
    if training_share is not None:
        earlier = np.flatnonzero(ends < limit)
        earlier = earlier[np.argsort(ends[earlier], kind="stable")]
        begin = first_of_share(events.sizes[earlier], training_share)
        left_out[earlier] = ends[earlier] < ends[earlier[begin : begin + 1]]
        note = {**note, "training_share": str(training_share)}
    before = np.sort(ends[(ends < limit) & ~left_out])
    # Half up, as all splits round.
    taken = int(len(before) * VALIDATION_SHARE + 0.5 + 1e-9)
    first = int(before[len(before) - taken]) if taken else limit
    parts = (ends >= first).astype(np.int8) + (ends >= limit)
    starts = whole_seconds(np.array([first, limit]), events.time_unit).tolist()
    counts = np.bincount(parts[~left_out], minlength=len(PARTS)).tolist()
    parts[left_out] = LEFT_OUT
    note = {
        **note,
        "validation_from": starts[0],
        "test_from": starts[1],
        "sessions": dict(zip(PARTS, counts, strict=True)),
    }
    return parts[events.users], note
