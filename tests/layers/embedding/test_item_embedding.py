"""Item vectors with categories."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import ItemEmbedding
from tests.testing import run_layer_test

ITEMS = np.array([[1, 3, 0], [2, 2, 0]], "int32")


def test_contract():
    run_layer_test(
        ItemEmbedding,
        {"num_items": 3, "embedding_dim": 4},
        {"items": ITEMS},
        expected_output_shape=(2, 3, 4),
        expected_num_trainable_weights=1,
    )


def test_contract_with_categories():
    run_layer_test(
        ItemEmbedding,
        {
            "num_items": 3,
            "embedding_dim": 4,
            "num_categories": 2,
            "category_dim": 2,
        },
        {"items": ITEMS},
        expected_output_shape=(2, 3, 6),
        expected_num_trainable_weights=2,
        expected_num_non_trainable_weights=1,
    )


def test_item_and_its_category_stand_side_by_side():
    layer = ItemEmbedding(3, 4, num_categories=2, category_dim=2)
    layer.assign_categories(np.array([0, 2, 0, 1]))
    items, categories = layer.get_weights()[:2]
    vectors = np.asarray(layer(ITEMS))
    np.testing.assert_array_equal(vectors[0, 0, :4], items[1])
    np.testing.assert_array_equal(vectors[0, 0, 4:], categories[2])
    np.testing.assert_array_equal(vectors[1, 0, 4:], categories[0])
    np.testing.assert_array_equal(vectors[:, 2], 0)
    assert np.ptp(items) and np.ptp(categories)
    np.testing.assert_array_equal(np.asarray(layer.vectors())[3, :4], items[3])
    np.testing.assert_array_equal(np.asarray(layer.vectors())[0], 0)


def test_float16_casts_no_whole_table():
    layer = ItemEmbedding(3, 4, dtype="mixed_float16")
    assert layer(ITEMS).dtype == "float16"
    assert layer.embeddings.dtype == "float32"


def test_categories_are_saved(tmp_path):
    layer = ItemEmbedding(3, 4, num_categories=2, category_dim=2)
    layer.assign_categories([0, 2, 0, 1])
    model = keras.Sequential([keras.Input((3,), dtype="int32"), layer])
    model.save(tmp_path / "m.keras")
    restored = keras.models.load_model(tmp_path / "m.keras").layers[0]
    np.testing.assert_array_equal(restored.item_categories, [0, 2, 0, 1])


@pytest.mark.parametrize("count", [2, 50])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"unit_norm": True},
        {"num_categories": 2, "category_dim": 2, "unit_norm": True},
        {"unit_norm": True, "dtype": "mixed_float16"},
    ],
)
def test_inference_gives_the_same_vectors(options, count):
    layer = ItemEmbedding(9, 4, **options)
    if "category_dim" in options:
        layer.assign_categories([0, 2, 0, 1, 1, 2, 0, 0, 1, 2])
    items = np.random.default_rng(0).integers(0, 10, (count, 3))
    expected = np.asarray(layer(items))
    finished = layer(items, training=False)
    np.testing.assert_allclose(finished, expected, rtol=1e-6)
    # A graph that does not know how many items there will be.
    shape = tf.TensorSpec((None, 3), "int64")
    graph = tf.function(lambda x: layer(x, training=False), [shape])
    np.testing.assert_allclose(graph(items), expected, rtol=1e-6)
    assert graph(items).dtype == expected.dtype


def test_many_items_are_copied_from_the_finished_table(monkeypatch):
    layer = ItemEmbedding(9, 4, unit_norm=True)
    asked = []
    finished = layer._finished

    def finish(vectors, items):
        asked.append(tuple(items.shape))
        return finished(vectors, items)

    monkeypatch.setattr(layer, "_finished", finish)
    for size in (9, 10, 500):
        layer(np.ones((size,), "int32"), training=False)
    assert asked == [(9,), (10,), (10,)]


def test_training_gives_gradients_of_rows():
    layer = ItemEmbedding(9, 4, unit_norm=True)
    with tf.GradientTape() as tape:
        vectors = layer(np.ones((500,), "int32"), training=True)
    gradient = tape.gradient(vectors, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([0, 1, 3, 1], "ids from 0 to 2. Received: 3 for item 2"),
        ([0, -1, 2, 1], "ids from 0 to 2. Received: -1 for item 1"),
        ([0, 1, 2], r"shape \(4,\). Received: shape=\(3,\)"),
    ],
)
def test_wrong_categories(categories, message):
    layer = ItemEmbedding(3, 4, num_categories=2, category_dim=2)
    with pytest.raises(ValueError, match=message):
        layer.assign_categories(categories)


def test_categories_for_a_layer_without():
    with pytest.raises(ValueError, match="made without categories"):
        ItemEmbedding(3, 4).assign_categories([0, 1, 1, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_items": 0}, "`num_items` must be at least 1"),
        ({"embedding_dim": -2}, "`embedding_dim` must be at least 1"),
        ({"category_dim": 2}, "needs items with categories"),
        ({"category_dim": -1}, "`category_dim` must be at least 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        ItemEmbedding(**{"num_items": 3, "embedding_dim": 4, **options})


def test_rows_are_no_longer_than_the_bound_from_the_start_and_in_training():
    uniform = keras.initializers.RandomUniform(0.5, 3.0, seed=1)
    options = {"embeddings_initializer": uniform, "max_norm": 2.0}
    layer = ItemEmbedding(
        3, 4, num_categories=2, category_dim=1, **options, name="items"
    )
    free = ItemEmbedding(3, 4, embeddings_initializer=uniform)
    lengths = np.linalg.norm(free.embeddings.numpy(), axis=1)
    assert (lengths > 2.0).any()
    for table in layer.trainable_weights:
        assert np.linalg.norm(table.numpy(), axis=1).max() <= 2.000001
    short = np.array([0.1, 0.2, 0.3, 0.4], "float32")
    table = layer.embeddings.numpy()
    table[0] = short
    layer.embeddings.assign(table)
    tables = layer.trainable_weights
    gradients = [-np.sign(table.numpy()) for table in tables]
    gradients[0][0] = 0.0
    keras.optimizers.SGD(1.0).apply(gradients, tables)
    for table in layer.trainable_weights:
        assert np.linalg.norm(table.numpy(), axis=1).max() <= 2.000001
    np.testing.assert_array_equal(layer.embeddings.numpy()[0], short)
    assert layer.get_config()["max_norm"] == 2.0


def test_a_bound_of_zero_is_refused():
    with pytest.raises(ValueError, match="`max_norm` must be between"):
        ItemEmbedding(3, 4, max_norm=0.0)


FEATURES = {"num_numbers": 2, "num_classes": 4, "classes_per_item": 2}


def with_features(**options):
    """Returns a layer of 3 items; nothing is known of the last one."""
    layer = ItemEmbedding(3, 4, features=FEATURES, **options)
    numbers = np.array([[0, 0], [0.5, -1], [2, 0], [0, 0]])
    layer.projection.assign(numbers, [[0, 0], [4, 1], [2, 0], [0, 0]])
    return layer


@pytest.mark.parametrize("id_dropout", [0.0, 0.5])
def test_contract_with_features(id_dropout):
    run_layer_test(
        ItemEmbedding,
        {
            "num_items": 3,
            "embedding_dim": 4,
            "features": FEATURES,
            "id_dropout": id_dropout,
        },
        {"items": ITEMS},
        expected_output_shape=(2, 3, 4),
        expected_num_trainable_weights=3,
        expected_num_non_trainable_weights=2,
        expected_num_seed_generators=int(id_dropout > 0),
        # The test knows nothing of the items.
        inert_weights=("kernel", "class_embeddings"),
    )


@pytest.mark.parametrize("unit_norm", [False, True])
def test_features_are_added_to_the_row_of_an_item(unit_norm):
    layer = with_features(unit_norm=unit_norm, id_dropout=0.5)
    projected = np.array(layer.projection(np.arange(4)))
    expected = np.array(layer.embeddings) + projected
    if unit_norm:
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    expected[0] = 0
    for training in (None, False):
        found = layer(ITEMS, training=training)
        np.testing.assert_allclose(found, expected[ITEMS], rtol=1e-5)
    np.testing.assert_allclose(layer.vectors(), expected, rtol=1e-5)
    many = layer(np.tile(ITEMS, 9), training=False)
    np.testing.assert_allclose(many[:, :3], expected[ITEMS], rtol=1e-5)


def test_training_alone_leaves_rows_out_but_of_items_without_features():
    layer = with_features(id_dropout=0.25)
    items = np.tile([[0, 1, 2, 3]], (2000, 1))
    whole = np.array(layer(items))
    projected = np.array(layer.projection(items))
    drawn = np.array(layer(items, training=True))
    left_out = (drawn == projected).all(axis=-1)[:, 1:3]
    assert 0.22 < left_out.mean() < 0.28
    np.testing.assert_array_equal(drawn[:, 3], whole[:, 3])
    np.testing.assert_array_equal(drawn[:, 0], 0)
    kept = drawn[:, 1:3][~left_out]
    np.testing.assert_array_equal(kept, whole[:, 1:3][~left_out])
    assert (layer.vectors(training=True) != layer.vectors()).numpy().any()


def test_a_row_that_is_left_out_learns_nothing():
    layer = with_features(id_dropout=1.0)
    with tf.GradientTape() as tape:
        vectors = layer(np.array([1, 2, 3]), training=True)
    table, kernel = layer.embeddings.value, layer.projection.kernel.value
    of_table, of_kernel = tape.gradient(vectors, [table, kernel])
    assert isinstance(of_table, tf.IndexedSlices)
    dense = np.array(tf.convert_to_tensor(of_table))
    np.testing.assert_array_equal(dense.any(axis=1), [0, 0, 0, 1])
    assert np.array(of_kernel).any()


def test_features_have_a_place_beside_categories():
    layer = with_features(num_categories=2, category_dim=2)
    plain = np.array(layer.embeddings)[2] + layer.projection(np.array(2))
    found = np.array(layer(np.array([2])))[0]
    np.testing.assert_allclose(found[:4], plain, rtol=1e-6)
    assert found.shape == (6,)


def test_rows_are_left_out_where_features_stay():
    with pytest.raises(ValueError, match="`id_dropout` needs items with feat"):
        ItemEmbedding(3, 4, id_dropout=0.5)
    with pytest.raises(ValueError, match="`id_dropout` must be between"):
        ItemEmbedding(3, 4, features=FEATURES, id_dropout=1.5)
