"""MIND against a forward pass in NumPy."""

import keras
import numpy as np
import pytest

from baselines.mind import MIND
from tests.baselines import multi_interest as shared
from tests.baselines.multi_interest import FEATURES
from tests.baselines.multi_interest import ROWS
from tests.baselines.multi_interest import items_of
from tests.baselines.multi_interest import randomized
from tests.reference.numpy_routing import route


def forward(model, row, noise=None, coupling=False):
    """Returns the interests (K, d) of a row of `FEATURES`.

    With `coupling`, the last couplings (K, n) instead. `noise` (K, n) belongs
    to the items from the oldest to the newest; `None` for the table of the
    model.
    """
    items = items_of(row)
    length = len(items)
    if noise is None:
        noise = np.asarray(model.noise)[:, :length][:, ::-1]
    seen = shared.table(model)[items] @ np.asarray(model.projection.kernel)
    active = model.num_interests
    if model.dynamic_interests:
        active = max(1, min(active, int(np.log2(max(length, 1)))))
    interests = route(
        np.repeat(seen[:, None], model.num_interests, axis=1),
        noise.T,
        model.routing_iterations,
        active,
        coupling,
    )
    if model.relu_layer and not coupling:
        kernel, bias = model.output_layer.get_weights()
        interests = np.maximum(interests @ kernel + bias, 0.0)
    interests[active:] = interests[0]
    return interests


@pytest.mark.parametrize("relu_layer", [True, False])
@pytest.mark.parametrize("dynamic_interests", [True, False])
@pytest.mark.parametrize("routing_iterations", [1, 3])
def test_equals_numpy(relu_layer, dynamic_interests, routing_iterations):
    model = randomized(
        MIND(
            2,
            9,
            embedding_dim=5,
            num_interests=3,
            routing_iterations=routing_iterations,
            relu_layer=relu_layer,
            dynamic_interests=dynamic_interests,
        )
    )
    shared.check_scores(model, [forward(model, row) for row in ROWS])


@pytest.mark.parametrize("dynamic_interests", [True, False])
def test_history_attention(dynamic_interests):
    model = randomized(
        MIND(
            2,
            9,
            embedding_dim=5,
            num_interests=3,
            dynamic_interests=dynamic_interests,
        )
    )
    shared.check_attention(
        model, [forward(model, row, coupling=True) for row in ROWS]
    )


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 1), (3, 1), (4, 2), (7, 2), (8, 3), (32, 4)]
)
def test_dynamic_interests(length, expected):
    """A history of n items has floor(log2(n)) interests, 1 to K."""
    model = randomized(MIND(2, 40, dynamic_interests=True, relu_layer=False))
    history = np.zeros((1, 33), "int32")
    history[0, :length] = np.arange(1, length + 1)
    interests = np.asarray(model.interests({"history": history}))[0]
    assert len(np.unique(interests.round(6), axis=0)) == expected
    np.testing.assert_array_equal(
        interests[expected:], np.repeat(interests[:1], 4 - expected, axis=0)
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # d^2, and d^2 + d with the ReLU layer.
        ({}, 528),
        ({"relu_layer": False}, 256),
        ({"embedding_dim": 40}, 3240),
        ({"embedding_dim": 40, "relu_layer": False}, 1600),
        ({"num_interests": 7}, 528),
    ],
)
def test_parameter_count(options, expected):
    model = MIND(2, 9, max_length=50, **options)
    trainable = sum(np.prod(w.shape) for w in model.trainable_weights)
    assert trainable == expected + 10 * options.get("embedding_dim", 16)
    assert model.noise.shape == (options.get("num_interests", 4), 50)


def test_only_noise_tells_interests_apart():
    model = randomized(MIND(2, 9))
    assert np.ptp(model.interests(FEATURES), axis=1).max() > 0.01
    model.noise.assign(np.zeros(model.noise.shape))
    assert np.ptp(model.interests(FEATURES), axis=1).max() == 0


def test_noise_belongs_to_the_distance_from_the_newest_item():
    model = randomized(MIND(2, 9))
    before = np.asarray(model.interests(FEATURES))
    noise = model.noise.numpy()
    noise[0, 3] += 5.0
    model.noise.assign(noise)
    changed = np.ptp(np.asarray(model.interests(FEATURES)) - before, axis=2)
    assert changed[0].max() > 1e-3  # four items
    assert changed[1:].max() == 0


def test_older_items_share_the_last_noise():
    model = randomized(MIND(2, 9, max_length=2))
    longer = randomized(MIND(2, 9, max_length=4))
    noise = model.noise.numpy()
    longer.noise.assign(noise[:, [0, 1, 1, 1]])
    np.testing.assert_array_equal(model(FEATURES), longer(FEATURES))


def test_training_draws_noise():
    model = randomized(MIND(2, 9))
    quiet = np.asarray(model(FEATURES))
    noisy = [np.asarray(model(FEATURES, training=True)) for _ in range(2)]
    assert not np.allclose(noisy[0], noisy[1])
    np.testing.assert_array_equal(quiet, np.asarray(model(FEATURES)))
    options = {"fixed_noise": True, "training_interests": "max"}
    fixed = randomized(MIND(2, 9, **options))
    np.testing.assert_array_equal(
        fixed(FEATURES, training=True), fixed(FEATURES)
    )


def test_training_draws_for_each_row_and_item(monkeypatch):
    drawn = np.random.default_rng(5).normal(size=(4, 3, 4))

    def draw(shape, **kwargs):
        assert tuple(shape) == drawn.shape
        return drawn.astype("float32")

    sizes = {"embedding_dim": 5, "num_interests": 3}
    model = randomized(MIND(2, 9, **sizes, training_interests="max"))
    monkeypatch.setattr(keras.random, "truncated_normal", draw)
    scores = np.asarray(model(FEATURES, training=True))
    for row in ROWS:
        noise = drawn[row, :, : len(items_of(row))][:, ::-1]
        vectors = shared.table(model)[FEATURES["candidates"][row]]
        products = vectors @ forward(model, row, noise).T
        np.testing.assert_allclose(
            scores[row], products.max(axis=1), rtol=1e-4, atol=1e-5
        )


def test_seed_fixes_all_noise():
    def noise(seed):
        model = randomized(MIND(2, 9, seed=seed))
        training = np.asarray(model(FEATURES, training=True))
        return model.noise.numpy(), training

    keras.utils.set_random_seed(1)
    table, training = noise(4)
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(noise(4)[0], table)
    np.testing.assert_array_equal(noise(4)[1], training)
    assert not np.array_equal(noise(5)[0], table)


def test_order_matters_by_the_noise_alone():
    model = randomized(MIND(2, 9))
    turned = shared.permuted(FEATURES["history"])
    assert not np.allclose(model(turned), model(FEATURES))
    noise = model.noise.numpy()
    model.noise.assign(np.repeat(noise[:, :1], 100, axis=1))
    np.testing.assert_allclose(model(turned), model(FEATURES), rtol=1e-5)


def test_interests_are_shorter_than_1_without_the_relu_layer():
    model = randomized(MIND(2, 9, relu_layer=False))
    model.item_embedding.embeddings.assign(
        10.0 * model.item_embedding.embeddings
    )
    lengths = np.linalg.norm(model.interests(FEATURES), axis=-1)
    assert 0.9 < lengths.max() <= 1.0


def test_gradient_reaches_the_projection_and_the_history():
    found = shared.gradients(randomized(MIND(2, 9, relu_layer=False)))
    assert np.any(found["projection/kernel"])
    candidates_only = dict(FEATURES, candidates=np.full((4, 3), 1))
    model = randomized(MIND(2, 9, relu_layer=False))
    rows = shared.gradients(model, candidates_only)["item_embedding/embeddings"]
    assert np.all(np.any(rows[3:], axis=1))
    assert not np.any(rows[2])


@pytest.mark.parametrize("dynamic_interests", [True, False])
def test_padding(dynamic_interests):
    model = randomized(MIND(2, 9, dynamic_interests=dynamic_interests))
    shared.check_padding(model)
    shared.check_repeated_item(model)


@pytest.mark.parametrize(
    "name",
    ["embedding_dim", "num_interests", "routing_iterations", "max_length"],
)
def test_wrong_arguments(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        MIND(2, 9, **{name: 0})
