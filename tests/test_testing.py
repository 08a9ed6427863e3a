"""The common tests see each fault that they are made for."""

import keras
import numpy as np
import pytest
from keras import ops

from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import zero_invalid
from tests.testing import run_layer_test
from tests.testing import run_model_test

ITEMS = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
MASK = np.arange(4)[None] < np.array([4, 2, 1])[:, None]


def make_layer(**faults):
    """Returns a right layer class, with the methods in `faults` replaced."""

    class WeightedSum(keras.layers.Layer):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, items_shape, valid_mask_shape=None):
            self.weight = self.add_weight(
                name="weight", shape=(items_shape[-1],), initializer="ones"
            )
            self.built = True

        def call(self, items, valid_mask=None):
            return self.total(items, valid_mask) * self.factor * self.weight

        def total(self, items, valid_mask):
            return ops.sum(zero_invalid(items, valid_mask), axis=1)

        def compute_output_shape(self, items_shape, valid_mask_shape=None):
            return (items_shape[0], items_shape[-1])

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    for name, method in faults.items():
        setattr(WeightedSum, name, method)
    return register(WeightedSum)


def check(cls):
    run_layer_test(
        cls,
        {},
        {"items": ITEMS, "valid_mask": MASK},
        expected_output_shape=(3, 5),
        expected_num_trainable_weights=1,
    )


def valid_sum(items, valid_mask):
    return ops.sum(zero_invalid(items, valid_mask), axis=1)


def forget_argument(self):
    return keras.layers.Layer.get_config(self)


def declare_wrong_shape(self, items_shape, valid_mask_shape=None):
    return (items_shape[0], 4)


def ignore_mask(self, items, valid_mask):
    return ops.sum(items, axis=1)


def mix_rows(self, items, valid_mask):
    total = valid_sum(items, valid_mask)
    return total + ops.mean(total, axis=0, keepdims=True)


def divide_by_length(self, items, valid_mask):
    length = ops.sum(ops.cast(valid_mask, items.dtype), axis=1)
    return valid_sum(items, valid_mask) / length[:, None]


def count_padding(self, items, valid_mask):
    length = ops.cast(ops.shape(items)[1], items.dtype)
    return valid_sum(items, valid_mask) / length


def leave_dtype(self, items, valid_mask=None):
    return ops.cast(self.total(items, valid_mask) * self.weight, "float32")


def overflow(self, items, valid_mask):
    return valid_sum(items, valid_mask) * 1e5


def stop_gradient(self, items, valid_mask=None):
    total = self.total(items, valid_mask)
    return total * ops.stop_gradient(self.weight)


def silence_weight(self, items, valid_mask=None):
    return self.total(items, valid_mask) * (1.0 + 0.0 * self.weight)


def draw(self, items, valid_mask):
    total = valid_sum(items, valid_mask)
    return total * keras.random.uniform((1,), dtype=total.dtype)


def test_right_layer_passes():
    check(make_layer())


@pytest.mark.parametrize(
    ("faults", "seen_by"),
    [
        ({"get_config": forget_argument}, "check_config"),
        ({"compute_output_shape": declare_wrong_shape}, "check_shapes"),
        ({"total": ignore_mask}, "check_masking"),
        ({"total": mix_rows}, "check_same_alone_and_again"),
        ({"total": divide_by_length}, "check_dtype_policies"),
        ({"total": count_padding}, "check_masking"),
        ({"call": leave_dtype}, "check_dtype_policies"),
        ({"total": overflow}, "check_dtype_policies"),
        ({"call": stop_gradient}, "check_gradients"),
        ({"call": silence_weight}, "check_gradients"),
        ({"total": draw}, "check_same_alone_and_again"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_fault_is_seen(faults, seen_by):
    with pytest.raises(AssertionError) as failure:
        check(make_layer(**faults))
    assert seen_by in [entry.name for entry in failure.traceback]


FEATURES = {
    "user": np.array([1, 2]),
    "history": np.array([[1, 2, 3], [4, 0, 0]]),
    "candidates": np.array([[5, 6, 1], [2, 3, 4]]),
}


class SumOfHistory(SequentialRecommender):
    """A right model: inner products with the sum of the history."""

    def __init__(self, faults):
        super().__init__(2, 6)
        self.table = keras.random.normal((7, 4), seed=1)
        for name, method in faults.items():
            setattr(self, name, method.__get__(self))
        self.built = True

    def encode(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        return ops.sum(self.vectors(history), axis=1)

    def score(self, encoded, candidates, training=False):
        vectors = self.vectors(ops.convert_to_tensor(candidates))
        if len(vectors.shape) == 2:
            return ops.matmul(encoded, ops.transpose(vectors))
        return ops.einsum("bd,bcd->bc", encoded, vectors)

    def vectors(self, ids):
        return zero_invalid(ops.take(self.table, ids, axis=0), ids > 0)

    def interests(self, features):
        return self.encode(features)[:, None]

    def item_vectors(self):
        return self.table


def mix_users(self, features, training=False):
    total = SumOfHistory.encode(self, features)
    return total + ops.mean(total, axis=0, keepdims=True)


def average_padding(self, features, training=False):
    history = ops.convert_to_tensor(features["history"])
    return ops.mean(self.vectors(history), axis=1)


def divide_by_count(self, features, training=False):
    length = ops.sum(ops.cast(features["history"] > 0, "float32"), axis=1)
    return SumOfHistory.encode(self, features) / length[:, None]


def compare_candidates(self, encoded, candidates, training=False):
    scores = SumOfHistory.score(self, encoded, candidates)
    return scores - ops.mean(scores, axis=1, keepdims=True)


def add_noise(self, features, training=False):
    total = SumOfHistory.encode(self, features)
    return total + keras.random.normal((4,))


def forget_history(self, features, training=False):
    return ops.zeros((len(features["history"]), 4))


def guide_always(self, features, training=False):
    encoded = self.encode(features)
    encoded = self.guide(encoded, features["candidates"][:, 0])
    return self.score(encoded, features["candidates"])


def return_other_vectors(self):
    return 2.0 * self.table


def test_right_model_passes():
    run_model_test(SumOfHistory({}), FEATURES)


@pytest.mark.parametrize(
    "faults",
    [
        {"encode": mix_users},
        {"encode": average_padding},
        {"encode": divide_by_count},
        {"encode": add_noise},
        {"encode": forget_history},
        {"score": compare_candidates},
        {"item_vectors": return_other_vectors},
        {"call": guide_always},
    ],
    ids=lambda faults: next(iter(faults.values())).__name__,
)
def test_fault_of_a_model_is_seen(faults):
    with pytest.raises(AssertionError):
        run_model_test(SumOfHistory(faults), FEATURES)
