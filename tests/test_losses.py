"""The objectives against NumPy, and what Keras asks of a loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.losses import BayesianPersonalizedRanking
from mgnm_tf.losses import CatalogueSoftmax
from mgnm_tf.losses import GeneralizedCrossEntropy
from mgnm_tf.losses import SampledSoftmax
from mgnm_tf.losses import SigmoidCrossEntropy
from mgnm_tf.losses import get_loss

NUM_ITEMS = 40


def gbce(**options):
    return GeneralizedCrossEntropy(NUM_ITEMS, **options)


def bpr_mean(**options):
    return BayesianPersonalizedRanking("mean", **options)


LOSSES = [
    SigmoidCrossEntropy,
    SampledSoftmax,
    gbce,
    BayesianPersonalizedRanking,
    bpr_mean,
]


def sigmoid_row(labels, logits):
    """Binary cross-entropy of one row, in float64, one column at a time."""
    total = 0.0
    for label, logit in zip(labels, logits):
        if label == -1:
            continue
        probability = 1.0 / (1.0 + np.exp(-np.float64(logit)))
        total -= np.log(probability if label == 1 else 1.0 - probability)
    return total


def softmax_row(labels, logits):
    """Cross-entropy of the positives of one row over its counted columns."""
    counted = [c for c, label in enumerate(labels) if label != -1]
    weights = {c: np.exp(np.float64(logits[c])) for c in counted}
    total = sum(weights.values())
    return sum(-np.log(weights[c] / total) for c in counted if labels[c] == 1)


def gbce_row(labels, logits, calibration=0.75):
    """Equations of the gSASRec paper, with its own formula of beta."""
    sigmoid = 1.0 / (1.0 + np.exp(-np.asarray(logits, np.float64)))
    negatives = [c for c, label in enumerate(labels) if label == 0]
    alpha = len(negatives) / (NUM_ITEMS - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    total = sum(np.log(1 - sigmoid[c]) for c in negatives)
    for c, label in enumerate(labels):
        if label == 1:
            total += np.log(sigmoid[c] ** beta)
    return -total / (len(negatives) + 1)


def bpr_row(labels, logits):
    """Minus the logarithm of the mean sigmoid, weighted by the softmax."""
    (positive,) = (x for x, y in zip(logits, labels) if y == 1)
    negatives = np.float64([x for x, y in zip(logits, labels) if y == 0])
    if not len(negatives):
        return 0.0
    weights = np.exp(negatives) / np.exp(negatives).sum()
    return -np.log((weights / (1.0 + np.exp(negatives - positive))).sum())


def bpr_mean_row(labels, logits):
    """The mean over negatives of -log sigmoid(positive - negative)."""
    (positive,) = (x for x, y in zip(logits, labels) if y == 1)
    negatives = [x for x, y in zip(logits, labels) if y == 0]
    gaps = np.asarray([positive - x for x in negatives], np.float64)
    return np.log1p(np.exp(-gaps)).sum() / max(len(negatives), 1)


def test_the_softmax_of_all_items_is_the_sampled_one():
    loss = get_loss("softmax")
    assert type(loss) is CatalogueSoftmax
    assert loss.name == "softmax"


ORACLES = [
    (SigmoidCrossEntropy, sigmoid_row),
    (SampledSoftmax, softmax_row),
    (gbce, gbce_row),
    (BayesianPersonalizedRanking, bpr_row),
    (bpr_mean, bpr_mean_row),
]


def made_labels(random, batch=5, candidates=7):
    labels = random.choice([0.0, 0.0, -1.0], size=(batch, candidates))
    labels[:, 0] = 1.0
    return labels


@pytest.mark.parametrize(("loss", "oracle"), ORACLES)
def test_equals_oracle(loss, oracle):
    random = np.random.default_rng(0)
    labels = made_labels(random)
    logits = random.normal(scale=3.0, size=labels.shape)
    expected = [oracle(*row) for row in zip(labels, logits)]
    values = loss(reduction=None)(labels, logits)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    np.testing.assert_allclose(
        loss()(labels, logits), np.mean(expected), rtol=1e-5
    )


@pytest.mark.parametrize(("loss", "oracle"), ORACLES)
def test_levels_are_summed(loss, oracle):
    random = np.random.default_rng(1)
    labels = made_labels(random)
    logits = random.normal(size=(5, 3, 7))
    expected = [
        sum(oracle(labels[row], level) for level in logits[row])
        for row in range(5)
    ]
    np.testing.assert_allclose(
        loss(reduction=None)(labels, logits), expected, rtol=1e-5
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("levels", [False, True])
def test_ignored_columns_have_no_effect_and_no_gradient(loss, levels):
    labels = np.array([[1.0, 0.0, -1.0, 0.0]])
    logits = np.array([[0.3, -0.2, 5.0, 0.1]], "float32")
    changed = np.array([[0.3, -0.2, -9.0, 0.1]], "float32")
    if levels:
        logits, changed = logits[:, None], changed[:, None]
    assert float(loss()(labels, logits)) == float(loss()(labels, changed))
    counted = np.array([[1.0, 0.0, 0.0, 0.0]])
    assert float(loss()(counted, logits)) != float(loss()(labels, logits))
    scores = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = loss()(labels, scores)
    gradient = tape.gradient(value, scores).numpy().ravel()
    assert gradient[2] == 0.0
    assert np.all(gradient[[0, 1, 3]] != 0.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_row_without_counted_columns_is_zero(loss):
    scores = tf.constant([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = loss()(np.array([[-1.0, -1.0]]), scores)
    assert float(value) == 0.0
    np.testing.assert_array_equal(tape.gradient(value, scores), [[0.0, 0.0]])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("extreme", [1e4, -1e4, 1e30, -1e30])
def test_extreme_logits_have_finite_loss_and_gradient(loss, extreme):
    labels = np.array([[1.0, 0.0, -1.0]])
    scores = tf.constant([[extreme, -extreme, extreme]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = loss()(labels, scores)
    gradient = tape.gradient(value, scores).numpy()
    assert np.isfinite(float(value))
    assert np.all(np.isfinite(gradient))
    if (
        extreme < 0 and loss is not gbce
    ):  # The positive loses against a negative: full gradient.
        np.testing.assert_allclose(gradient, [[-1.0, 1.0, 0.0]])
        assert float(value) >= -extreme


@pytest.mark.parametrize("loss", LOSSES)
def test_float16_logits_are_computed_in_float32(loss):
    random = np.random.default_rng(2)
    labels = made_labels(random, candidates=600)
    logits = random.normal(scale=20.0, size=labels.shape).astype("float16")
    half = loss()(labels.astype("float16"), tf.constant(logits))
    assert half.dtype == "float32"
    np.testing.assert_allclose(
        half, loss()(labels, logits.astype("float64")), rtol=1e-5
    )
    direct = loss().call(tf.constant(labels), tf.constant(logits))
    assert direct.dtype == "float32"


@pytest.mark.parametrize(("loss", "oracle"), ORACLES)
def test_sample_weight(loss, oracle):
    random = np.random.default_rng(3)
    labels = made_labels(random)
    logits = random.normal(size=labels.shape)
    weights = np.array([0.0, 1.0, 2.0, 0.5, 0.0])
    expected = [oracle(*row) for row in zip(labels, logits)] * weights
    np.testing.assert_allclose(
        loss()(labels, logits, sample_weight=weights),
        expected.sum() / 5,
        rtol=1e-5,
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_config_round_trip(loss):
    original = loss(name="other", reduction="sum")
    config = keras.saving.serialize_keras_object(original)
    assert config["registered_name"] == f"mgnm_tf>{type(original).__name__}"
    restored = keras.saving.deserialize_keras_object(config)
    assert type(restored) is type(original)
    assert restored.get_config() == original.get_config()
    assert (restored.name, restored.reduction) == ("other", "sum")


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("bce", SigmoidCrossEntropy),
        ("bpr", BayesianPersonalizedRanking),
        ("sampled_softmax", SampledSoftmax),
        ("gbce", GeneralizedCrossEntropy),
    ],
)
def test_get_loss(name, loss):
    assert type(get_loss(name, NUM_ITEMS)) is loss


def test_gbce_needs_the_size_of_the_catalogue():
    with pytest.raises(TypeError, match="`num_items`.*Received"):
        get_loss("gbce")


@pytest.mark.parametrize("calibration", [0.0, 0.4, 1.0])
def test_calibration(calibration):
    random = np.random.default_rng(4)
    labels = made_labels(random)
    logits = random.normal(size=labels.shape)
    expected = [gbce_row(*row, calibration) for row in zip(labels, logits)]
    loss = gbce(calibration=calibration, reduction=None)
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="`calibration`"):
        gbce(calibration=1.1)


def test_uncalibrated_with_the_whole_catalogue_is_the_mean_of_the_paper():
    random = np.random.default_rng(5)
    labels = np.zeros((3, NUM_ITEMS))
    labels[:, 2] = 1.0
    logits = random.normal(size=labels.shape)
    expected = SigmoidCrossEntropy()(labels, logits) / NUM_ITEMS
    for calibration in (0.0, 1.0):
        value = gbce(calibration=calibration)(labels, logits)
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_calibrated_probabilities_are_those_of_the_draw():
    """The minimum over one logit shared by positive and negatives.

    With t = 1 an item that is the positive with the probability p, and is
    otherwise drawn at the rate alpha, ends with sigmoid(s) = p.
    """
    probability, drawn = 0.2, 9
    alpha = drawn / (NUM_ITEMS - 1)
    grid = np.linspace(-6, 6, 4001)
    rows = np.zeros((len(grid), 1 + drawn))
    rows[:, 1:] = -50.0
    rows[:, 0] = grid
    positive = np.array([[1.0] + [0.0] * drawn]).repeat(len(grid), 0)
    seen = gbce(calibration=1.0, reduction=None)
    cost = probability * np.asarray(seen(positive, rows))
    rows[:, 0], rows[:, 1] = -50.0, grid
    as_negative = np.asarray(seen(positive, rows))
    cost += (1 - probability) * alpha * (as_negative - as_negative.min())
    best = grid[cost.argmin()]
    assert 1 / (1 + np.exp(-best)) == pytest.approx(probability, abs=0.01)


def test_with_one_negative_the_weighting_of_bpr_is_nothing():
    random = np.random.default_rng(0)
    logits = random.normal(scale=3.0, size=(5, 2))
    labels = np.array([[1.0, 0.0]] * 5)
    np.testing.assert_allclose(
        BayesianPersonalizedRanking()(labels, logits),
        bpr_mean()(labels, logits),
        rtol=1e-6,
    )
    with pytest.raises(ValueError, match="Did you mean 'mean'"):
        BayesianPersonalizedRanking("meam")


def test_unknown_name():
    with pytest.raises(ValueError, match="Did you mean 'sampled_softmax'"):
        get_loss("sampled_softmx")
