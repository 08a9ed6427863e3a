"""What a model holds of the training sessions: neighbours, hypergraph."""

import numpy as np

from mgnm_tf.data.dataset import PARTS
from mgnm_tf.data.dataset import SequenceDataset


def training_sessions(data: SequenceDataset) -> dict[str, np.ndarray]:
    """Lists the training sessions, the most recent one first.

    A session is the training part of a sequence; later parts are not read.
    It is as recent as its last training event. Where the data have no times,
    or equal ones, the session with the higher number is the more recent one,
    if all raw ids are whole numbers; otherwise the one that comes later in
    the order of the data.

    Args:
        data: the split data.

    Returns:
        - `offsets`: int32 (S + 1,), the items of the session of rank s stand
          at `offsets[s]:offsets[s + 1]`; S is `data.num_users`;
        - `items`: int32, the distinct items of each session, ascending;
        - `item_counts`: int32 (M + 1,), the training events of each item.
    """
    train = np.flatnonzero(np.asarray(data.parts) == PARTS.index("train"))
    sequences = np.asarray(data.sequences)[train].astype(np.int64)
    items = np.asarray(data.items)[train].astype(np.int64)
    ends = np.zeros(data.num_users + 1, np.int64)
    if data.has_times:
        np.maximum.at(ends, sequences, np.asarray(data.times)[train])
    # Ascending, and the sequence 0, which nobody has, is left out.
    order = np.lexsort((_numbers(data), ends[1:]))[::-1]
    ranks = np.empty(data.num_users, np.int64)
    ranks[order] = np.arange(data.num_users)
    width = data.num_items + 1
    codes = np.unique(ranks[sequences - 1] * width + items)
    counts = np.bincount(codes // width, minlength=data.num_users)
    return {
        "offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "items": (codes % width).astype(np.int32),
        "item_counts": np.bincount(items, minlength=width).astype(np.int32),
    }


def _numbers(data: SequenceDataset) -> np.ndarray:
    """Returns the numbers of the known sequences, int64 (S,)."""
    ids = [str(data.user_ids[s]) for s in range(data.num_users)]
    if all(one.isdecimal() and len(one) < 19 for one in ids):
        return np.array([int(one) for one in ids], np.int64)
    return np.arange(data.num_users)
