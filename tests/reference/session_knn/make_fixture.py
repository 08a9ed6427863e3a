"""Writes session_knn.npz: what rn5l/session-rec computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ITEMS, SESSIONS, LENGTH, ROWS, SEED = 15, 50, 8, 30, 2018

CASES = {
    "sknn": {"k": 100, "sample_size": 500, "similarity": "cosine"},
    "sknn_few": {"k": 6, "sample_size": 12, "similarity": "cosine"},
    "vsknn": {"k": 100, "sample_size": 1000},
    "vsknn_few": {"k": 6, "sample_size": 12},
    "vsknn_cosine": {"k": 100, "similarity": "cosine", "weighting": "linear"},
    "vsknn_log": {"k": 100, "weighting": "log", "weighting_score": "log"},
    "vsknn_quadratic": {
        "k": 100,
        "weighting": "quadratic",
        "weighting_score": "quadratic",
        "idf_weighting": 2,
    },
    "vsknn_same": {
        "k": 100,
        "weighting": "same",
        "weighting_score": "linear",
        "last_n_clicks": 3,
        "remind": False,
    },
}


def main():
    sys.path.insert(0, sys.argv[1])
    from algorithms.knn.sknn import ContextKNN
    from algorithms.knn.vsknn import VMContextKNN

    # NumPy has another name for it now.
    np.in1d = np.isin
    random = np.random.default_rng(SEED)
    sizes = random.integers(2, LENGTH + 1, SESSIONS)
    table = pd.DataFrame(
        {
            "SessionId": np.repeat(np.arange(1, SESSIONS + 1), sizes),
            "ItemId": random.integers(1, ITEMS, sizes.sum()),
            # No two sessions end at the same time.
            "Time": 1000 + np.arange(sizes.sum()),
        }
    )
    lengths = random.integers(1, LENGTH + 1, ROWS)
    history = random.integers(1, ITEMS, (ROWS, LENGTH))
    history[np.arange(LENGTH) >= lengths[:, None]] = 0
    arrays = {
        "sessions": table["SessionId"].to_numpy(),
        "items": table["ItemId"].to_numpy(),
        "times": table["Time"].to_numpy(),
        "history": history,
        "options": np.array(json.dumps(CASES)),
    }
    # Items that no training session has score 0.
    catalogue = np.arange(1, ITEMS + 1)
    for name, options in CASES.items():
        cls = ContextKNN if name.startswith("sknn") else VMContextKNN
        scores = np.full((ROWS, ITEMS), np.nan)
        for row, items in enumerate(history):
            items = items[items > 0]
            model = cls(**{**options, "normalize": False})
            model.fit(table)
            for item in items:
                series = model.predict_next(row, item, catalogue)
            if not tied(model, items, options["k"]):
                scores[row] = series.to_numpy()
        arrays[f"scores/{name}"] = scores
        print(name, int(np.isfinite(scores[:, 0]).sum()), "of", ROWS)
    np.savez_compressed(Path(__file__).with_name("session_knn.npz"), **arrays)


def tied(model, items, k):
    """Whether chance decides which neighbour is the last one."""
    model.k = 10**9
    if hasattr(model, "weighting"):
        last = model.last_n_clicks
        items = list(items if last is None else items[-last:])
        found = model.find_neighbors(items, items[-1], 0, [], 0)
    else:
        found = model.find_neighbors(set(items), items[-1], 0)
    return len(found) > k and np.isclose(found[k - 1][1], found[k][1])


if __name__ == "__main__":
    main()
