"""MGNM whose target interest is predicted, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.losses import get_loss
from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.run import Run
from mgnm_tf.training import fit
from mgnm_tf.training import gradient
from mgnm_tf.training.stages import stages_of
from tests.models.test_mgnm import FEATURES
from tests.models.test_mgnm import ITEMS
from tests.models.test_mgnm import USERS
from tests.models.test_mgnm import squares
from tests.reference import numpy_mgnm
from tests.reference import numpy_timirec
from tests.testing import run_model_test
from tests.training.worlds import small_data

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def make(distillation_temperature=0.5, **options):
    keras.utils.set_random_seed(3)
    options = {
        "embedding_dim": 6,
        "num_interests": 3,
        "num_layers": 2,
        "embeddings_initializer": 0.8,
        "max_length": 10,
        "routing_noise": 0.0,
        "adjacency_l1": 0.0,
        "l2": 0.0,
        **options,
    }
    model = MGNM(
        USERS,
        ITEMS,
        **options,
        distillation_temperature=distillation_temperature,
    )
    random = np.random.default_rng(1)
    if model.predictor is not None:
        for weight in model.predictor.trainable_weights:
            weight.assign(random.normal(scale=0.7, size=weight.shape))
        model.predictor.dropout_layer.rate = 0.0
    return model


def equations(model):
    """Returns interests (B, (L + 1) K, d), logits and the item table."""
    weights = numpy_mgnm.weights_by_name(model)
    found = numpy_mgnm.mgnm_interests(model, FEATURES)
    interests = np.array([[q for level in row for q in level] for row in found])
    logits = np.array(
        [
            numpy_timirec.predict(
                history[history > 0], weights, "predictor/", 2
            )
            for history in FEATURES["history"]
        ]
    )
    return interests, logits, weights["item_embedding/embeddings"]


def test_equals_the_equations():
    model = make()
    interests, logits, table = equations(model)
    shares = np.array([numpy_timirec.softmax(row) for row in logits])
    users = np.einsum("bk,bkd->bd", shares, interests)
    scores = np.einsum("bd,bcd->bc", users, table[FEATURES["candidates"]])
    assert interests.shape == (4, 9, 6) and np.ptp(shares[0]) > 0.01
    np.testing.assert_allclose(model(FEATURES), scores, **CLOSE)
    np.testing.assert_allclose(
        model.mixed_interests(FEATURES), interests, **CLOSE
    )
    np.testing.assert_allclose(
        model.interest_distribution(FEATURES), shares, **CLOSE
    )
    np.testing.assert_allclose(
        model.interests(FEATURES), users[:, None], **CLOSE
    )
    assert model.history_attention(FEATURES).shape == (4, 9, 4)
    assert len(model.interest_labels()) == 9


@pytest.mark.parametrize("temperature", [0.1, 2.0])
def test_the_divergence_equals_numpy(temperature):
    model = make(temperature)
    interests, logits, table = equations(model)
    expected = np.mean(
        [
            numpy_timirec.divergence(
                interests[row], logits[row], table[positive], temperature
            )
            for row, positive in enumerate(FEATURES["candidates"][:, 0])
        ]
    )
    scores = model(FEATURES, training=True)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)
    # What decides about levels has nothing to decide.
    np.testing.assert_allclose(scores[:, 0], model(FEATURES), **CLOSE)
    assert not model.losses
    for options in ({"level_pooling": "sum"}, {"level_supervision": False}):
        other = make(temperature, **options)
        np.testing.assert_allclose(other(FEATURES), model(FEATURES), **CLOSE)


def test_the_distillation_teaches_the_predictor_alone():
    model = make()
    model.compile(loss=get_loss("bpr"))
    labels = np.array([[1.0, 0.0]] * 4, "float32")
    with tf.GradientTape(persistent=True) as tape:
        scores = model(FEATURES, training=True)
        added = sum(model.losses)
        loss = model.loss(labels, scores)
    for weight in model.trainable_weights:
        gradient = tape.gradient(added, weight.value)
        if weight.path.startswith("predictor/"):
            assert np.any(tf.convert_to_tensor(gradient)), weight.path
        else:
            assert gradient is None, weight.path
        gradient = tape.gradient(loss, weight.value)
        assert np.any(tf.convert_to_tensor(gradient)), weight.path


def test_a_constant_prediction_is_the_mean_interest():
    model = make()
    model.predictor.output_layer.set_weights([np.zeros((6, 9)), np.ones(9)])
    interests, _, table = equations(model)
    mean = np.einsum(
        "bd,bcd->bc", interests.mean(axis=1), table[FEATURES["candidates"]]
    )
    np.testing.assert_allclose(model(FEATURES), mean, **CLOSE)


def test_parameter_count():
    d, count = 6, 9
    plain = make(distillation_temperature=None)
    assert plain.predictor is None and plain.first_stage == ()
    predictor = (ITEMS + 2) * d + 6 * d * d + 6 * d
    predictor += d * d + d + d * count + count
    assert make().count_params() - plain.count_params() == predictor


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"interest_extractor": "sum"},
        {"temperature": 0.5, "interest_bias": True, "history_encoder": "gru"},
    ],
)
def test_the_contract(options):
    keras.utils.set_random_seed(3)
    model = MGNM(
        USERS,
        ITEMS,
        4,
        2,
        1,
        embeddings_initializer=0.5,
        distillation_temperature=0.2,
        **options,
    )
    run_model_test(model, FEATURES)


def test_the_rows_that_the_predictor_reads_are_regularised():
    for scope in ("batch", "all"):
        model = make(l2=0.25, l2_scope=scope)
        plain = make(distillation_temperature=None, l2=0.25, l2_scope=scope)
        added = []
        for one in (model, plain):
            one.encode(FEATURES, training=True)
            added.append(float(sum(one.losses)))
        table = np.asarray(model.predictor.item_embedding.embeddings)
        history = FEATURES["history"]
        read = table[history[history > 0]] if scope == "batch" else table
        others = [
            weight
            for weight in model.predictor.trainable_weights
            if "item_embedding" not in weight.path
        ]
        expected = 0.25 * squares(read, *(w.value for w in others)) / 4
        assert added[0] - added[1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"distillation_temperature": 0.0}, "`distillation_temperature` must"),
        ({"num_interests": 1, "num_layers": 0}, "distilled from two interests"),
        (
            {"interest_extractor": "self_attention"},
            "interest_extractor='self_attention', num_interests=3",
        ),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message) as error:
        make(**options)
    assert "\n" not in str(error.value)


def test_the_part_has_a_first_stage_with_its_options():
    label = "mgnm+long_history+target_distillation"
    config = configure(label, options={"num_interests": 3})
    (first,) = stages_of(config)
    assert first.recipe == "mgnm:recommended"
    assert first.options == {
        name: value
        for name, value in config.options.items()
        if name != "distillation_temperature"
    }
    assert first.options["history_encoder"] == "gru"
    assert first.options["num_interests"] == 3
    other = configure("mgnm:paper+target_distillation", after="paper")
    assert stages_of(other)[0].options == configure("mgnm:paper").options
    # A stage of a model without it keeps its own options.
    plain = configure("mgnm", options={"num_interests": 3}, after="paper")
    assert stages_of(plain)[0].options == configure("mgnm:paper").options


@pytest.mark.usefixtures("eagerly")
def test_the_second_stage_starts_from_the_first(tmp_path, monkeypatch):
    starts = []
    original = gradient._fit

    def by_epochs(model, *rest):
        starts.append({w.path: np.asarray(w) for w in model.weights})
        return original(model, *rest)

    monkeypatch.setattr(gradient, "_fit", by_epochs)
    config = configure(
        "mgnm+target_distillation",
        options={"embedding_dim": 4, "num_interests": 2},
        epochs=1,
        max_length=8,
    )
    out = tmp_path / "run"
    fit.train(small_data(25), config, out, verbose=0)
    first = Run(out / run_folder.STAGE).load_model()
    weights = {w.path: np.asarray(w) for w in first.weights}
    assert any(path.startswith("predictor/") for path in starts[1])
    for path, value in starts[1].items():
        if not path.startswith("predictor/") and "seed" not in path:
            np.testing.assert_array_equal(value, weights[path])
