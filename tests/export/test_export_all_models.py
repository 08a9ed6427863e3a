"""Every registered model recommends from an export as it does in memory."""

import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.export import Vocabularies
from mgnm_tf.export import export
from mgnm_tf.models.registry import model_names
from tests.baselines.test_all_models import DATA
from tests.baselines.test_all_models import ITEMS
from tests.baselines.test_all_models import NOW
from tests.baselines.test_all_models import learned
from tests.testing import TOLERANCE

WORDS = Vocabularies.from_data(DATA)
LENGTH = 4
HISTORIES = [
    ["", "03", "", "05", "07", ""],
    ["02", "unknown", "04", "05", "06", "08"],
    ["01", "", "", "", "", ""],
    ["", "", "no item", "", "", ""],
]
USERS = ["3", "nobody", "1", "2"]
ROWS = {
    "user": np.array([3, 0, 1, 2], "int32"),
    "history": np.array(
        [[3, 5, 7, 0], [4, 5, 6, 8], [1, 0, 0, 0], [0, 0, 0, 0]], "int32"
    ),
}
"""What the model shall read of the histories."""


@pytest.fixture(scope="module", params=model_names())
def case(request, tmp_path_factory):
    """A model, its export as loaded, and the request."""
    model = learned(request.param)
    folder = tmp_path_factory.mktemp("export") / "served"
    export(model, WORDS, folder, max_length=LENGTH)
    served = tf.saved_model.load(folder / "1").signatures
    inputs = {
        "user_id": tf.constant(USERS),
        "history": tf.constant(HISTORIES),
    }
    features = dict(ROWS)
    if model.required_features:
        times = NOW - 3600 * (10 - np.arange(6)) + np.zeros((4, 1), int)
        inputs["history_time"] = tf.constant(times, tf.int64)
        inputs["time"] = tf.fill([4], tf.constant(NOW, tf.int64))
        read = [[1, 3, 4, 0], [2, 3, 4, 5], [0, 0, 0, 0], [0, 0, 0, 0]]
        read = np.take_along_axis(times, np.array(read), axis=1)
        features["history_time"] = np.where(ROWS["history"] > 0, read, 0)
        features["candidate_time"] = np.full((4, ITEMS), NOW)
    return model, served, inputs, features


def scores_in_memory(model, features):
    """Returns the scores (4, M) of all items; the last row is popularity."""
    every = np.tile(np.arange(1, ITEMS + 1, dtype="int32"), (4, 1))
    scores = np.array(model({**features, "candidates": every}), "float32")
    scores[3] = WORDS.item_counts / WORDS.item_counts.sum()
    return scores


def test_scores_are_those_of_the_model(case):
    model, served, inputs, features = case
    expected = scores_in_memory(model, features)
    candidates = np.tile([*WORDS.item_ids, "what"], (4, 1))
    scores = served["score"](**inputs, candidates=tf.constant(candidates))
    scores = scores["scores"].numpy()
    np.testing.assert_allclose(scores[:, :-1], expected, **TOLERANCE)
    assert np.all(scores[:, -1] == -np.inf)


def test_recommendations_are_the_best_of_all_items(case):
    model, served, inputs, features = case
    expected = scores_in_memory(model, features)
    place = {name.encode(): row for row, name in enumerate(WORDS.item_ids)}
    for exclude_seen in (False, True):
        if exclude_seen:
            for row, history in enumerate(HISTORIES):
                seen = [place.get(name.encode()) for name in history]
                expected[
                    row, [one for one in seen if one is not None]
                ] = -np.inf
        found = served["serving_default"](
            **inputs,
            k=tf.constant(ITEMS + 1),
            exclude_seen=tf.constant(exclude_seen),
        )
        ids, scores = found["item_ids"].numpy(), found["scores"].numpy()
        for row in range(4):
            left = int(np.isfinite(expected[row]).sum())
            np.testing.assert_allclose(
                scores[row, :left],
                np.sort(expected[row])[::-1][:left],
                **TOLERANCE,
            )
            rows = [place[name] for name in ids[row, :left]]
            assert len(set(rows)) == left
            np.testing.assert_allclose(
                expected[row, rows], scores[row, :left], **TOLERANCE
            )
            assert np.all(ids[row, left:] == b"")
            assert np.all(scores[row, left:] == -np.inf)


def test_interests_are_those_of_the_model(case):
    model, served, inputs, features = case
    assert ("interests" in served) == ("interests" in model.capabilities)
    if "interests" not in served:
        return
    expected = np.asarray(model.interests(features))
    found = served["interests"](**inputs)
    np.testing.assert_allclose(found["interests"], expected, **TOLERANCE)
    if "interest_distribution" in model.capabilities:
        assert set(found) == {"interests"}
        found = served["interest_distribution"](**inputs)
        shares = np.asarray(model.interest_distribution(features))
        np.testing.assert_allclose(found["distribution"], shares, **TOLERANCE)
        mixed = np.asarray(model.mixed_interests(features))
        np.testing.assert_allclose(found["interests"], mixed, **TOLERANCE)
    else:
        assert "interest_distribution" not in served
    if "attention" not in model.capabilities:
        assert set(found) == {"interests"}
        return
    labels = model.interest_labels()
    assert labels == list(
        zip(found["level"].numpy(), found["interest"].numpy(), strict=True)
    )
    attention = np.asarray(model.history_attention(features))
    spread = np.zeros((4, len(labels), 6))
    spread[0][:, [1, 3, 4]] = attention[0][:, :3]
    spread[1][:, 2:] = attention[1]
    spread[2][:, 0] = attention[2][:, 0]
    np.testing.assert_allclose(found["attention"], spread, **TOLERANCE)


def test_items_are_scored_by_their_vectors(case):
    model, served, inputs, features = case
    able = "score_vectors" in model.capabilities
    assert ("score_vectors" in served) == able
    if not able:
        return
    vectors = np.asarray(model.item_vectors(), "float32")[1:]
    scores = served["score_vectors"](**inputs, vectors=tf.constant(vectors))
    np.testing.assert_allclose(
        scores["scores"][:3],
        scores_in_memory(model, features)[:3],
        **TOLERANCE,
    )
    # Each history may have other items.
    encoded = model.encode(features)
    own = np.stack([vectors[place : place + 5] for place in range(4)])
    each = model.score_vectors(encoded, own)
    for place in range(3):
        expected = scores["scores"][place, place : place + 5]
        np.testing.assert_allclose(each[place], expected, **TOLERANCE)
    if model.scores_within_products:
        products = np.asarray(model.interests(features)) @ vectors.T
        above = scores["scores"].numpy()[:3] - products.max(axis=1)[:3]
        assert above.max() < 1e-5
