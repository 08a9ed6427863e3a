"""Popularity against counts by hand."""

import numpy as np

from baselines.popularity import Popularity
from mgnm_tf.data.batches.pipeline import make_dataset


def training_rows(sequences):
    """Returns one batch with every event but the first as a positive."""
    rows = [
        (user, sequence[:position], sequence[position])
        for user, sequence in enumerate(sequences, start=1)
        for position in range(1, len(sequence))
    ]
    width = max(len(history) for _, history, _ in rows)
    features = {
        "user": np.array([user for user, _, _ in rows]),
        "history": np.array(
            [history + [0] * (width - len(history)) for _, history, _ in rows]
        ),
        # The positive stands second, behind an item that must not count.
        "candidates": np.array([[4, positive] for _, _, positive in rows]),
    }
    return features, np.tile([[0.0, 1.0]], (len(rows), 1))


SEQUENCES = [[1, 2, 1, 3], [2, 1], [3, 2, 1]]


def test_counts_every_training_event_once():
    features, labels = training_rows(SEQUENCES)
    model = Popularity(num_users=3, num_items=4)
    model.fit(features, labels, verbose=0)
    counts = np.bincount(sum(SEQUENCES, []), minlength=5)
    np.testing.assert_allclose(
        model.share.numpy(), counts / counts.sum(), rtol=1e-6
    )


def test_scores_are_shares_for_everybody():
    features, labels = training_rows(SEQUENCES)
    model = Popularity(num_users=3, num_items=4)
    model.fit(features, labels, verbose=0)
    scores = model(
        {
            "user": np.array([0, 3]),
            "history": np.array([[0, 0], [4, 1]]),
            "candidates": np.array([[1, 2, 0], [3, 4, 1]]),
        }
    )
    expected = np.array([[4, 3, 0], [2, 0, 4]]) / 9
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_a_second_fit_starts_afresh():
    features, labels = training_rows(SEQUENCES)
    model = Popularity(num_users=3, num_items=4)
    model.fit(features, labels, verbose=0)
    once = model.share.numpy()
    model.fit(features, labels, verbose=0)
    np.testing.assert_array_equal(model.share.numpy(), once)


def test_counts_what_the_pipeline_delivers(toy_data, training_events):
    model = Popularity(toy_data.num_users, toy_data.num_items)
    model.fit(make_dataset(toy_data, negatives=2), verbose=0)
    _, items = training_events
    counts = np.bincount(items, minlength=toy_data.num_items + 1)
    np.testing.assert_allclose(
        model.share.numpy(), counts / counts.sum(), rtol=1e-6
    )
