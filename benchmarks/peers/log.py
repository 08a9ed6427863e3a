"""A log that the other libraries and this package read alike."""

from pathlib import Path

import numpy as np
import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log


def consistent_log(log: str, folder: Path) -> SequenceDataset:
    """Returns the events of a log, split, that all libraries treat alike.

    Taken out, until none is left: held-out events of items that nobody has
    in training, and users with fewer than 4 events.

    Args:
        log: the log, a CSV.
        folder: where the smaller log is written, `log.csv`.
    """
    table = folder / "log.csv"
    data = split_log(read_log(log), "leave_one_out")
    while True:
        sizes = np.diff(data.offsets)[data.sequences]
        events = pd.DataFrame(
            {
                "user_id": np.asarray(data.user_ids)[data.sequences - 1],
                "item_id": np.asarray(data.item_ids)[data.items - 1],
                "timestamp": data.times if data.has_times else places(data),
            }
        )
        events[sizes >= 4].to_csv(table, index=False)
        data = split_log(read_log(table), "leave_one_out")
        if len(data.items) == len(sizes):
            return data


def places(data: SequenceDataset) -> np.ndarray:
    """Returns the place of each event in its sequence, from 0."""
    return np.arange(len(data.items)) - data.offsets[data.sequences]
