"""The study of items without training events, by hand."""

import numpy as np
import pandas as pd

from benchmarks.studies.cold_items import ColdEvents
from benchmarks.studies.cold_items import by_category
from benchmarks.studies.cold_items import by_features
from benchmarks.studies.cold_items import cold_events
from benchmarks.studies.cold_items import metrics_of
from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import make_model

CATEGORY = {"a": "x", "b": "y", "c": "x", "new": "y", "newer": "x"}


def test_events_of_new_items_with_the_known_items_before_them():
    rows = [("u", "a", 1), ("u", "b", 2), ("v", "b", 3), ("v", "c", 4)]
    rows += [("u", "c", 5), ("v", "a", 6), ("w", "a", 7), ("u", "b", 8)]
    rows += [("u", "new", 9), ("u", "newer", 9), ("w", "b", 9), ("z", "new", 9)]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    data = split_log(read_log(log), "temporal", (6, 1, 5))
    assert data.metadata["split"]["test_from"] == 8
    found = cold_events(log, data, 2)
    assert found.items == ["new", "newer"]
    assert found.total == 3  # z has no history.
    np.testing.assert_array_equal(found.histories, [[3, 2], [3, 2]])
    np.testing.assert_array_equal(found.targets, [0, 1])
    popular, shares = (
        scores for _, scores in by_category(found, data, CATEGORY)
    )
    # Training events: a twice, b twice, c twice.
    np.testing.assert_array_equal(popular, [[2, 4], [2, 4]])
    np.testing.assert_allclose(shares, [[1.0005, 1.001]] * 2)


def test_a_run_with_features_ranks_by_its_own_projection(tmp_path):
    rows = [("u", item, time) for time, item in enumerate("abcab")]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    data = split_log(read_log(log), "leave_one_out")
    table = pd.DataFrame(
        {"item_id": [*"abc", "new", "newer"], "price": [1.0, 5, 6, 5, 9]}
    )
    table.to_parquet(tmp_path / "items.parquet")
    config = configure(
        "youtube_dnn", item_features=str(tmp_path / "items.parquet")
    )
    model = make_model(data, config)
    events = ColdEvents(
        ["new", "newer"], np.array([[1, 2], [3, 0]], "int32"), np.zeros(2), 2
    )
    features = read_item_features(table)
    scores = by_features(events, data, model, features)
    # One number: all vectors of a side are the same unit vector.
    kernel = np.array(model.item_embedding.projection.kernel)[0]
    vector = kernel / np.linalg.norm(kernel)
    users = np.array(
        model.encode({"user": np.zeros(2, int), "history": events.histories})
    )
    expected = np.repeat((users @ vector)[:, None], 2, axis=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_metrics_by_hand():
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 0.0]])
    found = metrics_of(scores, np.array([1, 0]))
    ndcg = (1 / np.log2(3) + 1 / np.log2(2.5)) / 2
    assert found["ndcg@5"] == round(ndcg, 4)
    assert found["auc"] == round(1 - 0.75 / 2, 4)
