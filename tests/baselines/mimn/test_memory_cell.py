"""The memory cell against NumPy, and what its states may do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from baselines.mimn.memory_cell import MemoryCell
from tests.reference import numpy_mimn as oracle
from tests.testing import POLICIES
from tests.testing import TOLERANCE
from tests.testing import check_config

DIM, UNITS, SLOTS = 6, 5, 4
NAMES = "hrMucS"
RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(3, 7, DIM)).astype("float32")
MASK = np.arange(7)[None] < np.array([7, 4, 0])[:, None]


def make(scale=0.7, **options):
    cell = MemoryCell(DIM, UNITS, name="memory_cell", **options)
    random = np.random.default_rng(1)
    for weight in cell.weights:
        weight.assign(random.normal(scale=scale, size=weight.shape))
    return cell


def run(cell, items, valid_mask=None, states=None):
    """Returns the states after `items`, as arrays by name."""
    layer = keras.layers.RNN(cell, return_state=True, dtype=cell.dtype_policy)
    _, *states = layer(cell.project(items, valid_mask), initial_state=states)
    return {name: np.asarray(x) for name, x in zip(NAMES, states, strict=False)}


def assert_same(ours, expected, **tolerance):
    for name in ours:
        np.testing.assert_allclose(
            ours[name], expected[name], err_msg=name, **tolerance
        )


@pytest.mark.parametrize("memory_utilization", [True, False])
@pytest.mark.parametrize("memory_induction", [True, False])
def test_equals_numpy(memory_utilization, memory_induction):
    cell = make(
        memory_utilization=memory_utilization, memory_induction=memory_induction
    )
    weights = oracle.weights_of(cell)
    ours = run(cell, ITEMS, MASK)
    assert set(ours) == set(NAMES if memory_induction else NAMES[:-1])
    for row, items in enumerate(ITEMS):
        state = oracle.initial_state(weights)
        for x in items[MASK[row]]:
            state = oracle.step(
                weights, x, state, memory_utilization, memory_induction
            )
        assert_same({k: v[row] for k, v in ours.items()}, state, **TOLERANCE)


@pytest.mark.parametrize("memory_utilization", [True, False])
def test_looking_up_equals_numpy_and_takes_no_step(memory_utilization):
    cell = make(memory_utilization=memory_utilization)
    weights = oracle.weights_of(cell)
    states = run(cell, ITEMS, MASK)
    kept = {name: value.copy() for name, value in states.items()}
    candidates = RANDOM.normal(size=(3, 8, DIM)).astype("float32")
    ours = np.asarray(cell.look_up(candidates, list(states.values())))
    assert_same(states, kept, rtol=0)
    for row in range(3):
        state = {name: value[row] for name, value in states.items()}
        expected = [oracle.look_up(weights, x, state) for x in candidates[row]]
        np.testing.assert_allclose(ours[row], expected, **TOLERANCE)


def test_configuration():
    check_config(
        MemoryCell,
        {
            "item_dim": 4,
            "hidden_dim": 3,
            "num_slots": 2,
            "memory_utilization": False,
        },
    )


@pytest.mark.parametrize(
    "order",
    [
        np.r_[0:7],
        np.r_[4:7, 0:4],
        np.r_[0, 4, 1, 5, 2, 6, 3],
    ],
    ids=["end", "start", "between"],
)
@pytest.mark.parametrize("projected", [True, False])
def test_padding_changes_nothing(order, projected):
    cell = make()
    short = run(cell, ITEMS[1:2, :4])
    padded = ITEMS[1:2, order] + np.where(order < 4, 0.0, 7.0)[:, None]
    padded = padded.astype("float32")
    if projected:
        states = run(cell, padded, order[None] < 4)
    else:
        layer = keras.layers.RNN(cell, return_state=True)
        _, *states = layer(padded, mask=order[None] < 4)
        states = dict(zip(NAMES, map(np.asarray, states), strict=True))
    assert_same(states, short, rtol=1e-5, atol=1e-6)


def test_an_invalid_step_changes_no_bit():
    cell = make()
    before = run(cell, ITEMS)
    states = [ops.convert_to_tensor(x) for x in before.values()]
    inputs = cell.project(ITEMS[:, 0], np.zeros(3, bool))
    _, after = cell(inputs, states)
    for old, new in zip(states, after, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("memory_induction", [True, False])
def test_items_may_be_as_wide_as_anything(memory_induction):
    # As wide as the controller's part of a projection.
    cell = MemoryCell(10, 3, memory_induction=memory_induction)
    items = RANDOM.normal(size=(2, 3, 10)).astype("float32")
    layer = keras.layers.RNN(cell)
    np.testing.assert_allclose(
        layer(cell.project(items)), layer(items), **TOLERANCE
    )


def test_a_history_can_be_continued():
    cell = make()
    first = run(cell, ITEMS[:, :3])
    states = [ops.convert_to_tensor(x) for x in first.values()]
    assert_same(
        run(cell, ITEMS[:, 3:], states=states),
        run(cell, ITEMS),
        rtol=1e-5,
        atol=1e-5,
    )


def test_usage_counts_the_steps():
    usage = run(make(), ITEMS, MASK)["u"]
    assert usage.min() >= 0
    np.testing.assert_allclose(usage.sum(axis=-1), [7, 4, 0], rtol=1e-5)


def test_every_step_renews_one_channel():
    cell = make(scale=2.0)
    states = cell.get_initial_state(3)
    renewed = set()
    for step in range(7):
        before = np.asarray(states[-1])
        _, states = cell(cell.project(ITEMS[:, step]), states)
        changed = np.any(np.asarray(states[-1]) != before, axis=-1)
        np.testing.assert_array_equal(changed.sum(axis=-1), 1)
        renewed.update(np.argmax(changed, axis=-1).tolist())
    assert len(renewed) > 1


def assert_finite(cell):
    """Values and gradients of a history are finite."""
    layer = keras.layers.RNN(cell, return_state=True)
    with tf.GradientTape() as tape:
        _, *states = layer(cell.project(ITEMS, MASK))
        loss = sum(ops.sum(ops.square(state)) for state in states)
    assert np.isfinite(loss)
    weights = [weight.value for weight in cell.trainable_weights]
    for gradient in tape.gradient(loss, weights):
        # Nothing is looked up, so the output has no gradient.
        assert gradient is None or np.all(np.isfinite(gradient))


def test_huge_requests_stay_finite():
    assert_finite(make(scale=100.0))


def test_weights_that_sharpening_sends_to_zero_stay_finite():
    cell = make()
    bias = np.asarray(cell.head_bias).copy()
    # Sharpest addressing and sharpening, and no shift.
    bias[4 * DIM : 4 * DIM + 6] = [19.0, 19.0, 19.0, 19.0, -19.0, -19.0]
    cell.head_bias.assign(bias)
    assert_finite(cell)
    assert np.any(run(cell, ITEMS[:, :1])["u"] == 0)


def test_a_memory_of_zeros_is_finite():
    cell = make()
    cell.initial_memory.assign(np.zeros((SLOTS, DIM)))
    cell.slot_keys.assign(np.zeros((SLOTS, DIM)))
    assert_finite(cell)


@pytest.mark.parametrize("memory_utilization", [True, False])
def test_gradients_reach_what_is_read(memory_utilization):
    cell = make(memory_utilization=memory_utilization)
    layer = keras.layers.RNN(cell, return_state=True)
    with tf.GradientTape() as tape:
        _, *states = layer(cell.project(ITEMS, MASK))
        output = cell.look_up(ITEMS, states)
        loss = ops.sum(output * output) + sum(
            ops.sum(ops.square(state)) for state in states
        )
    gradients = tape.gradient(loss, [w.value for w in cell.trainable_weights])
    for weight, gradient in zip(cell.trainable_weights, gradients, strict=True):
        assert np.any(gradient), weight.path
        if weight.path.endswith("head_kernel"):
            columns = np.any(gradient, axis=0)
            scalars = [True, True, *[memory_utilization] * 4, *[False] * 6]
            np.testing.assert_array_equal(columns[: 4 * DIM], True)
            np.testing.assert_array_equal(columns[4 * DIM :], scalars)


def test_usage_teaches_shift_and_sharpness_alone():
    cell = make()
    layer = keras.layers.RNN(cell, return_state=True)
    with tf.GradientTape() as tape:
        _, *states = layer(cell.project(ITEMS[:, :1]))
        loss = ops.sum(ops.square(states[3]))
    gradient = tape.gradient(loss, cell.head_kernel.value)
    np.testing.assert_array_equal(
        np.flatnonzero(np.any(gradient, axis=0)),
        np.r_[4 * DIM + 2 : 4 * DIM + 6],
    )


def test_nothing_is_learned_through_what_the_controller_sees_of_usage():
    cell = make()
    states = cell.get_initial_state(3)
    usage = tf.fill((3, SLOTS), 100.0)
    with tf.GradientTape() as tape:
        tape.watch(usage)
        _, new_states = cell(
            cell.project(ITEMS[:, 0]), [*states[:3], usage, *states[4:]]
        )
        others = [x for i, x in enumerate(new_states) if i != 3]
        others.append(cell.look_up(ITEMS, [*states[:3], usage, *states[4:]]))
    assert all(x is None for x in tape.gradient(others, [usage]))
    _, unused = cell(cell.project(ITEMS[:, 0]), states)
    assert np.abs(new_states[2] - unused[2]).max() > 1e-3


@pytest.mark.parametrize("policy", POLICIES)
def test_policies(policy):
    cell = make(dtype=policy)
    states = run(cell, ITEMS, MASK)
    expected = run(make(), ITEMS, MASK)
    for name, value in states.items():
        dtype = keras.DTypePolicy(policy).compute_dtype
        assert str(value.dtype) == dtype
        np.testing.assert_allclose(
            value.astype("float32"), expected[name], rtol=0.1, atol=0.1
        )


def test_compiled_by_xla():
    cell = make()
    layer = keras.layers.RNN(cell)

    @tf.function(jit_compile=True)
    def compiled(items):
        return layer(cell.project(items, MASK))

    np.testing.assert_allclose(
        compiled(ITEMS), run(cell, ITEMS, MASK)["h"], **TOLERANCE
    )


def test_saved_with_a_free_length(tmp_path):
    sequences = keras.Input((None, DIM))
    model = keras.Model(sequences, keras.layers.RNN(make())(sequences))
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(restored(ITEMS), model(ITEMS), **TOLERANCE)


@pytest.mark.parametrize(
    ("name", "least"), [("item_dim", 1), ("hidden_dim", 1), ("num_slots", 2)]
)
def test_wrong_arguments(name, least):
    options = {"item_dim": 4, "hidden_dim": 4, name: least - 1}
    message = f"`{name}` must be at least {least}"
    with pytest.raises(ValueError, match=message):
        MemoryCell(**options)
