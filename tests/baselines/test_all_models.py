"""What every registered model must do, one table for all."""

import inspect
import random
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import ops

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.tables.make_tables import make_tables
from mgnm_tf.losses import SampledSoftmax
from mgnm_tf.losses import SigmoidCrossEntropy
from mgnm_tf.losses import get_loss
from mgnm_tf.metrics import NDCG
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from mgnm_tf.optimizers import LazyAdam
from tests.testing import check_config
from tests.testing import run_model_test

USERS, ITEMS = 4, 12

# With the label a few steps raise the interests that the positives leave alone.
MAX = {"training_interests": "max"}

OPTIONS = {
    "mgnm": {"num_interests": 2, "num_layers": 1},
    # The cycle is learned in 60 steps.
    "sasrec": {"dropout": 0.0},
    "tisasrec": {"dropout": 0.0},
    "deeprec_caser": {"num_vertical": 4, "dropout": 0.0},
    # The events of the world are a day apart, whose logarithm is 0.
    "slirec": {"time_scale": 3600},
    "mind": MAX,
    "comirec_dr": MAX,
    "comirec_sa": MAX,
    "comirec_plus": MAX,
    "surge": {"max_length": 5},
    # The sum over the batch does not fall as the cross-entropy does.
    "dhcn": {"ssl_weight": 0.001},
    "tgsrec": {"time_dim": 8, "num_neighbors": 4},
    "nextitnet": {"num_repeats": 1},
    "srgnn_atten_mixer": {"num_heads": 2},
    "sgnnhn_atten_mixer": {"num_heads": 2},
    "atten_mixer": {"num_heads": 2},
    # At a temperature of 0.05 differences of float16 are large scores.
    "dsan": {"dropout": 0.0, "temperature": 0.2},
    "narm": {"hidden_dim": 8, "session_dropout": 0.1},
}
"""What a model needs besides `SIZES` to be small and to learn the world.

A model that needs nothing more is not named here.
"""

SIZES = {"max_length": 16, "embedding_dim": 8}
"""What every model is given that has such an argument."""

INERT = {
    "a2svd": ("network/bias", "hidden_1/bias"),
    "slirec": (
        "network/bias",
        "blend/bias",
        "hidden_1/bias",
        "attention/network/output/bias",
    ),
    "comirec_sa": ("attention/bias",),
    "comirec_plus": ("attention/bias", "block/key/bias"),
    "timirec": ("attention/bias",),
    "timirec_plus": ("attention/bias", "block/key/bias"),
    "surge": ("network/bias", "hidden_1/bias", "attention/network/output/bias"),
    "mimn": ("channel_2/bias",),
    "lessr": ("cell/recurrent_kernel",),
}
"""Parts of paths of weights whose gradient is zero, and why.

A bias before a batch normalisation is taken away by it, and one before a
softmax over positions shifts all of them alike. No item comes twice in the
world of this file, so that no GRU of a node takes a second step.
"""

UNMOVED = ("popularity", "sknn", "vsknn")
"""Models whose ranks `fit` does not move: all items of the world are equally
popular, and the session models know from their table what there is to know.
"""

EXPORTED = ("popularity", "sknn", "youtube_dnn", "mind", "slirec", "mgnm")
"""One model of each base class, for the `export` that Keras gives to all.

`tests/export/test_export_all_models.py` exports every model, with its ids.
"""

SERVE = """
import sys
import numpy as np
import tensorflow as tf
assert not any(name in sys.modules for name in ("mgnm_tf", "baselines"))
features = dict(np.load("features.npz"))
for name in sys.argv[1:]:
    serve = tf.saved_model.load(name).signatures["serving_default"]
    wanted = serve.structured_input_signature[1]
    inputs = {key: tf.constant(features[key]) for key in wanted}
    np.save(name + ".npy", next(iter(serve(**inputs).values())))
"""


def cycle_world():
    """A batch of a world in which item i is always followed by i + 1.

    Row r starts at item r; the negatives stand 3, 5 and 8 places away from
    the positive.
    """
    rows = np.arange(2 * ITEMS)
    lengths = 1 + rows % 4
    steps = np.arange(6)
    history = (rows[:, None] + steps) % ITEMS + 1
    history = np.where(steps < lengths[:, None], history, 0)
    positive = rows + lengths
    candidates = (positive[:, None] + np.array([0, 3, 5, 8])) % ITEMS + 1
    features = {
        "user": rows % (USERS + 1),
        "history": history,
        "candidates": candidates,
    }
    features = {key: x.astype("int32") for key, x in features.items()}
    ages = 86400 * (lengths[:, None] - steps)
    features["history_time"] = np.where(history > 0, NOW - ages, 0)
    features["candidate_time"] = np.full(candidates.shape, NOW)
    labels = np.zeros(candidates.shape, "float32")
    labels[:, 0] = 1.0
    return features, labels


NOW = 1_500_000_000


def log_of_the_world():
    """A log in which each user walks along the cycle, an item a day."""
    users, steps = np.divmod(np.arange(USERS * 8), 8)
    items = (3 * users + steps) % ITEMS + 1
    return pd.DataFrame(
        {
            "user_id": users + 1,
            # As text of two digits, whose order is that of the numbers.
            "item_id": [f"{item:02d}" for item in items],
            "timestamp": NOW - 86400 * (8 - steps),
            "category": [f"c{item % 3}" for item in items],
        }
    )


def as_dataset(features, labels):
    return tf.data.Dataset.from_tensors((features, labels))


FEATURES, LABELS = cycle_world()
FEW = {key: value[:5] for key, value in FEATURES.items()}
DATA = split_log(read_log(log_of_the_world(), category_column="category"))


def with_shared_negatives(features, labels, count=5):
    """Adds negatives of the batch; one that is the positive is ignored.

    And a correction for the sampling that changes nothing.
    """
    shared = np.arange(1, count + 1, dtype="int32")
    same = shared[None] == features["candidates"][:, :1]
    labels = np.concatenate([labels, np.where(same, -1.0, 0.0)], axis=1)
    features = {
        **features,
        "shared_negatives": shared,
        "log_sampling_probability": np.zeros(labels.shape, "float32"),
    }
    return features, labels.astype("float32")


BATCH = with_shared_negatives(FEATURES, LABELS)
"""What the compiled models are given: one graph serves for all tests."""


@keras.saving.register_keras_serializable("tests")
class EitherObjective(keras.losses.Loss):
    """Two objectives in one graph; `chosen` says which of them counts."""

    chosen = keras.Variable(0.0, trainable=False)

    def call(self, y_true, y_pred):
        return ops.where(
            ops.equal(self.chosen, 0.0),
            SigmoidCrossEntropy().call(y_true, y_pred),
            SampledSoftmax().call(y_true, y_pred),
        )


OBJECTIVES = {"bce": 0.0, "sampled_softmax": 1.0}


def make(name, **kwargs):
    random.seed(1)  # Not that of TensorFlow, see tests/conftest.py.
    model = model_class(name)(USERS, ITEMS, **arguments(name), **kwargs)
    if model.required_tables:
        model.load_tables(make_tables(DATA, model.required_tables))
    return model


def arguments(name):
    """Returns the constructor arguments besides the numbers of ids."""
    cls = model_class(name)
    derived = cls.data_arguments(DATA)
    parameters = inspect.signature(cls).parameters
    derived |= {key: SIZES[key] for key in SIZES if key in parameters}
    for size in ("num_users", "num_items"):
        del derived[size]
    return {**derived, **OPTIONS.get(name, {})}


def learned(name, **kwargs):
    """Returns a model that is not as it was made, without a training."""
    model = make(name, **kwargs)
    if not model.trainable_weights:
        model.fit(FEATURES, LABELS, verbose=0)
    draws = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(draws.normal(scale=0.5, size=weight.shape))
    return model


@pytest.fixture(scope="module", params=model_names())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    """A model that no test trains."""
    return learned(name)


@pytest.fixture(scope="module")
def compiled(name):
    """A new model, compiled, and the values of all its variables."""
    model = make(name)
    model.compile(
        optimizer=LazyAdam(0.03),
        loss=EitherObjective(),
        metrics=[NDCG(1, name="ndcg")],
        steps_per_execution=5 if model.trainable_weights else 1,
    )
    variables = model.variables + model.optimizer.variables
    return model, [(one, one.numpy()) for one in variables]


def made_new(compiled, objective):
    """Returns the compiled model as it was made."""
    model, values = compiled
    for variable, value in values:
        variable.assign(value)
    EitherObjective.chosen.assign(OBJECTIVES[objective])
    return model


def test_contract(model):
    run_model_test(model, FEW)


def test_contract_with_categories(name):
    if "category_dim" not in inspect.signature(model_class(name)).parameters:
        pytest.skip("reads no categories")
    model = learned(name, category_dim=4)
    assert model.required_tables == ("item_categories",)
    run_model_test(model, FEW)
    other = np.roll(DATA.item_categories, 1)
    before = np.asarray(model(FEW))
    model.load_tables({"item_categories": other})
    assert np.abs(np.asarray(model(FEW)) - before).max() > 1e-4
    with pytest.raises(ValueError, match="`category_dim` needs items with"):
        model_class(name)(USERS, ITEMS, category_dim=4)


def test_config(name):
    check_config(
        model_class(name),
        {"num_users": USERS, "num_items": ITEMS, **arguments(name)},
    )


def test_has_weights_before_the_first_batch(name):
    model = make(name)
    assert model.built
    assert model.weights
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_fit_learns_the_cycle(compiled, name, objective):
    model = made_new(compiled, objective)
    features, labels = BATCH
    if objective == "bce":  # Has no shared negatives.
        own = np.arange(labels.shape[1]) < FEATURES["candidates"].shape[1]
        labels = np.where(own, labels, np.float32(-1.0))
    data = as_dataset(features, labels)
    before = model.evaluate(data, verbose=0, return_dict=True)
    history = model.fit(
        data.repeat(), steps_per_epoch=20, epochs=3, shuffle=False, verbose=0
    )
    after = model.evaluate(data, verbose=0, return_dict=True)
    if model.trainable_weights:
        losses = history.history["loss"]
        slow = f"{name} learns too slowly; if it has to, see `OPTIONS` above"
        assert losses[-1] < 0.8 * losses[0], slow
        assert after["loss"] < 0.8 * before["loss"], slow
        assert after["ndcg"] > max(0.6, before["ndcg"]), slow
    else:
        assert np.isfinite(after["loss"])
        assert after["ndcg"] != before["ndcg"] or name in UNMOVED


def test_every_weight_has_a_gradient(name):
    # A model of its own: training moves the statistics of normalisation.
    model = learned(name)
    if not model.trainable_weights:
        pytest.skip("nothing to train")
    model.compile(loss=get_loss("bce"))
    with tf.GradientTape() as tape:
        scores = model(FEATURES, training=True)
        loss = model.compute_loss(FEATURES, LABELS, scores)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients):
        if any(part in weight.path for part in INERT.get(name, ())):
            assert gradient is None or np.abs(gradient).max() < 1e-5
            continue
        assert gradient is not None, weight.path
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient), f"{weight.path}: if it has to, see `INERT`"


@pytest.mark.parametrize("key", ["candidates", "history"])
@pytest.mark.parametrize("value", [ITEMS + 1, -1])
def test_id_out_of_range_is_an_error(model, key, value):
    wrong = {**FEW, key: FEW[key].copy()}
    wrong[key][1, 0] = value
    message = f"`{key}` must hold ids from 0 to {ITEMS}. Received: {value}"
    with pytest.raises(ValueError, match=message):
        model(wrong)


def test_padding_before_an_item_is_an_error(model):
    wrong = {**FEW, "history": FEW["history"].copy()}
    wrong["history"][1] = 0
    wrong["history"][1, -1] = 1
    labels = np.zeros(FEW["candidates"].shape, "float32")
    model.compile()
    for call, *arguments in (
        (model, wrong),
        (model.predict, wrong),
        (model.predict_on_batch, wrong),
        (model.evaluate, wrong, labels),
        (model.test_on_batch, wrong, labels),
        (model.train_on_batch, wrong, labels),
        (model.fit, wrong, labels),
    ):
        with pytest.raises(ValueError, match="0 at row 1, column"):
            call(*arguments)


def test_sampling_correction_lowers_the_loss_of_rare_positives(compiled, model):
    trained = made_new(compiled, "sampled_softmax")
    trained.set_weights(model.get_weights())
    features, labels = BATCH
    frequent = np.zeros(labels.shape, "float32")
    frequent[:, 1:] = 5.0
    corrected = {**features, "log_sampling_probability": frequent}
    losses = [
        trained.evaluate(as_dataset(x, labels), verbose=0, return_dict=True)
        for x in (features, corrected)
    ]
    assert losses[1]["loss"] < losses[0]["loss"] - 0.1


def test_saved_model_is_the_same(compiled, model, tmp_path):
    saved = made_new(compiled, "bce")
    saved.set_weights(model.get_weights())
    draws = np.random.default_rng(0)
    for variable in saved.optimizer.variables:
        value = draws.integers(1, 9, variable.shape)
        variable.assign(value.astype(variable.dtype))
    saved.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert type(restored) is type(saved)
    assert restored.get_config() == saved.get_config()
    assert restored.get_compile_config() == saved.get_compile_config()
    np.testing.assert_array_equal(restored(FEW), model(FEW))
    pairs = zip(
        saved.optimizer.variables, restored.optimizer.variables, strict=True
    )
    for ours, theirs in pairs:
        assert ours.path == theirs.path
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Scores of exported models, from a process without this package."""
    folder = tmp_path_factory.mktemp("served")
    np.savez(folder / "features.npz", **FEW)
    for name in EXPORTED:
        learned(name).export(folder / name, verbose=False)
    subprocess.run(
        [sys.executable, "-I", "-c", SERVE, *EXPORTED],
        cwd=folder,
        check=True,
    )
    return {name: np.load(folder / f"{name}.npy") for name in EXPORTED}


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_model_scores_alike(name, served):
    np.testing.assert_allclose(
        served[name], learned(name)(FEW), rtol=1e-4, atol=1e-5
    )


def test_a_model_of_each_base_class_is_exported():
    models = {model_class(name) for name in model_names()}
    bases = {cls.__base__ for cls in models} - models
    assert {model_class(name).__base__ for name in EXPORTED} == bases


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_finite(name, model, policy):
    reduced = learned(name, dtype=policy)
    emptied = dict(FEW)
    emptied["history"] = FEW["history"].copy()
    emptied["history"][0] = 0
    emptied["user"] = np.zeros_like(FEW["user"])
    reference = np.asarray(model(emptied))
    scores = np.asarray(reduced(emptied)).astype("float32")
    assert np.all(np.isfinite(scores))
    np.testing.assert_allclose(scores, reference, rtol=0.1, atol=0.1)


def test_training_in_float16_is_finite(name):
    keras.config.set_dtype_policy("mixed_float16")
    model = make(name)
    keras.config.set_dtype_policy("float32")
    model.compile(run_eagerly=True)
    history = {**FEATURES, "history": FEATURES["history"].copy()}
    history["history"][0] = 0
    model.fit(as_dataset(history, LABELS), shuffle=False, verbose=0)
    for weight in model.weights:
        assert np.all(np.isfinite(np.asarray(weight))), weight.path
    assert np.all(np.isfinite(np.asarray(model(history))))
