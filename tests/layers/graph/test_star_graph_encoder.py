"""The star graph network against a loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import StarGraphEncoder
from tests.layers.graph.test_session_graph import HISTORY
from tests.reference import numpy_session_graph as oracle
from tests.testing import check_config

DIM = 4
TABLE = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
ITEMS = TABLE[HISTORY]


def randomized(*arguments, **options):
    layer = StarGraphEncoder(*arguments, **options)
    layer.build(ITEMS.shape)
    random = np.random.default_rng(1)
    layer.set_weights(
        [random.normal(scale=0.5, size=w.shape) for w in layer.get_weights()]
    )
    return layer


def outputs(layer, items=ITEMS, history=HISTORY):
    return [np.asarray(x) for x in layer(items, history)]


@pytest.mark.parametrize("use_projections", [False, True])
@pytest.mark.parametrize("num_steps", [1, 3])
def test_equals_numpy(num_steps, use_projections):
    layer = randomized(num_steps, use_projections)
    maps = None
    if use_projections:
        maps = [m.get_weights() for m in layer.gate_maps + layer.star_maps]
    states, star = outputs(layer)
    assert not states[HISTORY == 0].any()
    for row, session in enumerate(HISTORY):
        session = session[session > 0].tolist()
        if not session:
            assert not star[row].any()
            continue
        expected = oracle.encode_with_star(
            session,
            TABLE,
            layer.step.get_weights(),
            layer.highway.get_weights(),
            num_steps,
            maps,
        )
        np.testing.assert_allclose(
            states[row, : len(session)], expected[0], rtol=1e-3, atol=1e-5
        )
        np.testing.assert_allclose(star[row], expected[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("use_projections", [False, True])
def test_padding_changes_nothing(use_projections):
    layer = randomized(use_projections=use_projections)
    states, star = outputs(layer)
    filled = np.where(HISTORY[..., None] > 0, ITEMS, 7.0)
    longer = outputs(
        layer,
        np.pad(filled, [(0, 0), (0, 2), (0, 0)]),
        np.pad(HISTORY, [(0, 0), (0, 2)]),
    )
    np.testing.assert_allclose(longer[0][:, :-2], states, atol=1e-5)
    np.testing.assert_allclose(longer[1], star, atol=1e-5)


def test_rows_do_not_see_each_other():
    layer = randomized()
    states, star = outputs(layer)
    for row in range(5):
        cut = slice(row, row + 1)
        alone = outputs(layer, ITEMS[cut], HISTORY[cut])
        np.testing.assert_allclose(alone[0], states[cut], atol=1e-5)
        np.testing.assert_allclose(alone[1], star[cut], atol=1e-5)


@pytest.mark.parametrize(("bias", "share"), [(1e4, 1.0), (-1e4, 0.0)])
def test_an_open_highway_gives_the_items_back(bias, share):
    layer = randomized()
    layer.highway.bias.assign(np.full(DIM, bias))
    states, _ = outputs(layer)
    valid = HISTORY > 0
    away = np.abs(states - ITEMS)[valid].max()
    assert (away < 1e-6) == (share == 1.0)


@pytest.mark.parametrize("use_projections", [False, True])
def test_every_weight_has_a_gradient(use_projections):
    layer = randomized(2, use_projections)
    random = np.random.default_rng(2)
    items = tf.constant(ITEMS)
    with tf.GradientTape() as tape:
        tape.watch(items)
        form = 0.0
        for output in layer(items, HISTORY):
            factors = random.normal(size=output.shape).astype("float32")
            form += tf.reduce_sum(output * factors)
    weights = layer.trainable_weights
    gradients = tape.gradient(form, [*(w.value for w in weights), items])
    paths = [*(w.path for w in weights), "items"]
    for path, gradient in zip(paths, gradients, strict=True):
        assert np.all(np.isfinite(gradient)), path
        # What it adds to all logits of a softmax is taken away by it.
        if path.endswith("star_query/bias"):
            assert np.abs(gradient).max() < 1e-5
            continue
        assert np.abs(gradient).max() > 1e-4, path


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    layer = StarGraphEncoder(2, dtype=policy)
    states, star = layer(ITEMS, HISTORY)
    full = StarGraphEncoder(2)
    full.build(ITEMS.shape)
    full.set_weights(layer.get_weights())
    for output, expected in zip((states, star), full(ITEMS, HISTORY)):
        assert keras.backend.standardize_dtype(output.dtype) in policy
        output = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
        np.testing.assert_allclose(output, expected, atol=0.06)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 13 * 625 + 11 * 25),
        ({"use_projections": True}, 17 * 625 + 15 * 25),
        (
            {"use_projections": True, "return_star": False},
            15 * 625 + 13 * 25,
        ),
    ],
)
def test_parameter_count_and_draw(options, expected):
    layer = StarGraphEncoder(**options)
    layer.build((None, None, 25))
    assert layer.count_params() == expected
    for weight in layer.get_weights():
        assert 0.1 < np.abs(weight).max() <= 0.2
        assert weight.min() < 0 < weight.max()


def test_config_and_shapes():
    check_config(
        StarGraphEncoder,
        {"num_steps": 2, "use_projections": True, "return_star": False},
    )
    layer = StarGraphEncoder()
    shapes = layer.compute_output_shape(ITEMS.shape)
    assert shapes == tuple(x.shape for x in outputs(layer))


@pytest.mark.parametrize("use_projections", [False, True])
@pytest.mark.parametrize("num_steps", [1, 3])
def test_without_the_star_the_states_are_the_same(num_steps, use_projections):
    both = randomized(num_steps, use_projections)
    alone = StarGraphEncoder(num_steps, use_projections, return_star=False)
    alone.build(ITEMS.shape)
    weights = {weight.path.split("/", 1)[1]: weight for weight in both.weights}
    for weight in alone.weights:
        weight.assign(weights.pop(weight.path.split("/", 1)[1]))
    # The last star is what they would be for.
    unread = use_projections and num_steps == 1
    assert len(weights) == (4 if unread else 0)
    states = np.asarray(alone(ITEMS, HISTORY))
    assert alone.compute_output_shape(ITEMS.shape) == states.shape
    np.testing.assert_allclose(states, outputs(both)[0], atol=1e-6)


def test_compiled_by_xla():
    layer = randomized()
    compiled = tf.function(layer, jit_compile=True)
    history = tf.constant(HISTORY, "int32")
    for ours, expected in zip(
        compiled(tf.constant(ITEMS), history), outputs(layer), strict=True
    ):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_wrong_number_of_steps():
    with pytest.raises(ValueError, match="`num_steps` must be at least 1"):
        StarGraphEncoder(0)
