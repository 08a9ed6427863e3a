"""alpha-entmax against equations in NumPy and the published package."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from mgnm_tf.utils.entmax import entmax
from tests.reference.numpy_entmax import numpy_entmax
from tests.reference.numpy_entmax import numpy_gradients

ROOT = Path(__file__).parents[2]
FIXTURE = dict(np.load(ROOT / "tests/reference/entmax/entmax.npz"))
ALPHAS = (1.00001, 1.001, 1.1, 1.5, 1.9, 2.0)


def both_gradients(scores, alpha, upstream, valid_mask=None):
    scores, alpha = tf.constant(scores), tf.constant(alpha)
    with tf.GradientTape() as tape:
        tape.watch((scores, alpha))
        shares = entmax(scores, alpha, valid_mask)
        form = tf.reduce_sum(shares * upstream)
    return shares.numpy(), *(
        x.numpy() for x in tape.gradient(form, (scores, alpha))
    )


def draws(rows=5, count=7, dtype="float64", scale=2.0):
    random = np.random.default_rng(3)
    return (
        random.normal(scale=scale, size=(rows, count)).astype(dtype),
        random.normal(size=(rows, count)).astype(dtype),
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_equals_numpy(alpha):
    scores, upstream = draws()
    shares, by_scores, by_alpha = both_gradients(
        scores, np.full((5, 1), alpha), upstream
    )
    # Where alpha - 1 is small, it is the formula of the papers that rounds.
    loss = 1e-13 / (alpha - 1.0) ** 2
    for row in range(5):
        expected = numpy_entmax(scores[row], alpha)
        np.testing.assert_allclose(shares[row], expected, atol=1e-9)
        first, second = numpy_gradients(shares[row], alpha, upstream[row])
        np.testing.assert_allclose(by_scores[row], first, atol=1e-9)
        np.testing.assert_allclose(by_alpha[row, 0], second, atol=1e-9 + loss)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradients_are_those_of_differences(alpha):
    scores, upstream = draws(1)
    alphas = np.array([[alpha]])
    _, by_scores, by_alpha = both_gradients(scores, alphas, upstream)

    def forms(scores, alphas):
        return np.sum(np.asarray(entmax(scores, alphas)) * upstream, axis=-1)

    steps = 1e-6 * np.eye(scores.shape[1])
    rise = forms(scores + steps, alphas) - forms(scores - steps, alphas)
    np.testing.assert_allclose(by_scores[0], rise / 2e-6, atol=1e-6)
    step = 1e-6  # Upwards: alpha ends at 1.00001.
    rise = forms(scores, alphas + step) - forms(scores, alphas)
    np.testing.assert_allclose(by_alpha[0], rise / step, atol=1e-4)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_float32_is_as_exact_as_it_can_be(alpha):
    scores, upstream = draws()
    alphas = np.full((5, 1), alpha)
    exact = both_gradients(scores, alphas, upstream)
    single = both_gradients(
        *(x.astype("float32") for x in (scores, alphas, upstream))
    )
    for ours, expected in zip(single, exact, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_the_published_package():
    for case in range(4):
        arrays = {
            key.split("/")[1]: value
            for key, value in FIXTURE.items()
            if key.startswith(f"{case}/")
        }
        shares, by_scores, by_alpha = both_gradients(
            arrays["scores"], arrays["alpha"], arrays["upstream"]
        )
        np.testing.assert_allclose(shares, arrays["shares"], atol=1e-9)
        np.testing.assert_allclose(by_scores, arrays["by_scores"], atol=1e-9)
        np.testing.assert_allclose(by_alpha, arrays["by_alpha"], atol=1e-7)


def test_goes_to_softmax_and_is_sparsemax():
    scores, _ = draws()
    soft = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    for alpha in (1.0, 1.00001):
        np.testing.assert_allclose(entmax(scores, alpha), soft, atol=2e-5)
    sparse = np.asarray(entmax(scores, 2.0))
    assert (sparse == 0).any()
    for row, shares in zip(scores, sparse, strict=True):
        support = shares > 0
        threshold = (row[support].sum() - 1.0) / support.sum()
        np.testing.assert_allclose(shares, np.maximum(row - threshold, 0.0))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_shares_sum_to_1_in_the_order_of_the_scores(alpha):
    scores, _ = draws(50, 9, "float32")
    shares = np.asarray(entmax(scores, alpha))
    np.testing.assert_allclose(shares.sum(-1), 1.0, rtol=1e-6)
    ordered = np.take_along_axis(shares, scores.argsort(-1), axis=-1)
    assert np.all(np.diff(ordered) >= 0)


def test_more_zeros_at_a_larger_alpha():
    scores, _ = draws(50, 9)
    zeros = [(np.asarray(entmax(scores, a)) == 0).sum() for a in ALPHAS]
    assert zeros == sorted(zeros)
    assert zeros[0] == 0
    assert zeros[-1] > zeros[2]


def test_invalid_entries_change_nothing():
    scores, upstream = draws(4, 6, "float32")
    alpha = np.array([[1.2], [1.5], [1.8], [2.0]], "float32")
    mask = np.arange(9) < np.array([6, 3, 1, 0])[:, None]
    longer = np.pad(scores, [(0, 0), (0, 3)], constant_values=50.0)
    upstream = np.pad(upstream, [(0, 0), (0, 3)], constant_values=1.0)
    shares, by_scores, by_alpha = both_gradients(longer, alpha, upstream, mask)
    for row, count in enumerate((6, 3, 1)):
        alone = both_gradients(
            scores[row, :count], alpha[row], upstream[row, :count]
        )
        np.testing.assert_allclose(shares[row, :count], alone[0], atol=1e-6)
        np.testing.assert_allclose(by_scores[row, :count], alone[1], atol=1e-6)
        np.testing.assert_allclose(by_alpha[row], alone[2], atol=1e-5)
    for values in (shares, by_scores):
        np.testing.assert_array_equal(values[~mask], 0.0)
    assert by_alpha[3] == 0


def test_alpha_of_a_few_rows_is_that_of_each():
    scores, upstream = draws(4, 6)
    scores, upstream = (x.reshape(2, 2, 6) for x in (scores, upstream))
    shared = np.array([[[1.3]], [[1.7]]])
    each = np.repeat(shared, 2, axis=1)
    shares, by_scores, by_alpha = both_gradients(scores, shared, upstream)
    expected = both_gradients(scores, each, upstream)
    np.testing.assert_allclose(shares, expected[0])
    np.testing.assert_allclose(by_scores, expected[1])
    np.testing.assert_allclose(by_alpha, expected[2].sum(1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_keeps_the_type_of_the_logits(dtype):
    scores = ops.cast(draws()[0], dtype)
    shares = entmax(scores, 1.5)
    assert keras.backend.standardize_dtype(shares.dtype) == dtype
    single = entmax(ops.cast(scores, "float32"), 1.5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(shares, "float32")), single, atol=4e-3
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph_of_free_shape(jit_compile):
    scores, _ = draws(dtype="float32")
    traced = tf.function(
        lambda z, a: both_in_graph(z, a),
        input_signature=[tf.TensorSpec((None, None)), tf.TensorSpec((None, 1))],
        jit_compile=jit_compile,
    )
    alpha = np.full((5, 1), 1.4, "float32")
    expected = both_gradients(scores, alpha, np.arange(7, dtype="float32"))
    for ours, theirs in zip(traced(scores, alpha), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def both_in_graph(scores, alpha):
    with tf.GradientTape() as tape:
        tape.watch((scores, alpha))
        shares = entmax(scores, alpha)
        factors = tf.cast(tf.range(tf.shape(scores)[-1]), "float32")
        form = tf.reduce_sum(shares * factors)
    return shares, *tape.gradient(form, (scores, alpha))


JAX = """
import jax
import numpy as np
from mgnm_tf.utils.entmax import entmax
from tests.utils.test_entmax import draws

scores, upstream = draws(dtype="float32")
mask = np.arange(7) < np.array([7, 5, 2, 1, 0])[:, None]
alpha = np.full((5, 1), 1.4, "float32")
form = lambda z, a: (entmax(z, a, mask) * upstream).sum()
parts = jax.jit(jax.grad(form, (0, 1)))(scores, alpha)
np.savez({path!r}, shares=entmax(scores, alpha, mask), z=parts[0], a=parts[1])
"""


def test_jax(tmp_path):
    pytest.importorskip("jax", reason="the extra [dev] brings jax")
    path = str(tmp_path / "jax.npz")
    subprocess.run(
        [sys.executable, "-c", JAX.format(path=path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=ROOT,
        check=True,
    )
    scores, upstream = draws(dtype="float32")
    mask = np.arange(7) < np.array([7, 5, 2, 1, 0])[:, None]
    alpha = np.full((5, 1), 1.4, "float32")
    expected = both_gradients(scores, alpha, upstream, mask)
    theirs = np.load(path)
    for name, array in zip(("shares", "z", "a"), expected, strict=True):
        np.testing.assert_allclose(theirs[name], array, rtol=1e-4, atol=1e-5)
