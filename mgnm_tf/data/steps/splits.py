"""Training, validation and test parts of a log."""

from collections.abc import Callable
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.index import Sorted
from mgnm_tf.data.index import index_events
from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.data.steps.session_splits import END_TIMES
from mgnm_tf.data.steps.session_splits import LEFT_OUT
from mgnm_tf.data.steps.session_splits import WHOLE_SESSIONS
from mgnm_tf.data.steps.session_splits import check_sessions
from mgnm_tf.data.steps.session_splits import first_of_share
from mgnm_tf.data.steps.session_splits import read_amount
from mgnm_tf.data.steps.session_splits import read_training_share
from mgnm_tf.data.steps.sessions import need_times
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import unknown_name

Ratios = Sequence[float]
"""Shares of training, validation and test, for example (7, 1, 2)."""


def split_log(
    log: InteractionLog,
    method: str = "leave_one_out",
    ratios: Ratios = (0.7, 0.1, 0.2),
    name: str = "",
    training_share: str | float | None = None,
) -> SequenceDataset:
    """Splits a log, sorts it and numbers users and items.

    The numbers come from training events alone, in the order of the sorted
    raw ids. Events of an item without a training event are dropped from the
    other parts and counted in the metadata (`cold_item_events`).

    Filters that count events (`filter_core`) look at the whole log, as the
    published 5-core data sets do; use them where that is wanted.

    Args:
        log: the log.
        method: "leave_one_out", "temporal", "per_user_ratio", "sessions",
            "last_days=7" or "last_share=0.2" (or other numbers); what each
            asks of a model and what it leaks stands in the functions of
            these names. Defaults to `"leave_one_out"`.
        ratios: shares of the three parts, positive, in any unit; read by
            "temporal" and "per_user_ratio".
        name: the name of the data set.
        training_share: of the splits of whole sessions, how much of the
            training stays: the latest sessions, as few as hold this share of
            the samples (events with an earlier event), "1/64" or a number.
            Of those the last are validation, where the split takes it from
            the training. Defaults to `None`: all.

    Returns:
        The data set, in memory.

    Raises:
        UserError: the method is unknown, its number is missing or wrong,
            the ratios are not three positive numbers, or `training_share` is
            no share or goes with another split.
        DataError: a part would be empty, or the log lacks times or a column
            that the method needs.
        TypeError: `log` is no log of `read_log`.
    """
    if not isinstance(log, InteractionLog):
        raise TypeError(
            "`log` must be a log of `read_log`, which takes a data frame or a "
            f"file: split_log(read_log(...)). Received: {type(log).__name__}"
        )
    kind, number = read_method(method)
    shares = read_shares(ratios)
    stays = read_training_share(training_share, method)
    if kind in END_TIMES:
        need_times(log.order_only, log.source, f"the split {method!r}")
    order = np.lexsort((log.times, log.users))
    events = Sorted.of(log, order)
    if kind in END_TIMES:
        parts, note = END_TIMES[kind](events, number, stays)
    elif kind == "sessions":
        parts, note = sessions(events, shares, stays)
    else:
        parts, note = METHODS[kind](events, shares)
    what = words_of(method, stays)
    if stays is not None:
        step = {"filter": "training_share", "share": str(stays)}
        chosen = np.zeros(len(log), bool)
        chosen[order[parts != LEFT_OUT]] = True
        log, parts = log.keep(chosen, step), parts[parts != LEFT_OUT]
        events = Sorted.of(log, np.lexsort((log.times, log.users)))
    check_parts(_counts(parts), log.source, what)
    metadata = {
        "name": name,
        "source": log.source,
        "filters": list(log.steps),
        "order_only": log.order_only,
        "split": {"method": kind, **note},
    }
    data = index_events(log, events, parts, metadata)
    what_is_left = f"{what}, without new items,"
    check_parts(_counts(data.parts), log.source, what_is_left)
    if keeps_sessions_whole(method):
        check_sessions(data, log.source, what)
    return data


def read_method(method: str) -> tuple[str, float]:
    """Returns the name of a split and its number, 0 if it takes none.

    Raises:
        UserError: the split is unknown, or its number is missing or wrong.
    """
    kind, equals, amount = method.partition("=")
    if kind not in SPLITS or (equals and kind not in END_TIMES):
        raise UserError(unknown_name("split", method, SPLITS))
    return kind, read_amount(kind, amount) if kind in END_TIMES else 0.0


def keeps_sessions_whole(method: str) -> bool:
    """Whether a split asks for the next item of unknown sessions."""
    return read_method(method)[0] in WHOLE_SESSIONS


def words_of(method: str, stays: Fraction | None) -> str:
    """Returns what a split is called in messages."""
    share = "" if stays is None else f" with training_share={stays}"
    return f"the split {method!r}{share}"


def leave_one_out(events: Sorted, shares: Ratios) -> tuple[np.ndarray, dict]:
    """The last event of a user is test, the last but one validation.

    It asks for the next item of users the model knows well, with all they
    did before. It leaks time: a user's training events may be later than
    another user's test event, so trends of the future can be learned.
    Users with fewer than 3 events are for training only.
    """
    left = events.sizes[events.users] - events.ranks
    parts = np.zeros(len(left), np.int8)
    enough = events.sizes[events.users] >= 3
    parts[enough & (left == 2)] = PARTS.index("validation")
    parts[enough & (left == 1)] = PARTS.index("test")
    return parts, {}


def temporal(events: Sorted, shares: Ratios) -> tuple[np.ndarray, dict]:
    """Two points in time cut the whole log; equal times stay together.

    It asks what a service is asked: everything up to a day is known, nothing
    after it. Many test users and items are new then; users without training
    events stay (as unknown users), items without are dropped. It leaks
    nothing. The note names the first times of validation and test in whole
    seconds; the cut itself has the precision of the log.
    """
    times = np.sort(events.times)
    cuts = places_of_cuts(len(times), shares, events.source)
    limits = times[cuts]
    parts = np.searchsorted(limits, events.times, side="right")
    first = whole_seconds(limits, events.time_unit)
    note = {
        "ratios": list(shares),
        "validation_from": int(first[0]),
        "test_from": int(first[1]),
    }
    return parts.astype(np.int8), note


def per_user_ratio(events: Sorted, shares: Ratios) -> tuple[np.ndarray, dict]:
    """The first events of each user are training, the last ones test.

    It asks for several next items of known users. It leaks time as
    `leave_one_out` does, and the further back the first test event of a user
    lies, the more. A user with one event is for training only.
    """
    sizes = events.sizes[events.users]
    first = np.maximum(rounded(sizes * shares[0]), 1)
    second = rounded(sizes * (shares[0] + shares[1]))
    parts = (events.ranks >= first).astype(np.int8)
    parts += (events.ranks >= first) & (events.ranks >= second)
    return parts, {"ratios": list(shares)}


def sessions(
    events: Sorted, shares: Ratios, training_share: Fraction | None = None
) -> tuple[np.ndarray, dict]:
    """Whole sessions are training, validation or test, as the log says.

    It asks for the next item in a session of somebody unknown, from that
    session alone. What it leaks depends on how the given split was made. The
    log must have a split column. If it names no validation session, the last
    10 % of the training sessions, by first time and then by place in the
    log, are taken for validation.
    """
    if events.parts is None:
        raise no_given_split(events.source)
    first = np.flatnonzero(events.ranks == 0)
    parts = events.parts.copy()
    mixed = parts != parts[first][events.users]
    if mixed.any():
        user = events.user_ids[events.users[np.argmax(mixed)]]
        raise mixed_session(events.source, user)
    training = np.flatnonzero(parts[first] == 0)
    place = np.minimum.reduceat(events.rows, first)[training]
    order = training[np.lexsort((place, events.times[first[training]]))]
    note: dict[str, Any] = {}
    moved = np.zeros(len(first), np.int8)
    if training_share is not None:
        begin = first_of_share(events.sizes[order], training_share)
        moved[order[:begin]] = LEFT_OUT
        order = order[begin:]
        note["training_share"] = str(training_share)
    taken = 0
    if not (parts == 1).any():
        taken = int(rounded(np.float64(len(order) * 0.1)))
        moved[order[len(order) - taken :]] = PARTS.index("validation")
    note["validation_sessions_taken_from_training"] = taken
    return parts + moved[events.users], note


def no_given_split(source: str) -> DataError:
    """Returns the error for a log without the given split of `sessions`."""
    return DataError(
        f"{source}: the split 'sessions' needs a column that says "
        "train, validation or test; name it as the split column."
    )


def mixed_session(source: str, session: str) -> DataError:
    """Returns the error for a session in more than one part."""
    return DataError(
        f"{source}: session {session!r} has events in more than one "
        "part; expected whole sessions in one part."
    )


METHODS: dict[str, Callable[[Sorted, Ratios], tuple[np.ndarray, dict]]] = {
    "leave_one_out": leave_one_out,
    "temporal": temporal,
    "per_user_ratio": per_user_ratio,
    "sessions": sessions,
}
"""The splits by name. Each takes the sorted events and the shares, and
returns the part of each event, int8 (N,), and a note for the metadata."""

SPLITS = (*METHODS, *END_TIMES)
"""The names of all splits; those of `END_TIMES` are followed by "=" and a
number."""


def read_shares(ratios: Ratios) -> list[float]:
    """Returns the shares of the three parts, whose sum is 1.

    Raises:
        UserError: they are not three positive numbers.
    """
    shares = np.asarray(ratios, np.float64)
    if shares.shape != (3,) or not (np.isfinite(shares) & (shares > 0)).all():
        raise UserError(
            "`ratios` must be three positive numbers for training, "
            f"validation and test. Received: ratios={tuple(ratios)!r}"
        )
    return (shares / shares.sum()).tolist()


def places_of_cuts(count: int, shares: Ratios, source: str) -> np.ndarray:
    """Returns which of `count` sorted times begin validation and test.

    Raises:
        DataError: no event would be left for the test.
    """
    cuts = rounded(np.array([shares[0], shares[0] + shares[1]]) * count)
    if cuts[-1] >= count:
        raise DataError(
            f"{source}: {count} events are too few for the split "
            "'temporal'; expected at least one event in every part."
        )
    return cuts


def rounded(values: np.ndarray) -> np.ndarray:
    """Returns the nearest whole numbers, int64, half rounded up."""
    # The small term takes 0.7 + 0.1 = 0.7999... for what is meant.
    return np.floor(values + 0.5 + 1e-9).astype(np.int64)


def check_parts(counts: Sequence[int], source: str, what: str) -> None:
    """Checks that no part is empty.

    Args:
        counts: the number of events of each of `PARTS`.
        source: where they come from, for the message.
        what: the split, for the message.

    Raises:
        DataError: a part is empty.
    """
    for name, count in zip(PARTS, counts, strict=True):
        if count == 0:
            raise DataError(
                f"{source}: {what} leaves the {name} part empty "
                f"({sum(counts)} events in all); expected events in "
                "every part, so use more data, other ratios or another split."
            )


def _counts(parts: np.ndarray) -> list[int]:
    return np.bincount(parts, minlength=len(PARTS)).tolist()
