"""Small logs, written down in full."""

import pandas as pd

from mgnm_tf.data.log import read_log


def log_of(rows, **columns):
    """Reads a log from (user, item, time) rows and more columns."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    names = {"rating": "rating_column", "category": "category_column"}
    names["split"] = "split_column"
    options = {}
    for name, values in columns.items():
        frame[name] = values
        options[names[name]] = name
    return read_log(frame, **options)


def events_of(data, part):
    """Returns (user, item, time) of a part, in the order of the data."""
    found = data.positions(part, min_history=0)
    return [
        (
            data.user_ids[data.sequences[position] - 1],
            data.item_ids[data.items[position] - 1],
            int(data.times[position]),
        )
        for position in found
    ]
