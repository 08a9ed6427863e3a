"""MIMN against NumPy, and the properties of its parts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.mimn.mimn import MIMN
from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import create_model
from tests.reference import numpy_mimn as oracle

FEATURES = {
    "user": np.array([1, 2, 0]),
    "history": np.array([[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0]]),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
}
CATEGORIES = np.array([0, 1, 2, 3, 1, 2, 3, 0, 1, 2])
SMALL = {"embedding_dim": 5}


def randomized(scale=0.5, **options):
    """Returns a model whose weights are random, so that no bias is 0."""
    model = MIMN(2, 9, **{**SMALL, **options})
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(random.normal(scale=scale, size=weight.shape))
    return model


def gradients(model, features, loss_of):
    """Returns {path: gradient} of a training step."""
    with tf.GradientTape() as tape:
        loss = loss_of(model(features, training=True))
    weights = model.trainable_weights
    found = tape.gradient(loss, [weight.value for weight in weights])
    return {
        weight.path: None
        if gradient is None
        else tf.convert_to_tensor(gradient)
        for weight, gradient in zip(weights, found, strict=True)
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"memory_utilization": False},
        {"memory_induction": False, "hidden_dim": 7},
        {
            "memory_utilization": False,
            "memory_induction": False,
            "num_slots": 2,
        },
        {"num_categories": 3, "category_dim": 2},
    ],
    ids=lambda options: "-".join(options) or "default",
)
def test_equals_numpy(options):
    model = randomized(**options)
    if model.required_tables:
        model.load_tables({"item_categories": CATEGORIES})
    table = np.asarray(model.item_embedding.vectors(), "float64")
    weights = oracle.weights_of(model)
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        expected = [
            oracle.score(
                weights,
                table[history[history > 0]],
                table[candidate],
                model.memory_utilization,
                model.memory_induction,
            )
            for candidate in FEATURES["candidates"][row]
        ]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"embedding_dim": 16}, 48_190),
        ({"embedding_dim": 40}, 113_422),
        (
            {"embedding_dim": 32, "category_dim": 8, "num_categories": 3},
            113_422,
        ),
        # Rows of the head's kernel.
        ({"embedding_dim": 16, "memory_utilization": False}, 48_190 - 4 * 76),
        # The GRU of the channels, the network over them, and inputs.
        (
            {"embedding_dim": 16, "memory_induction": False},
            48_190 - 2_352 - 8_481 - 16 * 202,
        ),
    ],
)
def test_parameter_count(options, expected):
    model = MIMN(2, 9, **options)
    tables = 10 * options["embedding_dim"] + 4 * options.get("category_dim", 0)
    count = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert count == expected + tables
    (memory,) = (
        weight
        for weight in model.non_trainable_weights
        if weight.dtype == "float32"
    )
    assert memory.shape == (4, model.item_embedding.output_dim)


def test_order_matters():
    model = randomized()
    swapped = {**FEATURES, "history": FEATURES["history"][:, [1, 0, 2, 3]]}
    difference = np.abs(
        np.asarray(model(swapped)) - np.asarray(model(FEATURES))
    )
    assert difference[:2].min() > 1e-4
    assert not difference[2].any()


def test_padding_behind_changes_nothing():
    model = randomized()
    candidates = FEATURES["candidates"][1:2]
    scores = model({"history": np.array([[7, 8]]), "candidates": candidates})
    np.testing.assert_allclose(
        scores, np.asarray(model(FEATURES))[1:2], rtol=1e-4, atol=1e-5
    )


def test_looking_up_leaves_no_trace():
    model = randomized()
    encoded = model.encode(FEATURES)
    kept = {key: np.array(value) for key, value in encoded.items()}
    first = np.asarray(model.score(encoded, FEATURES["candidates"]))
    model.score(encoded, np.array([9, 8]))
    np.testing.assert_array_equal(
        first, model.score(encoded, FEATURES["candidates"])
    )
    for key, value in encoded.items():
        np.testing.assert_array_equal(value, kept[key])


def test_equal_items_are_finite():
    model = randomized()
    features = {
        "user": np.array([1]),
        "history": np.full((1, 12), 3),
        "candidates": np.array([[3, 4]]),
    }
    found = gradients(
        model, features, lambda scores: keras.ops.sum(scores * scores)
    )
    assert np.all(np.isfinite(np.asarray(model(features))))
    for path, gradient in found.items():
        assert np.all(np.isfinite(gradient)), path


def test_gradients_reach_what_is_read():
    model = randomized()
    found = gradients(
        model, FEATURES, lambda scores: keras.ops.sum(scores * scores)
    )
    for path, gradient in found.items():
        if path == "channel_2/bias":
            # All channels are shifted alike by it.
            assert np.abs(gradient).max() < 1e-4
        else:
            assert np.any(gradient), path
    kernel = found["memory_cell/head_kernel"]
    np.testing.assert_array_equal(
        np.any(kernel, axis=0), [True] * 26 + [False] * 6
    )
    table = found["item_embedding/embeddings"]
    np.testing.assert_array_equal(np.any(table, axis=-1), [False] + [True] * 9)


@pytest.mark.parametrize("num_slots", [2, 4])
def test_loss_on_the_usage(num_slots):
    model = randomized(utilization_weight=0.25, num_slots=num_slots)
    model(FEATURES)
    assert not model.losses
    model(FEATURES, training=True)
    (loss,) = model.losses
    usage = np.asarray(model.encode(FEATURES)["usage"])
    np.testing.assert_allclose(usage.sum(axis=1), [4, 2, 0], rtol=1e-5)
    np.testing.assert_allclose(
        loss, 0.25 * usage.var(axis=1).mean() / num_slots, rtol=1e-4
    )


def test_without_utilisation_there_is_no_loss_on_the_usage():
    model = randomized(memory_utilization=False)
    model(FEATURES, training=True)
    assert not model.losses


def test_loss_on_the_usage_balances_the_slots():
    features = {**FEATURES, "history": np.tile(np.arange(1, 9), (3, 1))}
    labels = np.eye(3, dtype="float32")
    imbalance = []
    model = randomized()
    model.utilization_weight = tf.Variable(
        0.0
    )  # So that one graph serves for both.
    model.compile(keras.optimizers.Adam(0.02))
    variables = model.variables + model.optimizer.variables
    start = [variable.numpy() for variable in variables]
    for weight in (0.0, 50.0):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        model.utilization_weight.assign(weight)
        model.fit(features, labels, epochs=30, shuffle=False, verbose=0)
        usage = np.asarray(model.encode(features)["usage"])
        imbalance.append(usage.std(axis=1).max())
    assert imbalance[1] < 0.8 * imbalance[0]


def test_categories_matter_and_are_saved(tmp_path):
    model = randomized(num_categories=3, category_dim=2)
    assert model.required_tables == ("item_categories",)
    before = np.asarray(model(FEATURES))
    model.load_tables({"item_categories": CATEGORIES})
    after = np.asarray(model(FEATURES))
    assert np.abs(after - before).max() > 1e-3
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored(FEATURES), after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"hidden_dim": 0}, "`hidden_dim` must be at least 1"),
        ({"num_slots": 1}, "`num_slots` must be at least 2"),
        (
            {"utilization_weight": -1.0},
            "`utilization_weight` must be between 0",
        ),
        ({"category_dim": 4}, "`category_dim` needs items with categories"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        MIMN(2, 9, **options)


FORMER = {"util": False, "miu": True, "util_weight": 0.5}


def test_a_file_with_the_former_names_loads(tmp_path):
    model = randomized(memory_utilization=False, utilization_weight=0.5)
    config = model.get_config()
    for name in ("memory_utilization", "memory_induction"):
        del config[name]
    del config["utilization_weight"]
    model.get_config = lambda: {**config, **FORMER}
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert not again.memory_utilization
    assert again.utilization_weight == 0.5
    np.testing.assert_array_equal(again(FEATURES), model(FEATURES))


@pytest.mark.parametrize("option", FORMER)
def test_a_former_name_is_refused_with_the_new_one(option):
    message = f"mimn has no option `{option}`: it is called `.*` now."
    with pytest.raises(UserError, match=message):
        create_model("mimn", 2, 9, {option: FORMER[option]})
