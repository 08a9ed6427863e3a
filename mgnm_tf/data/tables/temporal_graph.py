"""Who met what, and when: the past of each user and of each item."""

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.errors import DataError


def temporal_graph(data: SequenceDataset) -> dict[str, np.ndarray]:
    """Makes the graph of users and items from the training events.

    Node 0 is nobody, users are nodes 1 to `num_users`, item i is node
    `num_users + i`. Each of the N training events stands in the list of its
    user and in that of its item. Lists are sorted by time, in the precision
    of the data; events of the same time keep the order of the data. Later
    parts are not read, so a model that holds the graph never sees them.

    Args:
        data: the split data, with real times.

    Returns:
        - `offsets`: int32 (number of nodes + 1,), the list of node v stands
          at `offsets[v]:offsets[v + 1]`;
        - `neighbors`: int32 (2 N,), the node at the other end of an event;
        - `times`: int32 (2 N,), whole seconds since `origin`;
        - `origin`: int64 (), the second of the first training event, 0
          without events.

    Raises:
        DataError: the training events span more than 68 years, which is
            what int32 seconds can hold.
    """
    train = np.flatnonzero(np.asarray(data.parts) == PARTS.index("train"))
    users = np.asarray(data.sequences)[train]
    items = np.asarray(data.items)[train] + data.num_users
    exact = np.asarray(data.times)[train].astype(np.int64)
    times = whole_seconds(exact, data.time_unit)
    origin = times.min() if len(times) else np.int64(0)
    times = times - origin
    if len(times) and times.max() > np.iinfo(np.int32).max:
        raise DataError(
            f"The training events span {times.max():,} seconds, more than "
            "the 68 years that a model of times can hold; the times must be "
            "seconds."
        )
    nodes = np.concatenate([users, items])
    times = np.concatenate([times, times])
    order = np.lexsort((np.concatenate([exact, exact]), nodes))
    counts = np.bincount(nodes, minlength=1 + data.num_users + data.num_items)
    return {
        "offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "neighbors": np.concatenate([items, users])[order].astype(np.int32),
        "times": times[order].astype(np.int32),
        "origin": np.asarray(origin, np.int64),
    }
