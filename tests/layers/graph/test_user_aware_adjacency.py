import numpy as np
import pytest

from mgnm_tf.layers import UserAwareAdjacency
from tests.reference import numpy_mgnm as oracle
from tests.testing import run_layer_test

rng = np.random.default_rng(0)
ITEMS = rng.normal(size=(3, 4, 5)).astype("float32")
USERS = rng.normal(size=(3, 5)).astype("float32")
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], "bool")


@pytest.mark.parametrize("user_aware", [True, False])
def test_layer_contract(user_aware):
    run_layer_test(
        UserAwareAdjacency,
        {"user_aware": user_aware},
        {"items": ITEMS, "users": USERS, "valid_mask": MASK},
        expected_output_shape=(3, 4, 4),
        expected_num_trainable_weights=0,
        time_axes=(1, 2),
    )


@pytest.mark.parametrize("user_aware", [True, False])
def test_equals_equation_1(user_aware):
    layer = UserAwareAdjacency(user_aware=user_aware)
    out = np.asarray(layer(ITEMS, USERS, valid_mask=MASK))
    for row in range(3):
        n = MASK[row].sum()
        user = USERS[row] if user_aware else None
        expected = np.zeros((4, 4))
        expected[:n, :n] = oracle.adjacency(ITEMS[row, :n], user)
        np.testing.assert_allclose(out[row], expected, atol=1e-6)


def test_a_learned_scale_sharpens_equation_1():
    layer = UserAwareAdjacency(False, scale=8.0, offset=-2.0)
    logits = np.einsum("bik,bjk->bij", ITEMS, ITEMS)
    expected = 1 / (1 + np.exp(2 - 8 * logits))
    np.testing.assert_allclose(np.asarray(layer(ITEMS)), expected, atol=1e-6)
    run_layer_test(
        UserAwareAdjacency,
        {"scale": 8.0, "offset": -2.0},
        {"items": ITEMS, "users": USERS, "valid_mask": MASK},
        expected_output_shape=(3, 4, 4),
        expected_num_trainable_weights=2,
        time_axes=(1, 2),
    )


@pytest.mark.parametrize(
    "numbers, message",
    [
        ({"scale": 0.0}, "`scale` must be between 0.001 and inf"),
        ({"offset": 1.0}, "needs a scale beside it"),
    ],
)
def test_numbers_that_cannot_be(numbers, message):
    with pytest.raises(ValueError, match=message):
        UserAwareAdjacency(**numbers)


def test_is_symmetric_and_depends_on_the_user():
    layer = UserAwareAdjacency()
    out = np.asarray(layer(ITEMS, USERS))
    np.testing.assert_allclose(out, out.transpose(0, 2, 1), atol=1e-6)
    other = np.asarray(layer(ITEMS, -USERS))
    np.testing.assert_allclose(out + other, 1.0, atol=1e-6)


def test_a_repeated_item_is_two_nodes():
    items = np.repeat(ITEMS[:, :1], 4, axis=1)
    out = np.asarray(UserAwareAdjacency()(items, USERS))
    assert out.shape == (3, 4, 4)
    assert np.ptp(out, axis=(1, 2)).max() < 1e-6
    assert out.min() > 0
