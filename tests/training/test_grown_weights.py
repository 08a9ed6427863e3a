"""Rows of weights and moments of a model whose vocabularies grew."""

import keras
import numpy as np
import pytest

from mgnm_tf.data.growth import Growth
from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import create_model
from mgnm_tf.training.grown_weights import counted_axes
from mgnm_tf.training.grown_weights import grow_model

# Users 1, 2 -> 3, 1; items 1, 2, 3 -> 2, 5, 3; new are the user 2 and the
# items 1 (of the category of 5), 4 (beside 2 and 3) and 6 (like none).
GROWTH = Growth(
    users=np.array([0, 3, 1], np.int32),
    items=np.array([0, 2, 5, 3], np.int32),
    categories=np.array([0], np.int32),
    new_users=np.array([2], np.int32),
    new_items=np.array([1, 4, 6], np.int32),
    new_categories=np.array([], np.int32),
    item_categories=np.array([0, 1, 0, 2, 3, 1, 3], np.int32),
    neighbors=np.array([[4, 2], [4, 3], [4, 3]], np.int32),
)
OPTIONS = {"embedding_dim": 4}


def make(name, num_users, num_items, **options):
    model = create_model(
        name, num_users, num_items, {**OPTIONS, **options}, max_length=5
    )
    model.compile()
    for index, variable in enumerate(model.optimizer.variables[2:]):
        variable.assign(variable + index + 1)
    return model


def by_path(model):
    return {weight.path: np.array(weight) for weight in model.weights}


def check_items(old, new):
    np.testing.assert_array_equal(new[[0, 2, 5, 3]], old)
    np.testing.assert_allclose(new[1], old[2], rtol=1e-6)
    np.testing.assert_allclose(new[4], (old[1] + 2 * old[3]) / 3, rtol=1e-6)
    np.testing.assert_allclose(new[6], old[1:].mean(axis=0), rtol=1e-6)


def test_rows_go_with_their_ids_and_new_ones_begin_as_means():
    source = make("mgnm:paper", 2, 3)
    model = make("mgnm:paper", 3, 6)
    grow_model(model, source, GROWTH)
    old, new = by_path(source), by_path(model)
    check_items(*(one["item_embedding/embeddings"] for one in (old, new)))
    users, grown = (one["user_embedding/embeddings"] for one in (old, new))
    np.testing.assert_array_equal(grown[[0, 3, 1]], users)
    np.testing.assert_allclose(grown[2], users[1:].mean(axis=0), rtol=1e-6)
    rest = [
        path
        for path in old
        if "embedding/" not in path and "seed_generator" not in path
    ]
    assert len(rest) > 5
    for path in rest:
        np.testing.assert_array_equal(new[path], old[path], err_msg=path)


def test_the_optimizer_goes_on_with_zero_moments_of_new_rows():
    source = make("mgnm:paper", 2, 3)
    model = make("mgnm:paper", 3, 6)
    for variable in model.optimizer.variables[2:]:
        variable.assign(keras.ops.zeros_like(variable))
    source.optimizer.iterations.assign(70)
    model.optimizer.learning_rate = 0.5
    grow_model(model, source, GROWTH)
    assert int(model.optimizer.iterations) == 70
    assert float(model.optimizer.learning_rate) == 0.5
    old = {one.path: np.array(one) for one in source.optimizer.variables}
    tables = 0
    for variable in model.optimizer.variables[2:]:
        value, before = np.array(variable), old[variable.path]
        if value.shape == before.shape:
            np.testing.assert_array_equal(value, before)
            continue
        tables += 1
        kept = [0, 3, 1] if len(value) == 4 else [0, 2, 5, 3]
        np.testing.assert_array_equal(value[kept], before)
        assert not np.delete(value, kept, axis=0).any()
    assert tables == 4  # Two moments of two tables.


def test_a_row_behind_those_of_the_items_stays_behind_them():
    source, model = make("timirec", 2, 3), make("timirec", 3, 6)
    grow_model(model, source, GROWTH)
    path = "predictor/item_embedding/embeddings"
    old, new = by_path(source)[path], by_path(model)[path]
    assert (len(old), len(new)) == (5, 8)
    np.testing.assert_array_equal(new[7], old[4])
    np.testing.assert_array_equal(new[[0, 2, 5, 3]], old[:4])


def test_a_table_of_the_data_stays_that_of_the_new_data():
    options = {"num_categories": 3, "category_dim": 2}
    source, model = (
        make("slirec", users, items, **options)
        for users, items in ((2, 3), (3, 6))
    )
    growth = Growth(
        **{
            **vars(GROWTH),
            "categories": np.array([0, 2, 1, -1], np.int32),
            "new_categories": np.array([3], np.int32),
        }
    )
    model.load_tables({"item_categories": growth.item_categories})
    grow_model(model, source, growth)
    old, new = by_path(source), by_path(model)
    path = "item_embedding/item_categories"
    np.testing.assert_array_equal(new[path], growth.item_categories)
    path = "item_embedding/category_embeddings"
    np.testing.assert_array_equal(new[path][[0, 2, 1]], old[path][:3])
    mean = old[path][[1, 2]].mean(axis=0)
    np.testing.assert_allclose(new[path][3], mean, rtol=1e-6)


def test_rows_of_users_and_items_together_are_refused():
    model = make("tgsrec", 2, 3, num_events=5)
    with pytest.raises(UserError, match="TGSRec cannot go on with more users"):
        counted_axes(model)
