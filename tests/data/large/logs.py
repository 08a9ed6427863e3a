"""Synthetic logs with what tells two ways of preparing apart."""

import numpy as np
import pandas as pd

COLUMNS = {"rating_column": "rating", "category_column": "category"}


def tied_log(rows=2000, users=60, items=40, seed=0):
    """Returns a frame with ties in time, duplicates and mixed ids.

    Ids are numbers and text, some with blanks, quotation marks, commas and
    letters beyond ASCII; users begin one after the other, so that splits by
    time have new users; `part` is one of three by user.
    """
    random = np.random.default_rng(seed)
    user = random.integers(0, users, rows)
    item = (items * random.random(rows) ** 2).astype(int)
    names = ["7", "x y", "é", 'q"', "z,"]
    categories = ["", "A", "b", "10"]
    parts = ["train"] * 6 + ["validation", "test"]
    frame = pd.DataFrame(
        {
            "user_id": [f"ü{n}" if n % 3 else str(1000 * n) for n in user],
            "item_id": [f"{names[n % 5]}{n}" for n in item],
            "rating": random.integers(1, 6, rows),
            "timestamp": 1_600_000_000
            + user * 43_200
            + random.integers(0, 40, rows) * 7200,
            "category": [categories[n] for n in random.integers(0, 4, rows)],
            "part": [parts[n % len(parts)] for n in user],
        }
    )
    return pd.concat([frame, frame.iloc[:50]], ignore_index=True)
