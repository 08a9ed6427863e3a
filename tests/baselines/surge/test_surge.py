"""SURGE against NumPy, and its properties."""

import numpy as np
import pytest
import tensorflow as tf

from baselines.surge.surge import SURGE
from tests.reference import numpy_surge as oracle

HISTORY = np.array(
    [
        [4, 5, 1, 6, 9, 2, 3],
        [7, 8, 2, 1, 3, 0, 0],
        [5, 6, 3, 0, 0, 0, 0],
        [8, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
)
FEATURES = {
    "user": np.array([1, 2, 0, 1, 2]),
    "history": HISTORY,
    "candidates": np.array(
        [[1, 2, 3], [4, 5, 6], [7, 8, 9], [8, 2, 1], [3, 5, 7]]
    ),
}
POOL_LENGTH = 4


def randomized(seed=0, **options):
    """Returns a model without a weight that is 0 or 1."""
    options = {"embedding_dim": 6, "pool_length": POOL_LENGTH, **options}
    model = SURGE(2, 9, **options)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, size=weight.shape))
        elif weight.path != "item_embedding/item_categories":
            weight.assign(random.normal(scale=0.5, size=weight.shape))
    return model


def named(model):
    return {w.path: np.array(w, dtype="float64") for w in model.weights}


def gradients(model, features, weights):
    """Returns gradients of a form of the training scores."""
    with tf.GradientTape() as tape:
        scores = model(features, training=True)
        factors = np.random.default_rng(0).normal(size=scores.shape)
        form = tf.reduce_sum(scores * factors.astype("float32"))
    return tape.gradient(form, [weight.value for weight in weights])


def pooled(model, features):
    """Returns the weights (B, C, m) of the kept nodes."""
    found = []
    pooling = model.pooling

    def remember(*args, **kwargs):
        found.append(pooling(*args, **kwargs))
        return found[-1]

    object.__setattr__(model, "pooling", remember)
    model(features)
    object.__setattr__(model, "pooling", pooling)
    return np.asarray(found[0])


@pytest.mark.parametrize("augru", ["surge", "dien"])
@pytest.mark.parametrize("hidden_dim", [None, 5])
@pytest.mark.parametrize("category_dim", [0, 2])
def test_equals_numpy(augru, hidden_dim, category_dim):
    model = randomized(
        hidden_dim=hidden_dim,
        augru=augru,
        num_categories=3,
        category_dim=category_dim,
    )
    if category_dim:
        categories = np.array([0, 1, 2, 3, 0, 1, 2, 3, 1, 2])
        model.load_tables({"item_categories": categories})
    weights = named(model)
    table = weights["item_embedding/embeddings"]
    if category_dim:
        of_category = weights["item_embedding/category_embeddings"]
        table = np.concatenate([table, of_category[categories]], axis=1)
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(HISTORY):
        for column, item in enumerate(FEATURES["candidates"][row]):
            expected = oracle.score(
                weights,
                table[history[history > 0]],
                table[item],
                POOL_LENGTH,
                augru,
            )
            np.testing.assert_allclose(
                scores[row, column], expected, rtol=1e-3, atol=1e-4
            )


@pytest.mark.parametrize(
    ("embedding_dim", "expected"), [(16, 42_144), (40, 88_320)]
)
def test_parameter_count(embedding_dim, expected):
    model = SURGE(2, 9, embedding_dim=embedding_dim)
    count = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert count + embedding_dim == expected + 10 * embedding_dim
    statistics = 3 * 240 + 328
    assert model.count_params() == expected + 10 * embedding_dim + statistics


def test_pool_length_follows_the_longest_history_not_the_batch():
    assert SURGE(2, 9, max_length=50).pooling.pool_length == 30
    assert SURGE(2, 9, max_length=15).pooling.pool_length == 9
    assert SURGE(2, 9, max_length=1).pooling.pool_length == 1
    assert SURGE(2, 9, max_length=50, pool_length=7).pooling.pool_length == 7
    model = randomized()
    padded = {**FEATURES, "history": np.pad(HISTORY, [(0, 0), (0, 5)])}
    np.testing.assert_allclose(model(padded), model(FEATURES), atol=1e-5)


def test_encode_does_not_read_candidates():
    model = randomized()
    features = {key: FEATURES[key] for key in ("user", "history")}
    np.testing.assert_array_equal(
        model.score(model.encode(features), FEATURES["candidates"]),
        model(FEATURES),
    )


def test_the_best_nodes_are_kept_and_all_of_a_short_history():
    model = randomized()
    kept = pooled(model, FEATURES) > 0
    lengths = (HISTORY > 0).sum(axis=1)
    np.testing.assert_array_equal(
        kept.sum(axis=-1),
        np.repeat(np.minimum(lengths, POOL_LENGTH)[:, None], 3, axis=1),
    )
    assert not (kept & (HISTORY == 0)[:, None]).any()
    assert (kept[0] != kept[0, 0]).any() or (kept[0, 0, :-POOL_LENGTH]).any()


def test_order_matters_to_the_recurrence_alone():
    model = randomized()
    full = slice(0, 1)  # Without padding.
    turned = {**FEATURES, "history": HISTORY.copy()}
    turned["history"][full] = HISTORY[full, ::-1]
    outputs = []
    for features in (FEATURES, turned):
        weights = pooled(model, features)
        nodes = model.encode(features)["nodes"]
        outputs.append((weights @ nodes, model(features)))
    np.testing.assert_allclose(
        outputs[0][0][full], outputs[1][0][full], rtol=1e-4, atol=1e-6
    )
    difference = np.abs(outputs[0][1][full] - outputs[1][1][full])
    assert difference.min() > 1e-3


def test_the_metric_is_drawn_and_not_learned():
    model = randomized()
    metric = model.graph.metric
    assert all(weight is not metric for weight in model.trainable_weights)
    assert gradients(model, FEATURES, [metric]) == [None]
    before = np.asarray(model(FEATURES))
    metric.assign(np.arange(-3.0, 3.0)[None])
    assert np.abs(before - np.asarray(model(FEATURES))).max() > 1e-3


def test_query_attention_learns_through_the_weights_of_nodes():
    model = randomized()
    weight = model.query_attention.key_kernel
    (gradient,) = gradients(model, FEATURES, [weight])
    assert np.abs(gradient).max() > 1e-6
    # Without the readout nothing is left: the state does not depend on the
    # weights of the nodes, only on which are kept.
    kernel = np.array(model.network.kernel)
    kernel[6:] = 0
    model.network.kernel.assign(kernel)
    (gradient,) = gradients(model, FEATURES, [weight])
    np.testing.assert_array_equal(gradient, np.zeros((6, 6)))


def test_a_history_of_one_item_repeated_is_finite():
    model = randomized()
    repeated = {**FEATURES, "history": np.full((5, 7), 3)}
    assert np.all(np.isfinite(model(repeated)))
    kept = pooled(model, repeated) > 0
    np.testing.assert_array_equal(kept.sum(axis=-1), POOL_LENGTH)
    # Of nodes that are alike, the newest.
    assert kept[..., -POOL_LENGTH:].all()
    for gradient in gradients(model, repeated, model.trainable_weights):
        assert np.all(np.isfinite(tf.convert_to_tensor(gradient)))


def test_sizes_of_one():
    model = randomized()
    one = {
        "user": np.array([1]),
        "history": np.array([[3]]),
        "candidates": np.array([[4]]),
    }
    assert np.isfinite(model(one)).all()


def test_padding_is_not_trained():
    model = SURGE(2, 9)
    before = model.item_embedding.get_weights()[0]
    model.compile()
    labels = np.eye(5, 3, dtype="float32")
    model.fit(FEATURES, labels, epochs=2, verbose=0)
    after = model.item_embedding.get_weights()[0]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[4], after[4])


def test_padding_stays_out_of_the_statistics():
    means = []
    for columns in (0, 4):
        model = randomized()
        padded = np.pad(HISTORY, [(0, 0), (0, columns)])
        model({**FEATURES, "history": padded}, training=True)
        means.append(
            [w for path, w in named(model).items() if "moving_" in path]
        )
    for ours, theirs in zip(*means):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_augru_variants_differ():
    scores = [
        np.asarray(randomized(augru=augru)(FEATURES))
        for augru in ("surge", "dien")
    ]
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_names_the_categories_it_needs():
    assert randomized().required_tables == ()
    model = randomized(num_categories=2, category_dim=2)
    assert model.required_tables == ("item_categories",)
    assert model.item_embedding.output_dim == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"hidden_dim": 0}, "`hidden_dim` must be at least 1"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
        ({"pool_length": 0}, "`pool_length` must be at least 1"),
        ({"augru": "gru"}, "Unknown augru 'gru'"),
        ({"category_dim": 2}, "`category_dim` needs items with categories"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SURGE(2, 9, **options)
