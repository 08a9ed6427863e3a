"""Folders of histories of the small world of `tests.export.worlds`."""

import numpy as np
import pandas as pd

from tests.export.worlds import ITEMS


def made_events(users, seed=0):
    """Returns four events each of users `u0`, `u1`, ..., in no order."""
    random = np.random.default_rng(seed)
    count = 4 * users
    codes = random.permutation(np.arange(count) % users)
    return pd.DataFrame(
        {
            "user_id": [f"u{code}" for code in codes],
            "item_id": random.choice([*ITEMS, "unknown"], count),
            "timestamp": random.integers(0, 20, count),
        }
    )


def divide(events, parts):
    """Returns the events of each part, all those of a user in one."""
    codes = events["user_id"].str[1:].astype(int) % parts
    return [events[codes == part] for part in range(parts)]


def write_folder(folder, events, parts=3):
    """Writes events as Parquet files with whole users; returns the folder."""
    folder.mkdir()
    for number, part in enumerate(divide(events, parts)):
        part.to_parquet(folder / f"part-{number}.parquet")
    return folder


def read_folder(folder):
    """Returns all recommendations of a folder, by user and rank."""
    files = sorted(folder.rglob("*.parquet"))
    table = pd.concat([pd.read_parquet(path) for path in files])
    return table.sort_values(["user_id", "rank"], ignore_index=True)
