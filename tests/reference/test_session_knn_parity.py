"""S-kNN and V-S-kNN against session-rec; see `session_knn/`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from baselines.session_knn.sknn import SKNN
from baselines.session_knn.vsknn import VSKNN

FIXTURE = dict(
    np.load(Path(__file__).parent / "session_knn" / "session_knn.npz")
)
CASES = json.loads(str(FIXTURE["options"]))
NAMES = {
    "k": "num_neighbors",
    "weighting_score": "score_weighting",
    "idf_weighting": "idf_weight",
    "last_n_clicks": "last",
}


def table_of_the_fixture():
    """Returns the table of the training sessions, the latest one first."""
    frame = pd.DataFrame(
        {name: FIXTURE[name] for name in ("sessions", "items", "times")}
    )
    ends = frame.groupby("sessions")["times"].max()
    latest = ends.sort_values(ascending=False).index
    sets = [
        sorted(set(frame["items"][frame["sessions"] == one])) for one in latest
    ]
    width = FIXTURE["scores/sknn"].shape[1] + 1
    return {
        "offsets": np.cumsum([0, *map(len, sets)]),
        "items": np.concatenate(sets),
        "item_counts": np.bincount(FIXTURE["items"], minlength=width),
    }


@pytest.mark.parametrize("case", CASES)
def test_scores(case):
    table = table_of_the_fixture()
    cls = SKNN if case.startswith("sknn") else VSKNN
    options = {NAMES.get(key, key): x for key, x in CASES[case].items()}
    model = cls(
        len(table["offsets"]) - 1,
        len(table["item_counts"]) - 1,
        int(table["item_counts"].sum()),
        **options,
    )
    model.load_tables({"training_sessions": table})
    history = FIXTURE["history"].astype("int32")
    scores = np.asarray(model.encode({"history": history}))[:, 1:]
    expected = FIXTURE[f"scores/{case}"]
    if cls is SKNN:
        # The published cosine has |h| as a factor.
        sizes = [len(set(row[row > 0])) for row in history]
        expected = expected / np.array(sizes)[:, None]
    known = np.isfinite(expected[:, 0])
    assert known.sum() >= 14
    np.testing.assert_allclose(
        scores[known], expected[known], rtol=1e-5, atol=1e-6
    )
