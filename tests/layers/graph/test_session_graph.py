"""The graph of a session against a loop over its steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.layers import SessionGraph
from tests.reference.numpy_session_graph import edges
from tests.testing import check_config


def random_sessions(rows=40, length=9, items=5, seed=0):
    """Sessions with many repeats, of all lengths from 0 to `length`."""
    random = np.random.default_rng(seed)
    history = random.integers(1, items + 1, (rows, length))
    lengths = random.integers(0, length + 1, rows)
    return np.where(np.arange(length) < lengths[:, None], history, 0)


HISTORY = random_sessions()


def graph_of(history, **kwargs):
    return [np.asarray(x) for x in SessionGraph(**kwargs)(history)]


def test_equals_a_loop():
    alias, node_mask, arriving, leaving = graph_of(HISTORY)
    assert alias.dtype == np.int32
    for row, session in enumerate(HISTORY):
        session = session[session > 0].tolist()
        items, pairs = edges(session)
        slots = [session.index(item) for item in items]
        np.testing.assert_array_equal(np.flatnonzero(node_mask[row]), slots)
        for place, item in enumerate(session):
            assert alias[row, place] == session.index(item)
        rest = np.arange(len(session), HISTORY.shape[1])
        np.testing.assert_array_equal(alias[row, len(session) :], rest)
        for matrix, steps in (
            (arriving, {(v, u) for u, v in pairs}),
            (leaving, pairs),
        ):
            expected = np.zeros(matrix.shape[1:])
            for head, tail in steps:
                count = sum(one == head for one, _ in steps)
                where = session.index(head), session.index(tail)
                expected[where] = 1 / count
            np.testing.assert_allclose(matrix[row], expected, rtol=1e-6)


def test_an_item_that_follows_itself_has_an_edge_to_itself():
    _, node_mask, arriving, leaving = graph_of(np.array([[3, 3, 3]]))
    assert node_mask.tolist() == [[True, False, False]]
    for matrix in (arriving, leaving):
        assert matrix[0, 0, 0] == 1.0
        assert matrix.sum() == 1.0


def test_a_step_that_is_repeated_counts_once():
    once = graph_of(np.array([[1, 2, 1, 3]]))[3]
    often = graph_of(np.array([[1, 2, 1, 2, 1, 3]]))[3]
    np.testing.assert_array_equal(once[0, 0, 1], 0.5)
    np.testing.assert_array_equal(often[0, 0, 1], 0.5)


@pytest.mark.parametrize("history", [[[4]], [[0]], [[0, 0]]])
def test_sessions_without_a_step_have_no_edges(history):
    _, _, arriving, leaving = graph_of(np.array(history))
    assert not arriving.any()
    assert not leaving.any()


def test_padding_changes_nothing():
    length = HISTORY.shape[1]
    longer = graph_of(np.pad(HISTORY, [(0, 0), (0, 3)]))
    for ours, theirs in zip(graph_of(HISTORY), longer, strict=True):
        cut = theirs[:, :length]
        if cut.ndim == 3:
            assert not cut[..., length:].any()
            cut = cut[..., :length]
        np.testing.assert_array_equal(ours, cut)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_dtypes_follow_the_policy(policy):
    full = graph_of(HISTORY)
    alias, node_mask, *matrices = SessionGraph(dtype=policy)(HISTORY)
    np.testing.assert_array_equal(alias, full[0])
    np.testing.assert_array_equal(node_mask, full[1])
    for matrix, expected in zip(matrices, full[2:], strict=True):
        assert keras.backend.standardize_dtype(matrix.dtype) in policy
        matrix = keras.ops.convert_to_numpy(keras.ops.cast(matrix, "float32"))
        np.testing.assert_allclose(matrix, expected, rtol=1e-2)


def test_symbolic_shapes_and_dtypes_are_those_of_the_outputs():
    layer = SessionGraph()
    declared = layer(keras.KerasTensor((None, None), dtype="int32"))
    shapes = layer.compute_output_shape(HISTORY.shape)
    for one, shape, real in zip(declared, shapes, layer(HISTORY), strict=True):
        assert one.dtype == keras.backend.standardize_dtype(real.dtype)
        assert len(one.shape) == len(real.shape)
        assert shape == tuple(real.shape)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph_with_free_sizes(jit_compile):
    layer = SessionGraph()
    signature = [tf.TensorSpec((None, None), "int32")]
    if jit_compile:
        signature = None
    compiled = tf.function(
        layer, input_signature=signature, jit_compile=jit_compile
    )
    for cut in (1, 9):
        history = HISTORY[:, :cut].astype("int32")
        outputs = compiled(tf.constant(history))
        for ours, expected in zip(outputs, graph_of(history), strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_config():
    check_config(SessionGraph, {})
