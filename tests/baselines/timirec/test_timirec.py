"""TiMiRec, TiMiRec+ and ComiRec+ against NumPy, and what they promise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.timirec.comirec_plus import ComiRecPlus
from baselines.timirec.timirec import TiMiRec
from baselines.timirec.timirec_plus import TiMiRecPlus
from mgnm_tf.losses import get_loss
from tests.baselines import multi_interest as shared
from tests.baselines.multi_interest import FEATURES
from tests.baselines.multi_interest import ROWS
from tests.baselines.multi_interest import items_of
from tests.baselines.multi_interest import randomized
from tests.reference import numpy_timirec as oracle

LABELS = np.array([[1.0, 0.0, 0.0]] * 4, "float32")
SMALL = {"embedding_dim": 5, "num_interests": 3, "hidden_dim": 4}


def weights_of(model):
    return {w.path: np.asarray(w, "float64") for w in model.trainable_weights}


def extracted(model, row):
    """Returns interests (K, d) and weights (K, n) of a row of `FEATURES`."""
    items = items_of(row)
    vectors = shared.table(model)[items]
    if model.temperature is not None:
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if not len(items):
        count = model.num_interests
        return np.zeros((count, model.embedding_dim)), np.zeros((count, 0))
    return oracle.extract(
        vectors,
        weights_of(model),
        "extractor/",
        model.extractor.positions,
        model.extractor.transformer,
    )


def logits_of(model, row):
    return oracle.predict(
        items_of(row),
        weights_of(model),
        "predictor/",
        model.predictor.num_layers,
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"transformer": False}, {"positions": False}, {"hidden_dim": 6}],
)
def test_comirec_plus_equals_numpy(options):
    model = randomized(ComiRecPlus(2, 9, **{**SMALL, **options}))
    found = [extracted(model, row) for row in ROWS]
    shared.check_scores(model, [interests for interests, _ in found])
    attention = np.asarray(model.history_attention(FEATURES))
    for row, (_, weights) in enumerate(found):
        length = weights.shape[1]
        np.testing.assert_allclose(
            attention[row, :, :length], weights, rtol=1e-4, atol=1e-6
        )
        assert not attention[row, :, length:].any()
    shared.check_padding(model)


def test_comirec_plus_trains_the_interest_nearest_to_the_positive():
    model = randomized(ComiRecPlus(2, 9, **SMALL))
    scores = np.asarray(model(FEATURES, training=True))
    vectors = shared.table(model)
    for row, candidates in enumerate(FEATURES["candidates"]):
        interests = extracted(model, row)[0]
        own = interests[np.argmax(interests @ vectors[candidates[0]])]
        np.testing.assert_allclose(
            scores[row], vectors[candidates] @ own, rtol=1e-4, atol=1e-5
        )
    one = randomized(ComiRecPlus(2, 9, 5, 1))
    np.testing.assert_allclose(
        one(FEATURES, training=True), one(FEATURES), rtol=1e-5, atol=1e-6
    )


def test_the_order_of_the_interests_is_nothing():
    model = randomized(ComiRecPlus(2, 9, **SMALL))
    before = np.asarray(model(FEATURES))
    kernel, bias = model.extractor.attention.get_weights()
    turned = [1, 2, 0]
    model.extractor.attention.set_weights([kernel[:, turned], bias[turned]])
    np.testing.assert_allclose(model(FEATURES), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "cls, options",
    [
        (TiMiRec, {}),
        (TiMiRec, {"positions": False, "num_layers": 1}),
        (TiMiRecPlus, {"num_layers": 3}),
        (TiMiRec, {"temperature": 0.5, "interest_bias": True}),
    ],
)
def test_timirec_equals_numpy(cls, options):
    model = randomized(cls(2, 9, **SMALL, **options))
    scores = np.asarray(model(FEATURES))
    shares = np.asarray(model.interest_distribution(FEATURES))
    mixed = np.asarray(model.mixed_interests(FEATURES))
    vectors = shared.table(model)
    if model.temperature is not None:
        norms = np.linalg.norm(vectors[1:], axis=1, keepdims=True)
        vectors[1:] /= norms
    for row, candidates in enumerate(FEATURES["candidates"]):
        interests = extracted(model, row)[0]
        if model.temperature is not None:
            interests = interests + np.asarray(model.scale.bias)
            norms = np.linalg.norm(interests, axis=1, keepdims=True)
            interests = interests / norms / model.temperature
        close = {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(mixed[row], interests, **close)
        expected = oracle.softmax(logits_of(model, row))
        np.testing.assert_allclose(shares[row], expected, **close)
        user = expected @ interests
        np.testing.assert_allclose(
            scores[row], vectors[candidates] @ user, **close
        )
        np.testing.assert_allclose(
            model.interests(FEATURES)[row], user[None], **close
        )
    np.testing.assert_array_equal(
        model.history_attention(FEATURES)[3], np.zeros((3, 4))
    )
    assert model.interest_labels() == [(0, 1), (0, 2), (0, 3)]


# An empty history has no cosine; the others have.
SEEN = {key: value[:3] for key, value in FEATURES.items()}


def distilled(model, features=SEEN):
    """Returns the loss that a training step adds."""
    model(features, training=True)
    return float(sum(model.losses))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_the_divergence_equals_numpy(temperature):
    model = randomized(
        TiMiRecPlus(
            2,
            9,
            **SMALL,
            distillation_temperature=temperature,
            predictor_dropout=0.0,
        )
    )
    expected = [
        oracle.divergence(
            extracted(model, row)[0],
            logits_of(model, row),
            shared.table(model)[SEEN["candidates"][row, 0]],
            temperature,
        )
        for row in range(3)
    ]
    assert distilled(model) == pytest.approx(np.mean(expected), rel=1e-4)
    model(SEEN)
    assert not model.losses


def test_the_divergence_is_zero_where_the_prediction_is_right():
    model = randomized(TiMiRec(2, 9, **SMALL, predictor_dropout=0.0))
    one = {key: value[:1] for key, value in FEATURES.items()}
    assert distilled(model, one) > 0.0
    interests = extracted(model, 0)[0]
    positive = shared.table(model)[one["candidates"][0, 0]]
    norms = np.linalg.norm(interests, axis=1) * np.linalg.norm(positive)
    output = model.predictor.output_layer
    output.kernel.assign(np.zeros((5, 3)))
    output.bias.assign(interests @ positive / norms + 7.0)
    assert distilled(model, one) == pytest.approx(0.0, abs=1e-6)
    output.bias.assign(output.bias + np.array([0.0, 0.1, 0.0]))
    assert distilled(model, one) > 1e-5


def test_the_positive_changes_the_loss_and_no_score():
    model = randomized(TiMiRec(2, 9, **SMALL, predictor_dropout=0.0))
    other = {**SEEN, "candidates": SEEN["candidates"][:, ::-1].copy()}
    assert abs(distilled(model) - distilled(model, other)) > 1e-4
    scores = np.asarray(model(SEEN))
    np.testing.assert_allclose(model(other)[:, ::-1], scores, rtol=1e-5)
    np.testing.assert_allclose(
        model(SEEN, training=True), scores, rtol=1e-4, atol=1e-5
    )


def test_a_constant_prediction_is_the_mean_interest():
    model = randomized(TiMiRec(2, 9, **SMALL))
    output = model.predictor.output_layer
    output.set_weights([np.zeros((5, 3)), np.full(3, 0.7)])
    mean = np.mean([extracted(model, row)[0] for row in ROWS], axis=1)
    products = np.einsum(
        "bd,bcd->bc", mean, shared.table(model)[FEATURES["candidates"]]
    )
    np.testing.assert_allclose(model(FEATURES), products, rtol=1e-4, atol=1e-5)


def gradients(model, of):
    """Returns path -> gradient, None for none, of a part of the loss."""
    model.compile(loss=get_loss("bpr"))
    with tf.GradientTape() as tape:
        scores = model(SEEN, training=True)
        losses = {
            "added": sum(model.losses),
            "scores": model.loss(LABELS[:3], scores),
        }
    weights = model.trainable_weights
    found = tape.gradient(losses[of], [weight.value for weight in weights])
    return {
        weight.path: None
        if gradient is None
        else tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(weights, found)
    }


def test_the_distillation_teaches_the_predictor_alone():
    for cls in (TiMiRec, TiMiRecPlus):
        model = randomized(cls(2, 9, **SMALL))
        for path, gradient in gradients(model, "added").items():
            if path.startswith("predictor/"):
                assert np.any(gradient), path
            else:
                assert gradient is None, path
        for path, gradient in gradients(model, "scores").items():
            inert = ("extractor/attention/bias", "key/bias")
            if not path.endswith(inert):
                assert np.any(gradient), path


def test_the_full_gradient_reaches_interests_and_positives():
    """It is that of T^2 KL, with p log p, by finite differences."""
    options = {**SMALL, "predictor_dropout": 0.0}
    stopped = randomized(TiMiRec(2, 9, **options))
    model = randomized(TiMiRec(2, 9, **options, distillation="full_gradient"))
    assert distilled(model) == pytest.approx(distilled(stopped))
    found = gradients(model, "added")
    table = "item_embedding/embeddings"
    assert np.any(found[table][1])
    weight = model.item_embedding.embeddings
    value = np.asarray(weight)
    ends = []
    for step in (-1e-2, 1e-2):
        moved = value.copy()
        moved[1, 2] += step
        weight.assign(moved)
        ends.append(distilled(model))
    assert found[table][1, 2] == pytest.approx(
        (ends[1] - ends[0]) / 2e-2, rel=0.02
    )
    assert np.any(found["extractor/hidden_layer/kernel"])


def test_without_distillation_nothing_is_added():
    model = randomized(TiMiRec(2, 9, **SMALL, distillation="none"))
    model(SEEN, training=True)
    assert not model.losses
    one = randomized(TiMiRec(2, 9, 5, 1, distillation="none"))
    np.testing.assert_array_equal(one.interest_distribution(FEATURES), 1.0)


def test_the_loss_of_a_step_has_both_parts():
    model = randomized(TiMiRec(2, 9, **SMALL, predictor_dropout=0.0))
    model.compile(loss=get_loss("bpr"), optimizer=keras.optimizers.SGD(0.0))
    data = tf.data.Dataset.from_tensors((SEEN, LABELS[:3]))
    found = model.fit(data, shuffle=False, verbose=0).history["loss"][0]
    scores = model(SEEN)
    plain = float(model.loss(LABELS[:3], scores))
    assert found == pytest.approx(plain + distilled(model), rel=1e-5)
    assert model.evaluate(data, verbose=0) == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize(
    "cls, transformer",
    [(TiMiRec, False), (TiMiRecPlus, True), (ComiRecPlus, True)],
)
def test_parameter_count(cls, transformer):
    d, h, k, length, items = 6, 3, 2, 9, 20
    model = cls(2, items, d, k, h, max_length=length)
    count = (items + 1) * d + (length + 1) * d + d * h + h + h * k + k
    if transformer:
        count += 5 * (d * d + d) + 4 * d
    if cls is not ComiRecPlus:
        count += (items + 2) * d + 6 * d * d + 6 * d
        count += (d * d + d) + d * k + k
    assert model.count_params() == count


def test_the_count_of_the_published_log():
    assert TiMiRecPlus(1, 3706, 64, 2).count_params() == 526_748


def test_first_values():
    for cls in (TiMiRec, ComiRecPlus):
        model = cls(2, 500)
        table = np.asarray(model.item_embedding.embeddings)
        assert np.std(table) == pytest.approx(0.01, rel=0.1)


def test_dropout_is_that_of_the_extractors_items():
    for cls in (TiMiRec, ComiRecPlus):
        dropped = {"distillation": "none", "predictor_dropout": 0.0}
        if cls is ComiRecPlus:
            dropped = {"training_interests": "max"}
        for dropout, acts in ((0.5, True), (0.0, False)):
            model = randomized(cls(2, 9, **SMALL, dropout=dropout, **dropped))
            change = model(SEEN, training=True) - model(SEEN)
            assert (np.abs(change).max() > 1e-3) == acts
    model = randomized(TiMiRec(2, 9, **SMALL, predictor_dropout=0.9))
    change = model(SEEN, training=True) - model(SEEN)
    assert np.abs(change).max() > 1e-3


def test_numbers_of_items_do_not_matter():
    """Items with other ids, and rows with them, have the same scores."""
    model = randomized(TiMiRecPlus(2, 9, **SMALL))
    scores = np.asarray(model(FEATURES))
    order = np.concatenate([[0], 1 + np.random.default_rng(0).permutation(9)])
    for layer, rows in (
        (model.item_embedding, 10),
        (model.predictor.item_embedding, 10),
    ):
        (table,) = layer.get_weights()
        moved = table.copy()
        moved[order] = table[:rows]
        layer.set_weights([moved])
    renamed = {
        key: value if key == "user" else order[value]
        for key, value in FEATURES.items()
    }
    np.testing.assert_allclose(model(renamed), scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_interests": 1}, "can be distilled from two interests on"),
        ({"num_interests": 0}, "`num_interests` must be at least 1"),
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"hidden_dim": 0}, "`hidden_dim` must be at least 1"),
        ({"num_layers": 0}, "`num_layers` must be at least 1"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
        ({"distillation_temperature": 0}, "`distillation_temperature` must"),
        ({"distillation_temperature": -1.0}, "must be between 0.001 and"),
        ({"distillation": "full"}, "Known: stop_gradient, full_gradient, none"),
        ({"dropout": 2.0}, "`dropout` must be between 0"),
        ({"predictor_dropout": -0.1}, "`predictor_dropout` must be between"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message) as error:
        TiMiRec(2, 9, **options)
    assert "\n" not in str(error.value)


def test_a_history_that_is_too_long():
    for cls in (TiMiRec, TiMiRecPlus, ComiRecPlus):
        with pytest.raises(ValueError, match="at most `max_length` long"):
            cls(2, 9, max_length=3)(FEATURES)
        cls(2, 9, max_length=3, positions=False)(FEATURES)
