import numpy as np
import pytest

from mgnm_tf.layers import UserEmbedding
from tests.testing import run_layer_test

USERS = np.array([1, 0, 4], "int32")


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_layer_contract(dropout):
    run_layer_test(
        UserEmbedding,
        {"num_users": 4, "embedding_dim": 3, "dropout": dropout},
        {"users": USERS},
        expected_output_shape=(3, 3),
        expected_num_trainable_weights=1,
        expected_num_seed_generators=1,
    )


def test_unknown_user_is_the_mean_of_the_known_ones():
    layer = UserEmbedding(4, 3)
    table = np.asarray(layer.embeddings.value)
    out = np.asarray(layer(USERS))
    np.testing.assert_allclose(out[1], table[1:].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(out[[0, 2]], table[[1, 4]])


def test_the_mean_takes_no_part_in_training():
    tf = pytest.importorskip("tensorflow")
    layer = UserEmbedding(4, 3)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(USERS))
    gradient = tape.gradient(value, layer.embeddings.value)
    gradient = tf.convert_to_tensor(gradient).numpy()
    np.testing.assert_array_equal(gradient.any(axis=1), [0, 1, 0, 0, 1])


def test_dropout_trains_row_0():
    layer = UserEmbedding(4, 3, dropout=1.0)
    table = np.asarray(layer.embeddings.value)
    np.testing.assert_allclose(np.asarray(layer(USERS)), table[[1, 0, 4]])
    dropped = np.asarray(layer(USERS, training=True))
    np.testing.assert_allclose(dropped, table[[0, 0, 0]])


def test_without_known_users_the_vector_is_zero():
    assert not np.asarray(UserEmbedding(0, 3)(np.zeros(2, "int32"))).any()


def test_errors():
    with pytest.raises(ValueError, match="`dropout` must be between 0"):
        UserEmbedding(4, 3, dropout=1.5)
