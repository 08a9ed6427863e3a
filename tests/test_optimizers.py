"""LazyAdam and L2Adam: their oracles, and what Keras asks of an optimizer."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.optimizers import L2Adam
from mgnm_tf.optimizers import LaterSchedule
from mgnm_tf.optimizers import LazyAdam
from mgnm_tf.optimizers import StepDecay

FIXTURE = Path(__file__).parent / "reference" / "lazy_adam" / "lazy_adam.npz"
TORCH = Path(__file__).parent / "reference" / "torch_adam" / "torch_adam.npz"
SETTINGS = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6}


def sparse(indices, values, rows):
    values = np.asarray(values, "float32")
    return tf.IndexedSlices(
        tf.constant(values),
        tf.constant(indices, tf.int32),
        tf.constant([rows, values.shape[1]]),
    )


def table_model(rows=20, dim=4, seed=0):
    """A mean of looked-up rows and a dense layer; returns model and table."""
    keras.utils.set_random_seed(seed)
    ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(rows, dim)
    pooled = keras.layers.GlobalAveragePooling1D()(embedding(ids))
    scores = keras.layers.Dense(1)(pooled)
    return keras.Model(ids, scores), embedding


def batches():
    ids = np.array([[1, 2, 2, 3]] * 8 + [[3, 4, 4, 5]] * 8)
    return ids, np.arange(16.0)[:, None]


@pytest.mark.parametrize("schedule", ["constant", "decayed"])
def test_equals_tensorflow_addons(schedule):
    fixture = np.load(FIXTURE, allow_pickle=False)
    rows = len(fixture["initial"])
    table = keras.Variable(fixture["initial"])
    dense = keras.Variable(fixture["initial"][0])
    rate = 0.05
    if schedule == "decayed":
        rate = keras.optimizers.schedules.ExponentialDecay(rate, 30, 0.5)
    optimizer = LazyAdam(rate, **SETTINGS)
    optimizer.build([table, dense])

    @tf.function
    def step(indices, values):
        gradient = tf.IndexedSlices(values, indices, tf.constant([rows, 2]))
        optimizer.apply([gradient, values[0]], [table, dense])

    for number, (indices, values) in enumerate(
        zip(fixture["indices"].astype("int32"), fixture["gradients"]), start=1
    ):
        step(tf.constant(indices), tf.constant(values))
        if number in (1, 10, 100):
            for name, variable in (("table", table), ("dense", dense)):
                np.testing.assert_allclose(
                    variable.numpy(),
                    fixture[f"{schedule}_{name}_{number}"],
                    rtol=2e-6,
                    atol=1e-6,
                )
    for name, variables in (
        ("momentum", optimizer._momentums),
        ("velocity", optimizer._velocities),
    ):
        np.testing.assert_allclose(
            variables[0].numpy(),
            fixture[f"{schedule}_{name}"],
            rtol=2e-5,
            atol=1e-6,
        )


def test_fixture_has_repeated_and_untouched_rows():
    fixture = np.load(FIXTURE, allow_pickle=False)
    assert any(len(set(row)) < len(row) for row in fixture["indices"].tolist())
    np.testing.assert_array_equal(
        fixture["initial"][-3:], fixture["constant_table_100"][-3:]
    )
    assert not np.allclose(
        fixture["constant_table_100"], fixture["decayed_table_100"]
    )


def test_untouched_rows_rest_where_adam_moves_them():
    moved = {}
    for optimizer in (LazyAdam(0.1), keras.optimizers.Adam(0.1)):
        table = keras.Variable(np.ones((5, 2), "float32"))
        optimizer.build([table])
        optimizer.apply([sparse([1, 1], [[1, 1], [1, 1]], 5)], [table])
        before = table.numpy()
        optimizer.apply([sparse([3], [[1, 1]], 5)], [table])
        changed = np.any(table.numpy() != before, axis=1)
        moved[type(optimizer)] = np.flatnonzero(changed).tolist()
        if isinstance(optimizer, LazyAdam):
            momentum = optimizer._momentums[0].numpy()
            np.testing.assert_allclose(momentum[1], [0.2, 0.2], rtol=1e-6)
    assert moved[LazyAdam] == [3]
    assert moved[keras.optimizers.Adam] == [1, 3]


def test_dense_gradients_follow_adam():
    results = []
    for optimizer in (
        LazyAdam(0.1, weight_decay=0.01),
        keras.optimizers.Adam(0.1, weight_decay=0.01),
    ):
        weight = keras.Variable(np.array([1.0, -2.0], "float32"))
        optimizer.build([weight])
        for step in range(5):
            optimizer.apply([tf.constant([0.3, -0.1 * step])], [weight])
        results.append(weight.numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_weight_decay_shrinks_touched_rows_only():
    table = keras.Variable(np.full((3, 2), 4.0, "float32"))
    optimizer = LazyAdam(0.1, weight_decay=0.5)
    optimizer.build([table])
    optimizer.apply([sparse([1, 1], np.zeros((2, 2)), 3)], [table])
    np.testing.assert_allclose(
        table.numpy(), [[4, 4], [4 - 4 * 0.5 * 0.1] * 2, [4, 4]], rtol=1e-6
    )


def test_weight_decay_leaves_excluded_variables():
    table = keras.Variable(np.full((3, 2), 4.0, "float32"), name="table")
    optimizer = LazyAdam(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["table"])
    optimizer.build([table])
    optimizer.apply([sparse([1], np.zeros((1, 2)), 3)], [table])
    np.testing.assert_array_equal(table.numpy(), np.full((3, 2), 4.0))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        # The two slices of row 1 add up to (6, 8), norm 10.
        pytest.param({"clipnorm": 1.0}, [0.6, 0.8], id="norm"),
        pytest.param({"global_clipnorm": 1.0}, [0.6, 0.8], id="global_norm"),
        pytest.param({"clipvalue": 7.0}, [6.0, 7.0], id="value"),
        pytest.param({}, [6.0, 8.0], id="none"),
    ],
)
def test_clipping_sees_summed_rows_and_stays_sparse(option, expected):
    table = keras.Variable(np.zeros((3, 2), "float32"))
    optimizer = LazyAdam(0.1, **option)
    optimizer.build([table])
    optimizer._velocities[0].assign(np.ones((3, 2)))
    optimizer.apply([sparse([1, 1], [[3, 4], [3, 4]], 3)], [table])
    momentum = optimizer._momentums[0].numpy()
    np.testing.assert_allclose(
        momentum, [[0, 0], 0.1 * np.array(expected), [0, 0]], rtol=1e-5
    )
    # A dense gradient would have let the other rows' velocity decay.
    np.testing.assert_array_equal(
        optimizer._velocities[0].numpy()[[0, 2]], np.ones((2, 2))
    )


def test_clipping_of_a_dense_gradient():
    weight = keras.Variable(np.zeros(2, "float32"))
    optimizer = LazyAdam(0.1, clipnorm=1.0)
    optimizer.build([weight])
    optimizer.apply([tf.constant([6.0, 8.0])], [weight])
    np.testing.assert_allclose(
        optimizer._momentums[0].numpy(), [0.06, 0.08], rtol=1e-5
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"steps_per_execution": 2}, id="steps_per_execution"),
        pytest.param({"jit_compile": True}, id="xla"),
        pytest.param({"run_eagerly": True}, id="eager"),
    ],
)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_fit_moves_only_the_rows_of_the_batches(options, policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model, embedding = table_model()
        before = embedding.get_weights()[0].copy()
        model.compile(optimizer=LazyAdam(0.01), loss="mse", **options)
        history = model.fit(*batches(), batch_size=4, epochs=3, verbose=0)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    scaled = keras.optimizers.LossScaleOptimizer
    assert isinstance(model.optimizer, scaled) == (policy == "mixed_float16")
    assert history.history["loss"][-1] < history.history["loss"][0]
    moved = np.any(embedding.get_weights()[0] != before, axis=1)
    assert np.flatnonzero(moved).tolist() == [1, 2, 3, 4, 5]


def test_gradient_accumulation_trains():
    model, embedding = table_model()
    before = embedding.get_weights()[0].copy()
    model.compile(LazyAdam(0.01, gradient_accumulation_steps=2), loss="mse")
    model.fit(*batches(), batch_size=8, epochs=1, verbose=0, shuffle=False)
    moved = np.any(embedding.get_weights()[0] != before, axis=1)
    assert np.flatnonzero(moved).tolist() == [1, 2, 3, 4, 5]


def test_saved_model_goes_on_as_if_never_stopped(tmp_path):
    model, _ = table_model()
    model.compile(LazyAdam(0.01), loss="mse")
    ids, targets = batches()
    model.fit(ids, targets, batch_size=16, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert type(restored.optimizer) is LazyAdam
    for one in (model, restored):
        one.fit(ids, targets, batch_size=16, epochs=2, verbose=0)
    for left, right in zip(model.get_weights(), restored.get_weights()):
        np.testing.assert_array_equal(left, right)


def test_config_round_trip():
    optimizer = LazyAdam(
        0.02, beta_1=0.8, beta_2=0.7, epsilon=1e-3, weight_decay=0.1
    )
    config = keras.saving.serialize_keras_object(optimizer)
    assert config["registered_name"] == "mgnm_tf>LazyAdam"
    restored = keras.saving.deserialize_keras_object(config)
    assert restored.get_config() == optimizer.get_config()
    assert restored.get_config()["beta_2"] == 0.7


def test_amsgrad_is_refused():
    with pytest.raises(TypeError, match="amsgrad"):
        LazyAdam(amsgrad=True)


def run_script(script, backend):
    """Runs Python code in a fresh process and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_two_replicas_train_as_one():
    script = """
import contextlib
import keras
import numpy as np
import tensorflow as tf
from mgnm_tf.optimizers import LazyAdam
device = tf.config.list_physical_devices("CPU")[0]
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(device, halves)
ids = np.array([[1, 2, 2, 3], [3, 4, 4, 5]] * 8)
batches = tf.data.Dataset.from_tensor_slices((ids, np.arange(16.0)[:, None]))
weights = []
for scope in (
    contextlib.nullcontext(),
    tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope(),
):
    with scope:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(20, 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ])
        model.compile(LazyAdam(0.05, weight_decay=0.01), "mse")
    model.fit(batches.batch(8), epochs=4, verbose=0, shuffle=False)
    weights.append(model.get_weights())
for one, two in zip(*weights):
    np.testing.assert_allclose(one, two, atol=1e-6)
print("equal")
"""
    # TensorFlow reports the start of the strategy on standard output.
    assert run_script(script, "tensorflow").endswith("equal")


def test_is_adam_on_jax_without_tensorflow():
    script = """
import sys
import keras
import numpy as np
from mgnm_tf.optimizers import LazyAdam
results = []
for kind in (LazyAdam, keras.optimizers.Adam):
    weight = keras.Variable(np.ones((4, 2), "float32"))
    optimizer = kind(0.1, clipnorm=1.0, weight_decay=0.1)
    optimizer.build([weight])
    for step in range(3):
        gradient = np.zeros((4, 2), "float32")
        gradient[step] = 2.0
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    results.append(np.asarray(weight))
np.testing.assert_allclose(*results, rtol=1e-6)
assert "tensorflow" not in sys.modules
print("equal")
"""
    assert run_script(script, "jax") == "equal"


@pytest.mark.parametrize("amsgrad", [False, True])
def test_l2_adam_equals_pytorch(amsgrad):
    fixture = np.load(TORCH, allow_pickle=False)
    table = keras.Variable(fixture["initial"])
    optimizer = L2Adam(0.05, l2=1e-5, amsgrad=amsgrad, **SETTINGS)
    optimizer.build([table])

    @tf.function
    def step(gradient):
        optimizer.apply([gradient], [table])

    for number, gradient in enumerate(fixture["gradients"], start=1):
        step(tf.constant(gradient))
        if number in (1, 10, 50):
            name = "amsgrad" if amsgrad else "plain"
            np.testing.assert_allclose(
                table.numpy(),
                fixture[f"{name}_{number}"],
                rtol=3e-6,
                atol=3e-6,
            )


def test_l2_adam_is_the_same_without_the_operation_of_tensorflow(monkeypatch):
    gradient = np.array([[1.0, -2.0], [0.0, 1e-7]], "float32")
    found = []
    for at_once in (True, False):
        monkeypatch.setattr(
            "mgnm_tf.optimizers._on_tensorflow", lambda at_once=at_once: at_once
        )
        table = keras.Variable(np.ones((2, 2), "float32"))
        optimizer = L2Adam(0.1, l2=1e-6)
        optimizer.build([table])
        for _ in range(5):
            optimizer.apply([gradient], [table])
        found.append(table.numpy())
    np.testing.assert_allclose(*found, rtol=2e-5)
    # The row without a gradient goes by its own weight.
    assert (found[0] < 0.9).sum() == 3


def test_l2_adam_moves_all_rows_but_those_of_excluded_variables():
    table = keras.Variable(np.ones((3, 2)), name="table")
    bias = keras.Variable(np.ones((3, 2)), name="bias")
    optimizer = L2Adam(0.1, l2=0.01, exclude=("bias",))
    optimizer.build([table, bias])
    gradient = sparse([1], [[1.0, 1.0]], 3)
    for _ in range(2):
        optimizer.apply([gradient, gradient], [table, bias])
    np.testing.assert_allclose(table.numpy(), 0.8, atol=1e-3)
    np.testing.assert_allclose(bias.numpy()[[0, 2]], 1.0)
    np.testing.assert_allclose(bias.numpy()[1], 0.8, atol=1e-5)


def test_l2_adam_trains_and_its_saved_model_goes_on(tmp_path):
    ids, targets = batches()
    model, _ = table_model()
    model.compile(L2Adam(0.05, l2=0.01, exclude=("bias",)), "mse")
    model.fit(ids, targets, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for one in (model, again):
        one.fit(ids, targets, epochs=2, shuffle=False, verbose=0)
    for mine, theirs in zip(model.weights, again.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_l2_adam_refuses_a_negative_weight():
    with pytest.raises(ValueError, match="`l2` must be between 0.0 and inf"):
        L2Adam(l2=-1.0)


@pytest.mark.parametrize(
    "shift, expected", [(0, [2.0] * 3 + [1.0] * 3), (1, [2.0] * 2 + [1.0] * 3)]
)
def test_a_step_decay_falls_after_whole_epochs(shift, expected):
    rate = StepDecay(2.0, 7, epochs=3, decay=0.5, shift=shift)
    for epoch, value in enumerate(expected):
        for step in (7 * epoch, 7 * epoch + 6):
            assert float(rate(step)) == value
    assert float(rate(7 * len(expected))) == 0.5
    again = StepDecay.from_config(rate.get_config())
    assert float(again(7 * len(expected))) == 0.5


@pytest.mark.parametrize(
    "name, value",
    [("steps_of_epoch", 0), ("epochs", 0), ("decay", -0.5), ("shift", -1)],
)
def test_a_step_decay_refuses_a_wrong_number(name, value):
    arguments = {"initial": 1.0, "steps_of_epoch": 2, "epochs": 2}
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        StepDecay(**{**arguments, name: value})


def test_a_later_schedule_begins_after_the_steps_before_it():
    cosine = keras.optimizers.schedules.CosineDecay(2.0, 10)
    rate = LaterSchedule(cosine, first_step=70)
    for step in (0, 3, 10):
        assert float(rate(70 + step)) == float(cosine(step))
    assert float(rate(5)) == 2.0
    again = LaterSchedule.from_config(rate.get_config())
    assert float(again(74)) == float(rate(74)) < 2.0
    with pytest.raises(ValueError, match="first_step"):
        LaterSchedule(cosine, -1)
