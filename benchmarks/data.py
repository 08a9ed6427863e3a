"""The data that is measured on."""

from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.settings import Settings
from mgnm_tf.data.dataset import HEADER
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world


@cache
def load_data(settings: Settings) -> SequenceDataset:
    """Returns the data of the settings: a folder, a log, or a synthetic log.

    Raises:
        DataError: the log or the folder cannot be used.
        UserError: the counts of the world do not fit together.
    """
    if settings.log and (Path(settings.log) / HEADER).is_file():
        return SequenceDataset.load(settings.log, verify=False)
    if settings.log:
        return split_log(read_log(settings.log), settings.split)
    world = make_world(
        settings.users, settings.items, num_events=settings.events, seed=0
    )
    log = read_log(world, category_column="category")
    return split_log(log, settings.split, name="made world")


def full_histories(
    users: int, items: int, targets: int, length: int
) -> SequenceDataset:
    """Returns data of random items in which every history is full.

    The first `length` events of a user are only history; then come the
    training targets, one for validation and one for the test.

    Args:
        users: number of users.
        items: number of items.
        targets: training targets of each user.
        length: events before the first target.
    """
    events = length + targets + 2
    parts = np.zeros((users, events), np.int8)
    parts[:, :length] = len(PARTS)  # No part: never a target.
    parts[:, -2], parts[:, -1] = 1, 2
    return SequenceDataset(
        items=np.random.default_rng(0).integers(
            1, items + 1, users * events, np.int32
        ),
        times=np.tile(np.arange(events), users),
        parts=parts.ravel(),
        sequences=np.repeat(np.arange(1, users + 1, dtype=np.int32), events),
        offsets=np.concatenate([[0], np.arange(users + 1) * events]),
        user_ids=range(users),
        item_ids=range(items),
        num_users=users,
    )
