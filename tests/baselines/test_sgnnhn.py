"""SGNN-HN against loops in NumPy."""

import numpy as np
import pytest

from baselines.sgnnhn import SGNNHN
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
    return randomized(SGNNHN(2, ITEMS, DIM, **options))


def normalised(vectors):
    vectors = vectors - vectors.mean(axis=-1, keepdims=True)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_equals_numpy(num_steps):
    model = make(num_steps=num_steps)
    table = table_of(model)
    positions = np.asarray(model.position_embedding.embeddings)

    def vector_of(session):
        states, star = oracle.encode_with_star(
            session,
            table,
            model.encoder.step.get_weights(),
            model.encoder.highway.get_weights(),
            num_steps,
        )
        states = states + positions[: len(states)]
        vector = oracle.soft_attention(
            states, model.readout.get_weights(), star
        )
        return 12 * normalised(vector)

    check_scores(model, vector_of, normalised(table), atol=1e-3)


def test_parameter_count():
    model = SGNNHN(2, ITEMS, max_length=7)
    dim = 256
    expected = (ITEMS + 1 + 7) * dim + 18 * dim**2 + 16 * dim
    assert model.count_params() == expected


def test_scores_are_bounded():
    scores = np.asarray(make()(FEATURES))
    assert 3 < np.abs(scores).max() <= 12.001
    assert not scores[3].any()


def test_scaling_and_shifting_a_candidate_changes_nothing():
    model = make()
    # Items of candidates that stand in no history.
    before = np.asarray(model(FEATURES))
    table = table_of(model).copy()
    for item in (1, 2, 9):
        table[item] = 3.0 * table[item] + item
    model.item_embedding.embeddings.assign(table)
    after = np.asarray(model(FEATURES))
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_scores_are_products_of_interests_and_item_vectors():
    model = make()
    vectors = np.asarray(model.item_vectors())
    assert not vectors[0].any()
    np.testing.assert_allclose(vectors[1:].sum(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(vectors[1:], axis=1), 1, rtol=1e-5
    )
    np.testing.assert_allclose(
        np.asarray(model.scored_vectors(training=False)), vectors, rtol=1e-6
    )
    products = np.einsum(
        "bd,bcd->bc", user_vectors(model), vectors[FEATURES["candidates"]]
    )
    np.testing.assert_allclose(model(FEATURES), products, atol=1e-4)


def test_item_dropout_acts_in_training_only():
    model = make(item_dropout=0.5)
    quiet = make()
    np.testing.assert_array_equal(model(FEATURES), quiet(FEATURES))
    noisy = np.asarray(model(FEATURES, training=True))
    assert np.abs(noisy - np.asarray(quiet(FEATURES)))[:3].max() > 1e-2


def test_positions_steps_and_temperature_act():
    model = make()
    vectors = user_vectors(model)
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [12, 12, 12, 0], rtol=1e-4)
    lengths = np.linalg.norm(user_vectors(make(temperature=0.5)), axis=1)
    np.testing.assert_allclose(lengths, [2, 2, 2, 0], rtol=1e-4)
    stepped = np.abs(user_vectors(make(num_steps=2)) - vectors)
    assert stepped.max(axis=1)[:3].min() > 1e-3
    positions = model.position_embedding.embeddings
    positions.assign(positions[::-1])
    moved = np.abs(user_vectors(model) - vectors).max(axis=1)
    assert moved[:3].min() > 1e-2
    assert moved[3] == 0


def test_items_can_be_renamed():
    check_items_can_be_renamed(make(temperature=0.25))


def test_first_loss_is_that_of_a_guess():
    # About 144 / (2 d) above log M.
    loss = first_loss(SGNNHN(2, 200))
    assert abs(loss - np.log(200) - 0.28) < 0.3


def test_configuration_keeps_the_temperature():
    again = SGNNHN.from_config(make(temperature=0.5).get_config())
    assert again.temperature == again.cosine.temperature == 0.5


def test_a_longer_history_is_an_error():
    assert make(max_length=5)(FEATURES).shape == (4, 3)
    with pytest.raises(ValueError, match="at most `max_length` long"):
        make(max_length=4)(FEATURES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 1}, "`embedding_dim` must be at least 2"),
        ({"num_steps": 0}, "`num_steps` must be at least 1"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
        ({"temperature": 0.0}, "`temperature` must be between"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SGNNHN(2, ITEMS, **options)
