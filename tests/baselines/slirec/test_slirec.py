"""SLi_Rec against loops in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from baselines.slirec.slirec import SLiRec
from tests.reference.numpy_blocks import feed_forward
from tests.reference.numpy_blocks import named_weights
from tests.reference.numpy_blocks import sigmoid
from tests.reference.numpy_blocks import softmax
from tests.reference.numpy_blocks import target_attention
from tests.reference.numpy_time_lstm import time_lstm
from tests.testing import run_model_test

DAY = 86400
NOW = 1_500_000_007
HISTORY = np.array(
    [[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0], [9, 0, 0, 0]], "int32"
)
AGES = np.array([[9000, 4001, 4000, 3], [50, 2, 0, 0], [0] * 4, [1, 0, 0, 0]])
FEATURES = {
    "user": np.array([1, 2, 0, 1]),
    "history": HISTORY,
    "history_time": np.where(HISTORY > 0, NOW - AGES * DAY // 100, 0),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 3, 5]]),
    "candidate_time": np.full((4, 3), NOW),
}
CATEGORIES = np.array([0, 1, 2, 1, 0, 2, 2, 1, 1, 2])


def randomized(model, seed=0):
    """Gives every weight a random value; variances stay positive."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype == "float32":
            value = random.normal(scale=0.5, size=weight.shape)
            if "variance" in weight.path:
                value = np.square(value) + 0.5
            weight.assign(value)
    return model


def item_vectors(model):
    """Returns the vectors of all items; padding is zero."""
    weights = named_weights(model.item_embedding)
    vectors = weights["embeddings"]
    if model.category_dim:
        vectors = np.concatenate(
            [vectors, weights["category_embeddings"][CATEGORIES]], axis=1
        )
    return vectors * (np.arange(len(vectors)) > 0)[:, None]


def channels(model, times, now):
    """Returns ages and intervals of one history, in Python's integers."""
    ages, intervals = [], [0.0] * min(1, len(times))
    for i, time in enumerate(times):
        unit = model.time_scale
        ages.append(np.log(max((now - time) / unit, 0.5)))
        if i:
            interval = (time - times[i - 1]) / unit
            intervals.append(np.log(max(interval, 0.5)))
    if not model.use_time:
        return np.zeros(len(times)), np.zeros(len(times))
    return np.array(ages), np.array(intervals)


def expected_score(model, vectors, history, times, now, candidate):
    """Scores one candidate."""
    items, target = vectors[history], vectors[candidate]
    long_term = short_term = np.zeros(vectors.shape[1])
    ages, intervals = channels(model, times, now)
    last_age = 0.0
    if len(items):
        pooling = named_weights(model.pooling)
        logits = items @ pooling["kernel"] @ pooling["query"][:, 0]
        long_term = softmax(logits) @ items
        states = time_lstm(
            named_weights(model.recurrence), items, ages, intervals
        )
        weights = target_attention(
            named_weights(model.attention), states, target
        )
        short_term = weights @ states
        last_age = ages[-1]
    parts = [target, long_term, short_term, [last_age]]
    share = sigmoid(
        feed_forward(named_weights(model.blend), np.concatenate(parts))
    )
    user = share * long_term + (1 - share) * short_term
    return feed_forward(
        named_weights(model.network), np.concatenate([user, target])
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"time_scale": 600},
        {"use_time": False},
        {"category_dim": 3, "num_categories": 2},
    ],
)
def test_equals_numpy(options):
    model = randomized(SLiRec(2, 9, 5, **options))
    if "category_dim" in options:
        model.load_tables({"item_categories": CATEGORIES})
    vectors = item_vectors(model)
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(HISTORY):
        n = np.count_nonzero(history)
        times = [int(time) for time in FEATURES["history_time"][row, :n]]
        expected = [
            expected_score(model, vectors, history[:n], times, NOW, item)
            for item in FEATURES["candidates"][row]
        ]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Long term 272, LSTM 3,744, attention 8,977, blend 7,521 and
        # network 10,157.
        ({}, 30_671),
        ({"embedding_dim": 40}, 70_679),
        ({"use_time": False}, 30_671),
    ],
)
def test_parameter_count(options, expected):
    model = SLiRec(2, 9, **options)
    counts = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(counts) == expected + 10 * options.get("embedding_dim", 16)


def test_contract_without_times():
    model = randomized(SLiRec(2, 9, use_time=False))
    assert model.required_features == ()
    features = {k: x for k, x in FEATURES.items() if "time" not in k}
    run_model_test(model, features)


def scores_at(model, factor=1, shift=0):
    """Scores with all times multiplied and shifted."""
    changed = dict(FEATURES)
    for key in ("history_time", "candidate_time"):
        times = FEATURES[key]
        moved = NOW + (times - NOW) * factor + shift
        changed[key] = np.where(times > 0, moved, 0)
    return np.asarray(model(changed))


def test_only_differences_of_times_matter():
    model = randomized(SLiRec(2, 9))
    scores = np.asarray(model(FEATURES))
    np.testing.assert_array_equal(scores_at(model, shift=-987_654_321), scores)
    stretched = np.abs(scores_at(model, factor=3) - scores)
    assert stretched[[0, 1]].max(axis=1).min() > 1e-3


def test_seconds_are_told_apart():
    """A float32 holds seconds of today in steps of 128."""
    model = randomized(SLiRec(2, 9, time_scale=1))
    scores = []
    for age in (20, 13):
        times = FEATURES["history_time"].copy()
        times[0, 2:] = NOW - 30, NOW - age
        scores.append(np.asarray(model({**FEATURES, "history_time": times})))
    assert np.abs(scores[0] - scores[1])[0].max() > 1e-3


def test_blend_reads_the_age_of_the_last_event():
    """Columns of padding behind it change nothing."""
    model = randomized(SLiRec(2, 9))
    ages = np.asarray(model.encode(FEATURES)["last_age"])[:, 0]
    expected = np.log(np.maximum(AGES * 0.01, 0.5))[[0, 1, 3], [3, 1, 0]]
    np.testing.assert_allclose(ages[[0, 1, 3]], expected, rtol=1e-3)
    assert ages[2] == 0


def force_share(model, logit):
    """Makes the blend a constant."""
    output = model.blend.output_layer
    output.set_weights([np.zeros((40, 1)), np.array([logit])])


def test_long_term_alone_knows_no_order():
    model = randomized(SLiRec(2, 9))
    turned = {**FEATURES, "history": HISTORY.copy()}
    turned["history"][0] = HISTORY[0, ::-1]
    turned["history"][1, :2] = HISTORY[1, 1::-1]
    force_share(model, 60.0)
    np.testing.assert_allclose(
        model(turned), model(FEATURES), rtol=1e-4, atol=1e-4
    )
    force_share(model, -60.0)
    difference = np.asarray(model(turned)) - np.asarray(model(FEATURES))
    assert np.abs(difference[:2]).max(axis=1).min() > 1e-3


def gradients(model, features):
    labels = np.eye(4, 3, dtype="float32")
    model.compile()
    with tf.GradientTape() as tape:
        scores = model(features, training=True)
        loss = model.compute_loss(features, labels, scores)
    weights = [
        getattr(model.recurrence, f"{channel}_scale").value
        for channel in ("age", "interval")
    ]
    return [
        np.abs(np.asarray(gradient)).max()
        for gradient in tape.gradient(loss, weights)
    ]


def test_scales_of_times_learn_from_times_only():
    assert min(gradients(randomized(SLiRec(2, 9)), FEATURES)) > 0
    without = randomized(SLiRec(2, 9, use_time=False))
    assert max(gradients(without, FEATURES)) == 0
    # One event each: ages, but no interval.
    single = {**FEATURES, "history": HISTORY.copy()}
    single["history"][:, 1:] = 0
    single["history"][:, 0] = 3
    single["history_time"] = np.where(single["history"] > 0, NOW - 9 * DAY, 0)
    age, interval = gradients(randomized(SLiRec(2, 9)), single)
    assert age > 0
    assert interval == 0


def test_same_item_and_time_over_and_over_is_finite():
    model = randomized(SLiRec(2, 9))
    same = {**FEATURES, "history": np.full((4, 6), 3)}
    same["history_time"] = np.full((4, 6), NOW)
    model.compile()
    model.fit(same, np.eye(4, 3, dtype="float32"), verbose=0)
    assert np.all(np.isfinite(np.asarray(model(same))))


def test_padding_is_not_trained():
    model = SLiRec(2, 9)
    before = model.item_embedding.get_weights()[0]
    model.compile()
    model.fit(FEATURES, np.eye(4, 3, dtype="float32"), epochs=2, verbose=0)
    after = model.item_embedding.get_weights()[0]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[4], after[4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"dropout": -0.5}, "`dropout` must be between 0"),
        ({"time_scale": 0}, "`time_scale` must be at least 1"),
        ({"category_dim": 4}, "`category_dim` needs items with categories"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SLiRec(2, 9, **options)
