"""Which level speaks for the true item."""

import numpy as np
import pytest

import mgnm_tf
from mgnm_tf.data.batches.pipeline import evaluation_order
from mgnm_tf.evaluation.levels import level_shares
from mgnm_tf.evaluation.levels import winning_levels
from tests.training.worlds import small_data


def test_shares_count_every_user_the_same():
    winners = np.array([0, 0, 0, 1, 2])
    users = np.array([7, 7, 7, 7, 9])
    assert level_shares(winners, users, 4) == pytest.approx(
        [0.375, 0.125, 0.5, 0.0]
    )


def test_the_winner_is_that_of_equations_12_to_15():
    data = small_data()
    model = mgnm_tf.MGNM(
        data.num_users,
        data.num_items,
        embedding_dim=4,
        num_interests=2,
        num_layers=2,
        embeddings_initializer=1.0,
    )
    winners, users = winning_levels(model, data, max_length=20)
    positions = evaluation_order(data, "test", max_length=20)
    assert np.array_equal(users, np.asarray(data.sequences)[positions])
    batches = mgnm_tf.make_dataset(data, "test", max_length=20, negatives=0)
    vectors = np.asarray(model.item_vectors())
    expected = []
    for features, _ in batches:
        interests = np.asarray(model.interests(features))
        targets = vectors[features["candidates"][:, 0]]
        products = np.einsum("bnd,bd->bn", interests, targets)
        products = products.reshape(len(targets), 3, 2)
        weights = np.exp(products)
        scores = (weights * products).sum(2) / weights.sum(2)
        expected.append(scores.argmax(1))
    assert np.array_equal(winners, np.concatenate(expected))
    assert len(set(winners)) > 1
