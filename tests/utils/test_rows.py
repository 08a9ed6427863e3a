import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from mgnm_tf.layers import ItemEmbedding
from mgnm_tf.layers import UserEmbedding
from mgnm_tf.layers.embedding.row_embedding import RowEmbedding
from mgnm_tf.optimizers import LazyAdam
from mgnm_tf.utils.rows import take_positions
from mgnm_tf.utils.rows import take_rows

IDS = np.array([[1, 3, 3], [0, 2, 1]], "int32")


def make_table():
    values = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    return keras.Variable(values)


def test_rows_are_those_of_take():
    table = make_table()
    expected = ops.take(table, IDS, axis=0)
    np.testing.assert_array_equal(take_rows(table, IDS), expected)
    tensor = ops.convert_to_tensor(table)
    np.testing.assert_array_equal(take_rows(tensor, IDS), expected)


def test_gradient_is_that_of_take():
    table = make_table()
    gradients = []
    for look_up in (take_rows, lambda table, ids: ops.take(table, ids, 0)):
        with tf.GradientTape() as tape:
            loss = ops.sum(ops.square(look_up(table, ops.array(IDS))))
        gradients.append(tape.gradient(loss, table.value))
    assert all(isinstance(found, tf.IndexedSlices) for found in gradients)
    dense = [tf.convert_to_tensor(found) for found in gradients]
    np.testing.assert_array_equal(*dense)


def test_layer_is_that_of_keras():
    ours = RowEmbedding(5, 4, name="same")
    theirs = keras.layers.Embedding(5, 4, name="same")
    np.testing.assert_array_equal(ours(IDS).shape, theirs(IDS).shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours(IDS), theirs(IDS))
    copy = RowEmbedding.from_config(ours.get_config())
    assert copy.get_config() == ours.get_config()


def test_half_precision_keeps_the_table_whole():
    layer = RowEmbedding(5, 4, dtype="mixed_float16")
    assert keras.backend.standardize_dtype(layer(IDS).dtype) == "float16"
    assert layer.embeddings.dtype == "float32"


@pytest.mark.parametrize(
    "layer",
    [
        RowEmbedding(7, 4),
        ItemEmbedding(6, 4, num_categories=2, category_dim=3),
        UserEmbedding(6, 4),
        UserEmbedding(6, 4, dropout=0.5),
    ],
    ids=["row", "item", "user", "user with dropout"],
)
def test_training_does_not_read_the_whole_table(layer):
    layer(IDS[0])
    optimizer = LazyAdam()
    optimizer.build(layer.trainable_variables)

    options = {"training": True} if isinstance(layer, UserEmbedding) else {}

    @tf.function
    def step(ids):
        with tf.GradientTape() as tape:
            loss = ops.sum(ops.square(layer(ids, **options)))
        values = [weight.value for weight in layer.trainable_variables]
        optimizer.apply(tape.gradient(loss, values), layer.trainable_variables)

    graph = step.get_concrete_function(tf.constant(IDS[0])).graph
    reads = [
        node.inputs[0].name
        for node in graph.get_operations()
        if node.type == "ReadVariableOp" and node.outputs[0].shape.rank == 2
    ]
    assert reads == []


def test_unknown_users_are_the_mean_in_a_compiled_step():
    layer = UserEmbedding(3, 4)
    compiled = tf.function(layer)
    table = layer.get_weights()[0]
    users = tf.constant([0, 2])
    np.testing.assert_allclose(
        compiled(users), [table[1:].mean(axis=0), table[2]], rtol=1e-6
    )
    np.testing.assert_array_equal(compiled(tf.constant([3, 2])), table[[3, 2]])


def test_unknown_user_gives_no_gradient():
    layer = UserEmbedding(3, 4)
    with tf.GradientTape() as tape:
        loss = ops.sum(layer(ops.array([0, 2])))
    gradient = tf.convert_to_tensor(tape.gradient(loss, layer.embeddings.value))
    expected = np.zeros((4, 4), "float32")
    expected[2] = 1
    np.testing.assert_array_equal(gradient, expected)


def test_positions_are_those_of_take_along_axis():
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 4, 2)).astype("float32")
    index = random.integers(0, 4, (3, 5))
    np.testing.assert_array_equal(
        take_positions(values, index),
        np.take_along_axis(values, index[..., None], axis=1),
    )
