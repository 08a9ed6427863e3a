"""The softmax over all items: the plain formula, whatever the memory."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from mgnm_tf.utils.catalogue_softmax import catalogue_log_probability

KEPT = {"kept": 1 << 25, "again": 0}


def make(rows=5, items=23, dim=4, scale=1.0):
    random = np.random.default_rng(1)
    users = scale * random.normal(size=(rows, dim)).astype("float32")
    vectors = random.normal(size=(items + 1, dim)).astype("float32")
    positives = random.integers(1, items + 1, rows).astype("int32")
    positives[1] = positives[0]
    positives[2] = items
    weights = random.normal(size=rows).astype("float32")
    return users, vectors, positives, weights


def oracle(users, vectors, positives, weights):
    """Returns value and gradients of the weighted sum, in float64."""
    users, vectors = users.astype("float64"), vectors.astype("float64")
    products = users @ vectors[1:].T
    top = products.max(axis=1, keepdims=True)
    total = np.exp(products - top).sum(axis=1)
    row = np.arange(len(users))
    value = products[row, positives - 1] - top[:, 0] - np.log(total)
    of_products = -np.exp(products - top) / total[:, None]
    of_products[row, positives - 1] += 1.0
    of_products *= weights[:, None]
    of_vectors = np.zeros_like(vectors)
    of_vectors[1:] = of_products.T @ users
    return value, of_products @ vectors[1:], of_vectors


def differentiate(users, vectors, positives, weights, **options):
    users, vectors = tf.constant(users), tf.constant(vectors)
    with tf.GradientTape() as tape:
        tape.watch([users, vectors])
        value = catalogue_log_probability(users, vectors, positives, **options)
        total = tf.reduce_sum(value * weights)
    return value, *tape.gradient(total, [users, vectors])


@pytest.mark.parametrize("way", KEPT)
@pytest.mark.parametrize("items_of_a_chunk", [1, 4, 23, 50])
def test_value_and_gradients_are_those_of_the_formula(way, items_of_a_chunk):
    arrays = make()
    found = differentiate(
        *arrays, kept=KEPT[way], chunk=5 * items_of_a_chunk + 1
    )
    for mine, theirs in zip(found, oracle(*arrays), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(found[2][0], 0)


@pytest.mark.parametrize("way", KEPT)
def test_large_products_do_not_overflow(way):
    arrays = make(scale=300.0)
    found = differentiate(*arrays, kept=KEPT[way], chunk=20)
    assert np.abs(arrays[0] @ arrays[1].T).max() > 500
    for mine, theirs in zip(found, oracle(*arrays), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("way", KEPT)
def test_a_table_of_300000_items(way):
    arrays = make(rows=6, items=300_000, dim=3)
    found = differentiate(*arrays, kept=KEPT[way])
    for mine, theirs in zip(found, oracle(*arrays), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("way", KEPT)
def test_batches_of_any_size_in_one_graph(way):
    arrays = make(rows=7)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4]),
            tf.TensorSpec([24, 4]),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None]),
        ]
    )
    def step(*arrays):
        with tf.GradientTape() as tape:
            tape.watch(arrays[:2])
            value = catalogue_log_probability(
                *arrays[:3], kept=5 * 23 if way == "kept" else 4 * 23, chunk=99
            )
            total = tf.reduce_sum(value * arrays[3])
        return value, *tape.gradient(total, arrays[:2])

    # Both ways stand in the graph; the number of rows decides.
    for rows in (3, 5, 7):
        one = (arrays[0][:rows], arrays[1], arrays[2][:rows], arrays[3][:rows])
        for mine, theirs in zip(step(*one), oracle(*one), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=2e-6)


def test_it_is_computed_in_float32():
    users, vectors, positives, _ = make()
    found = catalogue_log_probability(
        users.astype("float16"), vectors.astype("float16"), positives
    )
    assert found.dtype == "float32"
    full = catalogue_log_probability(
        users.astype("float16").astype("float32"),
        vectors.astype("float16").astype("float32"),
        positives,
    )
    np.testing.assert_allclose(ops.convert_to_numpy(found), full, rtol=1e-6)
