"""SR-GNN against loops in NumPy."""

import numpy as np
import pytest

from baselines.srgnn import SRGNN
from tests.baselines.sessions import DIM
from tests.baselines.sessions import ITEMS
from tests.baselines.sessions import check_items_can_be_renamed
from tests.baselines.sessions import check_scores
from tests.baselines.sessions import first_loss
from tests.baselines.sessions import randomized
from tests.baselines.sessions import table_of
from tests.baselines.sessions import user_vectors
from tests.reference import numpy_session_graph as oracle


def make(**options):
    return randomized(SRGNN(2, ITEMS, DIM, **options))


@pytest.mark.parametrize("num_steps", [1, 2])
def test_equals_numpy(num_steps):
    model = make(num_steps=num_steps)
    table = table_of(model)

    def vector_of(session):
        states = oracle.encode(
            session, table, model.encoder.get_weights(), num_steps
        )
        return oracle.soft_attention(states, model.readout.get_weights())

    check_scores(model, vector_of, table)


@pytest.mark.parametrize("dim", [6, 100])
def test_parameter_count(dim):
    model = SRGNN(2, ITEMS, dim)
    table = (ITEMS + 1) * dim
    assert model.count_params() == table + 15 * dim**2 + 14 * dim


def test_default_width():
    assert SRGNN(2, ITEMS).embedding_dim == 100


def test_sessions_with_the_same_edges_differ_in_the_readout_alone():
    model = make()
    # Both walk 1 -> 2 -> 1 -> 2, the second one once more.
    short, long = np.array([[1, 2, 1, 2, 0, 0], [1, 2, 1, 2, 1, 2]])
    states = np.asarray(
        model.encoder(table_of(model)[[short, long]], np.stack([short, long]))
    )
    np.testing.assert_allclose(states[0, :2], states[1, :2], rtol=1e-6)
    np.testing.assert_allclose(states[1, 4:], states[1, :2], rtol=1e-6)
    vectors = user_vectors(model, [short, long])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-2
    # Without the sum over positions nothing is left of the difference.
    weight = model.readout.weight.kernel
    weight.assign(np.zeros(weight.shape))
    vectors = user_vectors(model, [short, long])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_order_matters():
    vectors = user_vectors(make(), [[1, 2, 3], [2, 1, 3]])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_items_can_be_renamed():
    check_items_can_be_renamed(make())


def test_first_loss_is_that_of_a_guess():
    assert abs(first_loss(SRGNN(2, 200)) - np.log(200)) < 0.1


def test_initial_weights():
    model = SRGNN(2, ITEMS, 25)
    for weight in model.trainable_weights:
        value = np.abs(np.asarray(weight))
        assert 0.1 < value.max() <= 0.2, weight.path


def test_steps_and_temperature_act():
    vectors = user_vectors(make())
    assert np.abs(user_vectors(make(num_steps=3)) - vectors).max() > 1e-2
    lengths = np.linalg.norm(user_vectors(make(temperature=0.25)), axis=1)
    np.testing.assert_allclose(lengths, [4, 4, 4, 0], rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"num_steps": 0}, "`num_steps` must be at least 1"),
        ({"temperature": 0.0}, "`temperature` must be between"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SRGNN(2, ITEMS, **options)
