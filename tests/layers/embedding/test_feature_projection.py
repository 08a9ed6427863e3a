"""Vectors of items from their numbers and classes."""

import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers.embedding.feature_projection import FeatureProjection
from tests.testing import run_layer_test

ITEMS = np.array([[1, 3, 0], [2, 2, 0]], "int32")
SIZES = {"num_numbers": 2, "num_classes": 5, "classes_per_item": 3}
NUMBERS = np.array([[0, 0], [0.5, -1], [2, 0], [0, 0]], "float32")
CLASSES = np.array([[0, 0, 0], [5, 1, 0], [2, 0, 0], [0, 0, 0]])


def made(**sizes):
    layer = FeatureProjection(3, 4, **{**SIZES, **sizes})
    has_numbers, width = layer.num_numbers > 0, layer.classes_per_item
    layer.assign(NUMBERS[:, : 2 * has_numbers], CLASSES[:, :width])
    return layer


@pytest.mark.parametrize(
    ("sizes", "trained", "constant"),
    [
        (SIZES, 2, 2),
        ({"num_numbers": 2}, 1, 1),
        ({"num_classes": 5, "classes_per_item": 3}, 1, 1),
    ],
)
def test_contract(sizes, trained, constant):
    run_layer_test(
        FeatureProjection,
        {"num_items": 3, "output_dim": 4, **sizes},
        {"items": ITEMS},
        expected_output_shape=(2, 3, 4),
        expected_num_trainable_weights=trained,
        expected_num_non_trainable_weights=constant,
        # The test knows nothing of the items.
        inert_weights=("kernel", "class_embeddings"),
    )


@pytest.mark.parametrize(
    "left_out",
    [
        {},
        {"num_numbers": 0},
        {"num_classes": 0, "classes_per_item": 0},
    ],
)
def test_numbers_and_classes_are_summed(left_out):
    layer = made(**left_out)
    expected = np.zeros((4, 4))
    for item in range(4):
        if layer.num_numbers:
            expected[item] += NUMBERS[item] @ np.array(layer.kernel)
        if layer.num_classes:
            ones = np.zeros(6)
            ones[[one for one in CLASSES[item] if one]] = 1.0
            expected[item] += ones @ np.array(layer.class_embeddings)
    assert np.ptp(expected[1:3]) > 0
    np.testing.assert_allclose(layer(ITEMS), expected[ITEMS], atol=1e-6)
    np.testing.assert_array_equal(layer(np.array([0, 3])), 0)


def test_gradients_are_those_of_the_classes_that_were_read():
    layer = made()
    with tf.GradientTape() as tape:
        vectors = layer(np.array([1, 0, 3]))
    gradient = tape.gradient(vectors, layer.class_embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    dense = np.array(tf.convert_to_tensor(gradient))
    np.testing.assert_array_equal(dense.any(axis=1).nonzero()[0], [1, 5])


@pytest.mark.parametrize(
    ("numbers", "classes", "message"),
    [
        (NUMBERS[:, :1], CLASSES, r"`numbers` must have the shape \(4, 2\)"),
        (NUMBERS, CLASSES[:2], r"`classes` must have the shape \(4, 3\)"),
        (NUMBERS, CLASSES + 3, "Row 0 of `classes` is that of padding"),
        (NUMBERS + 1, CLASSES, "Row 0 of `numbers` is that of padding"),
        (NUMBERS, 2 * CLASSES, "ids from 0 to 5. Received: 10"),
        (NUMBERS, -CLASSES, "ids from 0 to 5. Received: -5"),
    ],
)
def test_tables_that_do_not_fit(numbers, classes, message):
    with pytest.raises(ValueError, match=message):
        made().assign(numbers, classes)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "known by numbers or by classes"),
        ({"num_classes": 2}, "belong together. Received: 2 and 0"),
        ({"num_numbers": -1}, "`num_numbers` must be at least 0"),
    ],
)
def test_sizes_that_do_not_fit(sizes, message):
    with pytest.raises(ValueError, match=message):
        FeatureProjection(3, 4, **sizes)
