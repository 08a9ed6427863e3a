"""Negatives against an oracle in plain integers, and their distribution."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from mgnm_tf.data.batches.negatives import NegativeSampler
from mgnm_tf.data.batches.negatives import hash_words
from mgnm_tf.data.batches.negatives import random_integers
from tests.data.batches import splitmix


def draw(sampler, keys, count, excluded, positive):
    """Draws with NumPy in and out; `excluded` holds the positives."""
    result = sampler.draw_for(
        tf.constant(keys, tf.uint64),
        count,
        tf.constant(excluded, tf.int32),
        tf.constant(positive, tf.int32),
    )
    assert result.dtype == tf.int32
    return result.numpy()


def test_published_outputs_of_splitmix64():
    # Seed 1234567 stands in the test vectors of several implementations.
    assert splitmix.outputs(1234567, 3) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
    seed = tf.constant(1234567, tf.int64)
    assert int(hash_words(seed)) == 6457827717110365317


def test_hash_of_several_words():
    words = [7, -1, 123456789]
    expected = splitmix.key_of(*words)
    assert int(hash_words(*[tf.constant(w, tf.int64) for w in words])) == (
        expected
    )


def test_integers_are_inside_their_bound():
    keys = hash_words(tf.range(2000, dtype=tf.int64))
    bound = tf.constant(2**31 - 1, tf.int64)
    drawn = random_integers(keys, 3, bound).numpy()
    assert drawn.min() >= 0
    assert drawn.max() < 2**31 - 1
    assert drawn.max() > 0.99 * 2**31


# Many draws are made by XLA, few by TensorFlow.
@pytest.mark.parametrize("count", [8, 1000])
@pytest.mark.parametrize("may_exhaust", [False, True])
def test_uniform_draws_equal_the_oracle(may_exhaust, count):
    random = np.random.default_rng(0)
    sampler = NegativeSampler(30, may_exhaust=may_exhaust)
    positive = random.integers(1, 31, 20)
    history = random.integers(0, 31, (20, 12))
    excluded = np.sort(np.c_[np.zeros(20, int), positive, history], axis=1)
    keys = [splitmix.key_of(n) for n in range(20)]
    found = draw(sampler, keys, count, excluded, positive)
    for n in range(20):
        shares = dict.fromkeys(set(range(1, 31)) - set(excluded[n]), 1)
        assert found[n].tolist() == splitmix.choose(keys[n], count, shares)


def test_weighted_draws_equal_the_oracle():
    weights = np.array([0.0, 5, 1, 0.5, 3, 2, 0.5, 4])
    sampler = NegativeSampler(7, weights)
    # Shares of 2**30 are too many to list; these are the same proportions.
    unit = weights[1:].sum() / 2**30
    excluded = np.array([[0, 0, 2, 4, 4], [0, 1, 1, 1, 7]])
    keys = [splitmix.key_of(n) for n in range(2)]
    found = draw(sampler, keys, 200, excluded, [2, 7])
    for row, key, ids in zip(excluded, keys, found):
        allowed = [item for item in range(1, 8) if item not in row]
        ends = np.cumsum([round(weights[item] / unit) for item in allowed])
        places = [
            (out >> 32) * int(ends[-1]) >> 32
            for out in splitmix.outputs(key, 200)
        ]
        expected = np.array(allowed)[np.searchsorted(ends, places, "right")]
        np.testing.assert_array_equal(ids, expected)


def test_fewer_draws_are_the_first_of_more():
    sampler = NegativeSampler(100)
    keys, excluded = [1, 2], [[0, 5], [0, 9]]
    many = draw(sampler, keys, 50, excluded, [5, 9])
    few = draw(sampler, keys, 7, excluded, [5, 9])
    np.testing.assert_array_equal(few, many[:, :7])


def test_uniform_over_what_may_occur():
    sampler = NegativeSampler(20)
    keys = hash_words(tf.range(4000, dtype=tf.int64)).numpy()
    excluded = np.tile([0, 3, 4, 4, 20], (4000, 1))
    found = draw(sampler, keys, 10, excluded, np.full(4000, 4))
    counts = np.bincount(found.ravel(), minlength=21)
    assert counts[[0, 3, 4, 20]].tolist() == [0, 0, 0, 0]
    open_items = np.delete(np.arange(21), [0, 3, 4, 20])
    assert stats.chisquare(counts[open_items]).pvalue > 1e-3


def test_weights_are_followed():
    weights = np.arange(13.0) ** 0.75
    sampler = NegativeSampler(12, weights)
    keys = hash_words(tf.range(4000, dtype=tf.int64)).numpy()
    excluded = np.tile([0, 6], (4000, 1))
    found = draw(sampler, keys, 10, excluded, np.full(4000, 6))
    counts = np.bincount(found.ravel(), minlength=13)
    assert counts[0] == counts[6] == 0
    expected = weights.copy()
    expected[6] = 0
    expected *= counts.sum() / expected.sum()
    kept = expected > 0
    assert stats.chisquare(counts[kept], expected[kept]).pvalue > 1e-3


def test_no_item_has_weight_zero():
    weights = np.full(1001, 1e-12)
    weights[1] = 1.0
    sampler = NegativeSampler(1000, weights)
    found = draw(sampler, range(5), 9, np.tile([0, 1], (5, 1)), [1] * 5)
    assert found.min() > 1
    assert len(np.unique(found)) > 30


def test_a_row_that_excludes_everything_excludes_its_positive_only():
    sampler = NegativeSampler(4)
    excluded = [[0, 1, 2, 3, 4], [0, 0, 1, 2, 3]]
    found = draw(sampler, [11, 12], 300, excluded, [2, 3])
    assert set(found[0]) == {1, 3, 4}
    assert set(found[1]) == {4}


def test_shared_draws_equal_the_oracle():
    found = NegativeSampler(9).draw_shared(tf.constant(77, tf.uint64), 40)
    expected = splitmix.choose(77, 40, dict.fromkeys(range(1, 10), 1))
    assert found.numpy().tolist() == expected


def test_log_expected_count():
    sampler = NegativeSampler(3, np.array([0, 1.0, 1.0, 2.0]))
    value = sampler.log_expected_count(tf.constant([1, 3]), 8)
    np.testing.assert_allclose(value, np.log([2.0, 4.0]), rtol=1e-6)
    value = NegativeSampler(4).log_expected_count(tf.constant([[2]]), 8)
    np.testing.assert_allclose(value, [[np.log(2.0)]], rtol=1e-6)
