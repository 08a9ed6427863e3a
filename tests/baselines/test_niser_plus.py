"""NISER+ against loops in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.niser_plus import NISERPlus
from tests.baselines.sessions import DIM
from tests.baselines.sessions import FEATURES
from tests.baselines.sessions import ITEMS
from tests.baselines.sessions import check_items_can_be_renamed
from tests.baselines.sessions import check_scores
from tests.baselines.sessions import first_loss
from tests.baselines.sessions import randomized
from tests.baselines.sessions import table_of
from tests.baselines.sessions import user_vectors
from tests.reference import numpy_session_graph as oracle


def make(**options):
    return randomized(NISERPlus(2, ITEMS, DIM, **options))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_equals_numpy(num_steps):
    model = make(num_steps=num_steps)
    table = unit(table_of(model))
    positions = np.asarray(model.position_embedding.embeddings)

    def vector_of(session):
        states = oracle.encode(
            session, table, model.encoder.get_weights(), num_steps
        )
        states = states + positions[: len(states)]
        vector = oracle.soft_attention(states, model.readout.get_weights())
        return 16 * unit(vector)

    check_scores(model, vector_of, table, atol=1e-3)


def test_parameter_count():
    model = NISERPlus(2, ITEMS, max_length=7)
    table = (ITEMS + 1) * 100
    assert model.count_params() == table + 150_000 + 1_400 + 700


def test_scores_are_bounded():
    model = make()
    scores = np.asarray(model(FEATURES))
    assert 4 < np.abs(scores).max() <= 16.001
    assert not scores[3].any()


def test_the_length_of_an_item_says_nothing():
    model = make()
    before = np.asarray(model(FEATURES))
    table = table_of(model)
    model.item_embedding.embeddings.assign(
        table * np.linspace(0.5, 5, ITEMS + 1)[:, None]
    )
    np.testing.assert_allclose(model(FEATURES), before, atol=1e-3)


def test_gradients_of_items_are_orthogonal_to_them():
    model = make(dropout=0.0)
    factors = np.random.default_rng(0).normal(size=(4, 3))
    table = model.item_embedding.embeddings
    with tf.GradientTape() as tape:
        scores = model(FEATURES, training=True)
        loss = tf.reduce_sum(scores * factors.astype("float32"))
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value)).numpy()
    assert np.abs(gradient[1:]).sum(axis=1).min() > 1e-3
    products = np.sum(gradient * np.asarray(table), axis=1)
    np.testing.assert_allclose(products, 0.0, atol=1e-4)


def test_dropout_acts_in_training_only():
    model = make(dropout=0.5)
    keras.utils.set_random_seed(3)
    quiet, noisy = (
        np.asarray(model(FEATURES, training=training))
        for training in (False, True)
    )
    assert np.abs(quiet - noisy).max() > 1e-2
    still = make(dropout=0.0)
    for training in (False, True):
        scores = still(FEATURES, training=training)
        np.testing.assert_allclose(scores, quiet, atol=1e-3)


def test_occurrences_of_an_item_share_their_dropout():
    model = make(dropout=0.5)
    model.position_embedding.embeddings.assign(
        np.zeros_like(model.position_embedding.embeddings)
    )
    states = []
    model.readout.call = lambda x, valid_mask: states.append(x) or x[:, 0]
    model.user_vector({"history": np.tile([[1, 2, 1]], (50, 1))}, training=True)
    states = np.asarray(states[0])
    np.testing.assert_array_equal(states[:, 0], states[:, 2])
    assert np.ptp(states[:, 0], axis=0).max() > 1e-2


def test_positions_and_temperature_act():
    model = make()
    vectors = user_vectors(model)
    np.testing.assert_allclose(
        np.linalg.norm(vectors, axis=1), [16, 16, 16, 0], rtol=1e-4
    )
    lengths = np.linalg.norm(user_vectors(make(temperature=0.5)), axis=1)
    np.testing.assert_allclose(lengths, [2, 2, 2, 0], rtol=1e-4)
    positions = model.position_embedding.embeddings
    positions.assign(positions[::-1])
    moved = np.abs(user_vectors(model) - vectors).max(axis=1)
    assert moved[:3].min() > 1e-2
    assert moved[3] == 0


def test_items_can_be_renamed():
    check_items_can_be_renamed(make(temperature=0.25))


def test_first_loss_is_that_of_a_guess():
    # sigma^2 / (2 d) above log M.
    loss = first_loss(NISERPlus(2, 200))
    assert abs(loss - np.log(200) - 1.28) < 0.6


def test_a_longer_history_is_an_error():
    model = make(max_length=5)
    assert model(FEATURES).shape == (4, 3)
    with pytest.raises(ValueError, match="at most `max_length` long"):
        make(max_length=4)(FEATURES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"num_steps": 0}, "`num_steps` must be at least 1"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"temperature": 0.0}, "`temperature` must be between"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        NISERPlus(2, ITEMS, **options)
