"""Events of one time, whose order is only that of the source."""

import dataclasses

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.errors import DataError


def is_later(data: SequenceDataset, positions: np.ndarray) -> np.ndarray:
    """Whether events are later than the event before them.

    Args:
        data: the split data.
        positions: int64 (n,), events with an earlier event in their sequence.

    Returns:
        bool (n,).

    Raises:
        DataError: the data have no timestamps.
    """
    _check_times(data, "later_only")
    times = np.asarray(data.times)
    return times[positions] > times[positions - 1]


def with_shuffled_ties(
    data: SequenceDataset, part: str, seed: int
) -> SequenceDataset:
    """Returns the data with another order of earlier events of one time.

    The items of the events of one sequence and time are permuted, among the
    events of parts before `part`. No target of the part moves.

    Args:
        data: the split data.
        part: "validation" or "test", the part that is evaluated.
        seed: seed of the permutations.

    Raises:
        DataError: the data have no timestamps.
    """
    _check_times(data, "shuffle_ties")
    earlier = np.flatnonzero(np.asarray(data.parts) < PARTS.index(part))
    draw = np.random.default_rng(seed).random(len(earlier))
    # The events are sorted by sequence and time already, and stay so.
    order = np.lexsort(
        (
            draw,
            np.asarray(data.times)[earlier],
            np.asarray(data.sequences)[earlier],
        )
    )
    items = np.array(data.items)
    items[earlier] = items[earlier[order]]
    return dataclasses.replace(data, items=items)


def _check_times(data: SequenceDataset, option: str) -> None:
    if not data.has_times:
        raise DataError(
            f"`{option}` is asked for, but the data have no timestamps, only "
            "the order of events; prepare a log that has them."
        )
