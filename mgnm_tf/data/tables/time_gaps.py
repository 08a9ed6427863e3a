"""How close together in time each user acts."""

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import whole_seconds

_LONGEST = np.iinfo(np.int32).max


def smallest_gaps(data: SequenceDataset) -> np.ndarray:
    """Returns the smallest time between two training events of each user.

    Events of one second have no time between them and do not count. Later
    parts are not read.

    Args:
        data: the split data.

    Returns:
        int32 (num_users + 1,), whole seconds, at most 2^31 - 1; 0 for a user
        whose training events are all of one second, and for the unknown
        user.
    """
    train = np.flatnonzero(np.asarray(data.parts) == PARTS.index("train"))
    users = np.asarray(data.sequences)[train]
    times = np.asarray(data.times)[train].astype(np.int64)
    times = whole_seconds(times, data.time_unit)
    gaps = np.diff(times)
    counts = (users[1:] == users[:-1]) & (gaps > 0)
    smallest = np.full(data.num_users + 1, _LONGEST, np.int64)
    found = np.zeros(data.num_users + 1, bool)
    np.minimum.at(smallest, users[1:][counts], gaps[counts])
    found[users[1:][counts]] = True
    return np.where(found, smallest, 0).astype(np.int32)
