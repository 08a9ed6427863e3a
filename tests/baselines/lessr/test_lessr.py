"""LESSR against its equations in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.lessr.lessr import LESSR
from tests.reference.numpy_lessr import user_of

FEATURES = {
    "user": np.array([1, 2, 0, 1, 1]),
    "history": np.array(
        [
            [4, 5, 4, 6, 4, 4],
            [7, 8, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
            [3, 0, 0, 0, 0, 0],
            [1, 2, 1, 2, 9, 0],
        ]
    ),
    "candidates": np.array(
        [[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2], [3, 4, 5]]
    ),
}


def randomized(model, seed=0):
    """Gives every weight a random value; variances are positive."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.normal(scale=0.5, size=weight.shape)
        if "variance" in weight.path:
            value = random.uniform(0.5, 2.0, weight.shape)
        weight.assign(value)
    return model


def small(**options):
    return randomized(LESSR(2, 9, embedding_dim=4, **options))


@pytest.mark.parametrize("readout_activation", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
def test_equals_numpy(num_layers, readout_activation):
    model = small(num_layers=num_layers, readout_activation=readout_activation)
    table = model.item_embedding.get_weights()[0]
    table[0] = 0.0
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        session = history[history > 0].tolist()
        user = user_of(model, session) if session else np.zeros(4)
        expected = table[FEATURES["candidates"][row]] @ user
        np.testing.assert_allclose(scores[row], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("readout_activation", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
def test_parameter_count(num_layers, readout_activation):
    # The numbers of the published code; padding has a row in our table.
    out, items = 6, 9
    expected = (items + 1) * out + readout_activation * out
    statistics = 0
    for number in range(num_layers):
        wide = out * (1 + number)
        statistics += 2 * wide
        if number % 2:
            expected += 2 * wide + 3 * wide * out + 3 * out
        else:
            expected += 2 * wide + 6 * wide**2 + 6 * wide + 2 * wide * out + out
    wide = out * (1 + num_layers)
    expected += 2 * wide + 2 * wide * out + 2 * out + wide * out
    expected += 2 * (wide + out) + (wide + out) * out
    statistics += 2 * wide + 2 * (wide + out)
    model = LESSR(
        2,
        items,
        out,
        num_layers=num_layers,
        readout_activation=readout_activation,
    )
    assert sum(w.value.shape.num_elements() for w in model.weights) == (
        expected + statistics
    )
    trainable = model.trainable_weights
    assert sum(w.value.shape.num_elements() for w in trainable) == expected


def encode(model, *sessions):
    length = max(map(len, sessions))
    history = [[*one, *[0] * (length - len(one))] for one in sessions]
    return np.asarray(model.encode({"history": np.array(history)}))


def test_steps_that_are_repeated_count():
    model = small(num_layers=1)
    once, twice = encode(model, [1, 2], [1, 2, 1, 2])
    assert np.abs(once - twice).max() > 1e-3


def test_order_matters():
    # The same edges, items and newest item.
    one, other = encode(small(num_layers=1), [1, 3, 2, 3], [2, 3, 1, 3])
    assert np.abs(one - other).max() > 1e-3


def test_padding_is_not_in_the_statistics():
    """A batch that is padded trains like one that is not."""
    model, padded = small(), small()
    history = FEATURES["history"][:1]
    longer = np.pad(history, [(0, 2), (0, 3)])
    ours = np.asarray(padded.encode({"history": longer}, training=True))
    expected = np.asarray(model.encode({"history": history}, training=True))
    np.testing.assert_allclose(ours[:1], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(ours[1:], 0.0)
    for one, other in zip(model.weights, padded.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, err_msg=one.path)


def test_all_statistics_learn_in_training():
    model = small()
    before = [np.array(weight) for weight in model.non_trainable_weights]
    model.encode(FEATURES)
    for old, weight in zip(before, model.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    model.encode(FEATURES, training=True)
    moved = [
        np.abs(old - np.asarray(weight)).max()
        for old, weight in zip(before, model.non_trainable_weights, strict=True)
        if "seed" not in weight.path
    ]
    assert min(moved) > 1e-4


def test_the_table_is_bounded_when_made_and_after_a_step():
    def longest(model):
        return np.linalg.norm(
            model.item_embedding.get_weights()[0], axis=1
        ).max()

    assert longest(LESSR(2, 9, max_norm=None)) > 2.0
    model = LESSR(2, 9)
    assert longest(model) == pytest.approx(1.0, rel=1e-5)
    model.compile(optimizer=keras.optimizers.SGD(30.0))
    before = model.item_embedding.get_weights()[0]
    model.fit(FEATURES, np.eye(5, 3, dtype="float32"), verbose=0)
    assert longest(model) < 1.0001
    assert np.abs(before - model.item_embedding.get_weights()[0]).max() > 1e-3


def test_dropout_acts_in_training_only():
    quiet = small(dropout=0.5)
    np.testing.assert_array_equal(quiet(FEATURES), small()(FEATURES))

    def noisy(chosen):
        model = small(dropout=0.5)
        layers = {
            "block_0": model.blocks[0].node_dropout,
            "block_1": model.blocks[1].node_dropout,
            "node": model.node_dropout,
            "session": model.session_dropout,
        }
        for name, layer in layers.items():
            layer.rate = 0.5 if name == chosen else 0.0
        model.blocks[2].node_dropout.rate = 0.0
        keras.utils.set_random_seed(3)
        return np.asarray(model(FEATURES, training=True))

    none = noisy(None)
    for name in ("block_0", "block_1", "node", "session"):
        assert np.abs(noisy(name) - none).max() > 1e-3, name


def test_shuffled_ids_shuffle_the_scores():
    model, moved = small(), small()
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(9)])
    table = model.item_embedding.get_weights()[0]
    shuffled = np.empty_like(table)
    shuffled[order] = table
    moved.item_embedding.set_weights([shuffled])
    renamed = {
        **FEATURES,
        "history": order[FEATURES["history"]],
        "candidates": order[FEATURES["candidates"]],
    }
    np.testing.assert_allclose(
        moved(renamed), model(FEATURES), rtol=1e-4, atol=1e-5
    )


def test_loss_at_the_start_is_that_of_chance():
    items, rows = 500, 64
    random = np.random.default_rng(0)
    features = {
        "user": np.zeros(rows, "int32"),
        "history": random.integers(1, items + 1, (rows, 6)),
        "candidates": np.tile(np.arange(1, items + 1), (rows, 1)),
    }
    losses = keras.losses.sparse_categorical_crossentropy(
        random.integers(0, items, rows),
        LESSR(2, items)(features),
        from_logits=True,
    )
    assert np.mean(losses) == pytest.approx(np.log(items), abs=0.5)


def test_learns_64_instances_by_heart():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    model = LESSR(2, 64, embedding_dim=16, num_layers=2, max_norm=None)
    features = {
        "user": np.zeros(64, "int32"),
        "history": random.integers(1, 65, (64, 4)),
        "candidates": np.tile(np.arange(1, 65), (64, 1)),
    }
    target = random.permutation(64)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    data = tf.data.Dataset.from_tensors((features, np.eye(64)[target]))
    model.fit(data.repeat(), steps_per_epoch=200, shuffle=False, verbose=0)
    assert np.all(np.asarray(model(features)).argmax(-1) == target)


def test_padding_and_an_empty_history_score_0():
    scores = np.asarray(small()(FEATURES))
    expected = FEATURES["candidates"] == 0
    expected[2] = True  # The empty history.
    np.testing.assert_array_equal(scores == 0, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"num_layers": 0}, "`num_layers` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"max_norm": 0.0}, "`max_norm` must be between"),
        ({"temperature": 0.0}, "`temperature` must be between"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        LESSR(2, 9, **options)
