"""The data that is measured on."""

from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.settings import Settings
from mgnm_tf.data.dataset import HEADER
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.splits import split_log
from mgnm_tf.data.synthetic import make_world


@cache
def load_data(settings: Settings) -> SequenceDataset:
    """Returns the data of the settings: a folder, a log, or a made world.

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


def random_data(
    users: int, items: int, events: int, test_users: int | None = None
) -> SequenceDataset:
    """Returns leave-one-out data of random items, all histories alike long.

    Args:
        users: number of users.
        items: number of items.
        events: events of each user.
        test_users: how many users have a test event; all by default.
    """
    random = np.random.default_rng(0)
    size = users * events
    parts = np.zeros((users, events), np.int8)
    parts[:, -2] = 1
    parts[:test_users, -1] = 2
    return SequenceDataset(
        items=random.integers(1, items + 1, size, np.int32),
        times=np.tile(np.arange(events), users),
        parts=parts.ravel(),
        sequences=np.repeat(np.arange(1, users + 1, dtype=np.int32), events),
        offsets=np.concatenate([[0], np.arange(users + 1) * events]),
        user_ids=range(users),
        item_ids=range(items),
        num_users=users,
    )


def describe_data(data: SequenceDataset) -> dict[str, int]:
    """Returns the counts of the data."""
    return {
        "users": data.num_users,
        "items": data.num_items,
        "events": len(data.items),
        **{
            f"{part}_positives": len(data.positions(part))
            for part in ("train", "test")
        },
    }
