"""DSAN against its equations in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.dsan import DSAN
from tests.reference.numpy_entmax import numpy_entmax

FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": np.array(
        [[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0]]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0], [9, 1, 2]]),
}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def selu(x):
    scale, slope = 1.0507009873554805, 1.6732632423543772
    return scale * np.where(x > 0, x, slope * (np.exp(x) - 1.0))


def apply(layer, x):
    kernel, *bias = layer.get_weights()
    return x @ kernel + (bias[0] if bias else 0.0)


def user_of(model, items):
    """Returns the user vector of a history of ids."""
    if not len(items):
        return np.zeros(model.embedding_dim)
    table = model.item_embedding.get_weights()[0]
    places = model.position_embedding.get_weights()[0][: len(items) + 1]
    rows = np.concatenate([table[items], model.target.get_weights()[0]])
    x = np.concatenate([rows, places], axis=-1)
    alpha = 1.0 + sigmoid(apply(model.sparsity, x[-1]))
    logits = np.maximum(apply(model.query, x), 0.0) @ x.T
    logits /= np.sqrt(x.shape[-1])
    attended = np.stack([numpy_entmax(row, alpha) for row in logits]) @ x
    states = apply(
        model.output_layer, np.maximum(apply(model.hidden, attended), 0.0)
    )
    states += attended
    gamma, beta = model.norm.get_weights()
    states -= states.mean(-1, keepdims=True)
    states /= np.sqrt((states**2).mean(-1, keepdims=True) + 1e-5)
    states = states * gamma + beta
    asking = states[-1]
    alpha = 1.0 + sigmoid(apply(model.sparsity, asking))
    hidden = apply(model.of_item, states[:-1])
    hidden = np.maximum(hidden + apply(model.of_target, asking), 0.0)
    shares = numpy_entmax(apply(model.energy, hidden)[:, 0], alpha)
    found = shares @ x[:-1]
    return selu(apply(model.decoder, np.concatenate([found, asking])))


def randomized(model, seed=0, scale=1.0):
    """Gives every weight a random value, so that no bias is 0."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [random.normal(scale=scale, size=w.shape) for w in model.get_weights()]
    )
    return model


def small(**options):
    model = randomized(DSAN(2, 9, embedding_dim=5, **options))
    model.sparsity.bias.assign([1.5])  # So that some shares are nothing.
    return model


@pytest.mark.parametrize("temperature", [0.05, None])
def test_equals_numpy(temperature):
    model = small(temperature=temperature)
    table = model.item_embedding.get_weights()[0]
    table[0] = 0.0
    if temperature is not None:
        table /= np.maximum(np.linalg.norm(table, axis=1), 1e-9)[:, None]
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(FEATURES["history"]):
        user = user_of(model, history[history > 0])
        if temperature is not None:
            user /= max(np.linalg.norm(user), 1e-9) * temperature
        expected = table[FEATURES["candidates"][row]] @ user
        np.testing.assert_allclose(scores[row], expected, rtol=1e-3, atol=1e-4)


def test_the_example_has_zeros():
    """Then the equations above are checked where shares are nothing, too."""
    model = small()
    history = FEATURES["history"][:1]
    mask = np.ones(history.shape, bool)
    items, target = model._inputs(history, mask)
    inputs = np.concatenate([items, target], axis=1)
    alpha = np.asarray(model._alpha(target[:, 0])).item()
    logits = np.asarray(model.query(inputs))[0] @ inputs[0].T / np.sqrt(10)
    shares = np.stack([numpy_entmax(row, alpha) for row in logits])
    assert 0.1 < (shares == 0).mean() < 0.9


@pytest.mark.parametrize("dim", [6, 100])
@pytest.mark.parametrize("max_length", [20, 100])
def test_parameter_count(dim, max_length):
    # The published count, (V + 2) d + (S + 2) d + D + 2 D^2 + D + (2 D d + d)
    # + 2 (D^2 + D) + 2 D + (D^2 + D) + D + 1, without a position of padding.
    wide, items = 2 * dim, 9
    expected = (items + 2) * dim + (max_length + 1) * dim
    expected += wide + 2 * wide**2 + wide + 2 * wide * dim + dim
    expected += 2 * (wide**2 + wide) + 2 * wide + wide**2 + wide + wide + 1
    model = DSAN(2, items, embedding_dim=dim, max_length=max_length)
    assert model.count_params() == expected


def test_the_first_sparsity_depends_on_the_length_alone():
    model = small()

    def alphas(histories):
        histories = np.array(histories)
        _, target = model._inputs(histories, histories > 0)
        return np.asarray(model._alpha(target[:, 0]))[:, 0]

    one, other, longer = alphas([[1, 2, 0, 0], [8, 8, 0, 0], [1, 2, 3, 0]])
    assert one == other
    assert abs(longer - one) > 1e-4
    assert 1.0 < min(one, longer) < max(one, longer) < 2.0


def test_a_temperature_bounds_the_scores():
    model = small(temperature=0.05)
    every = {**FEATURES, "candidates": np.tile(np.arange(1, 10), (4, 1))}
    assert np.abs(np.asarray(model(every))).max() <= 20.0 + 1e-4


def test_items_and_positions_are_read_as_long_as_they_are():
    model = small()
    before = np.asarray(model.encode(FEATURES))
    table = model.item_embedding.get_weights()[0]
    model.item_embedding.set_weights([1.5 * table])
    assert np.abs(np.asarray(model.encode(FEATURES))[0] - before[0]).max() > 0.1


def test_order_matters():
    model = small()
    swapped = {**FEATURES, "history": FEATURES["history"][:, [1, 0, 2, 3]]}
    difference = np.asarray(model.encode(swapped) - model.encode(FEATURES))
    assert np.abs(difference[:2]).max(-1).min() > 1e-4


def test_tables_are_bounded_when_made_and_after_a_step():
    model = DSAN(2, 9, embedding_dim=40, max_norm=0.7)
    free = DSAN(2, 9, embedding_dim=40, max_norm=None)
    tables = ("item_embedding", "position_embedding", "target")

    def longest(model):
        return [
            np.linalg.norm(getattr(model, name).get_weights()[0], axis=1).max()
            for name in tables
        ]

    assert min(longest(free)) > 2.0
    np.testing.assert_allclose(longest(model), 0.7, rtol=1e-5)
    model.compile(optimizer=keras.optimizers.SGD(10.0))
    before = model.get_weights()
    model.fit(FEATURES, np.eye(4, 3, dtype="float32"), verbose=0)
    assert max(longest(model)) < 0.7001
    for old, new in zip(before[:3], model.get_weights()[:3], strict=True):
        assert np.abs(old - new).max() > 1e-3


def test_dropout_acts_in_training_only():
    quiet = np.asarray(small()(FEATURES))
    none = small(dropout=0.0)
    np.testing.assert_array_equal(none(FEATURES, training=True), quiet)
    for name in ("query_dropout", "output_dropout", "user_dropout"):
        model = small(dropout=0.5)
        for other in ("query_dropout", "output_dropout", "user_dropout"):
            getattr(model, other).rate = 0.5 if other == name else 0.0
        keras.utils.set_random_seed(3)
        noisy = np.asarray(model(FEATURES, training=True))
        assert not np.allclose(noisy, quiet), name


def test_shuffled_ids_shuffle_the_scores():
    model = small()
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(9)])
    moved = small()
    table = model.item_embedding.get_weights()[0]
    shuffled = np.empty_like(table)
    shuffled[order] = table
    moved.item_embedding.set_weights([shuffled])
    renamed = {
        **FEATURES,
        "history": order[FEATURES["history"]],
        "candidates": order[FEATURES["candidates"]],
    }
    np.testing.assert_allclose(moved(renamed), model(FEATURES), rtol=1e-5)


def test_loss_at_the_start_is_that_of_chance():
    items, rows = 500, 64
    random = np.random.default_rng(0)
    model = DSAN(2, items)
    features = {
        "user": np.zeros(rows, "int32"),
        "history": random.integers(1, items + 1, (rows, 6)),
        "candidates": np.tile(np.arange(1, items + 1), (rows, 1)),
    }
    losses = keras.losses.sparse_categorical_crossentropy(
        random.integers(0, items, rows), model(features), from_logits=True
    )
    # Cosines of a temperature t add about 1 / (2 t^2 d) = 2.
    assert np.log(items) - 0.5 < np.mean(losses) < np.log(items) + 3.0


def test_learns_64_instances_by_heart():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    model = DSAN(2, 64, embedding_dim=16, dropout=0.0, max_length=5)
    history = random.integers(1, 65, (64, 5))
    features = {
        "user": np.zeros(64, "int32"),
        "history": history,
        "candidates": np.tile(np.arange(1, 65), (64, 1)),
    }
    target = random.permutation(64)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01, amsgrad=True),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    data = tf.data.Dataset.from_tensors((features, np.eye(64)[target]))
    model.fit(data.repeat(), steps_per_epoch=150, shuffle=False, verbose=0)
    assert np.all(np.asarray(model(features)).argmax(-1) == target)


def test_padding_and_an_empty_history_score_0():
    scores = np.asarray(small()(FEATURES))
    expected = FEATURES["candidates"] == 0
    expected[2] = True  # The empty history.
    np.testing.assert_array_equal(scores == 0, expected)


def test_a_longer_history_than_positions():
    history = np.ones((2, 6), "int32")
    with pytest.raises(ValueError, match="at most `max_length` long. Received"):
        DSAN(2, 9, max_length=5).encode({"history": history})
    DSAN(2, 9, max_length=6).encode({"history": history})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"dropout": 1.5}, "`dropout` must be between 0"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
        ({"max_norm": 0.0}, "`max_norm` must be between"),
        ({"temperature": 0.0}, "`temperature` must be between"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        DSAN(2, 9, **options)
