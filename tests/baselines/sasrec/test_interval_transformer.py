import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.sasrec.causal_transformer import CausalTransformer
from baselines.sasrec.interval_transformer import IntervalTransformer
from tests.baselines.sasrec.transformer_inputs import ITEMS
from tests.baselines.sasrec.transformer_inputs import LENGTHS
from tests.baselines.sasrec.transformer_inputs import MASK
from tests.baselines.sasrec.transformer_inputs import NORMALIZATIONS
from tests.baselines.sasrec.transformer_inputs import randomized
from tests.reference.numpy_tisasrec import interval_transformer
from tests.testing import run_layer_test

rng = np.random.default_rng(7)
COUNT = 7
PAIRS = MASK[:, :, None] & MASK[:, None, :]


def numbers(*shape):
    return rng.normal(size=shape).astype("float32")


PLACES = [numbers(3, 5, 4) * MASK[..., None] for _ in range(2)]
INTERVALS = np.where(PAIRS, rng.integers(0, COUNT, (3, 5, 5)), 0).astype(
    "int32"
)
TABLES = [numbers(COUNT, 4) for _ in range(2)]


@keras.saving.register_keras_serializable("mgnm_tf")
class WithTables(IntervalTransformer):
    """Has the tables of intervals, which have no batch axis, for its own."""

    def build(self, items_shape, valid_mask_shape=None):
        self.keys, self.values = (
            self.add_weight(name=name, shape=(COUNT, items_shape[-1]))
            for name in ("keys", "values")
        )
        super().build(items_shape)

    def call(
        self,
        items,
        place_keys,
        place_values,
        intervals,
        valid_mask=None,
        training=False,
    ):
        return super().call(
            items,
            place_keys,
            place_values,
            intervals,
            self.keys,
            self.values,
            valid_mask=valid_mask,
            training=training,
        )


def newest_rows(intervals):
    """Returns the rows of the newest items, (3, 1, 5)."""
    return np.stack(
        [rows[n - 1 : n] for rows, n in zip(intervals, LENGTHS, strict=True)]
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_layer_contract(normalization, return_sequences):
    intervals = INTERVALS if return_sequences else newest_rows(INTERVALS)
    run_layer_test(
        WithTables,
        {
            "num_heads": 2,
            "normalization": normalization,
            "return_sequences": return_sequences,
        },
        {
            "items": ITEMS,
            "place_keys": PLACES[0],
            "place_values": PLACES[1],
            "intervals": intervals,
            "valid_mask": MASK,
        },
        expected_output_shape=(3, 5, 4) if return_sequences else (3, 4),
        expected_num_trainable_weights=14,
        time_axes=(1,) if return_sequences else (),
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("num_heads", [1, 2])
def test_equals_numpy(normalization, num_heads):
    options = {"num_heads": num_heads, "normalization": normalization}
    layer, weights = randomized(IntervalTransformer, **options)
    output = layer(ITEMS, *PLACES, INTERVALS, *TABLES, valid_mask=MASK)
    last, _ = randomized(IntervalTransformer, **options, return_sequences=False)
    newest = last(
        ITEMS, *PLACES, newest_rows(INTERVALS), *TABLES, valid_mask=MASK
    )
    output, newest = np.asarray(output), np.asarray(newest)
    for row, n in enumerate(LENGTHS):
        expected = interval_transformer(
            ITEMS[row, :n],
            weights,
            [vectors[row, :n] for vectors in PLACES],
            INTERVALS[row, :n, :n],
            TABLES,
            **options,
        )
        np.testing.assert_allclose(
            output[row, :n], expected, rtol=1e-4, atol=1e-5
        )
        assert not output[row, n:].any()
        np.testing.assert_allclose(
            newest[row], expected[-1], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("return_sequences", [True, False])
def test_gradients_are_those_of_a_vector_for_each_pair(return_sequences):
    # Written out, with the tensor that the layer does without.
    options = {"num_heads": 2, "return_sequences": return_sequences}
    layer, _ = randomized(IntervalTransformer, **options)
    intervals = INTERVALS if return_sequences else newest_rows(INTERVALS)
    tables = [tf.Variable(table) for table in TABLES]
    factors = numbers(3, 5, 4) if return_sequences else numbers(3, 4)

    def gradients(form):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(form() * factors)
        found = tape.gradient(loss, [*tables, layer.query.kernel.value])
        return [np.asarray(tf.convert_to_tensor(x)) for x in found]

    def ours():
        return layer(ITEMS, *PLACES, intervals, *tables, valid_mask=MASK)

    def attend(queries, keys, seen, places, intervals, tables):
        queries, keys, values = layer._project(queries, keys)
        keys = (keys + places[0])[:, None] + tf.gather(tables[0], intervals)
        values = (values + places[1])[:, None] + tf.gather(tables[1], intervals)
        rows, length = keys.shape[1:3]
        keys, values = (
            tf.reshape(x, (3, rows, length, 2, 2)) for x in (keys, values)
        )
        queries = layer._heads(queries)
        logits = tf.einsum("bihd,bijhd->bhij", queries, keys)
        weights = layer._weights(logits, seen)
        return layer._join(tf.einsum("bhij,bijhd->bihd", weights, values))

    first = ours(), gradients(ours)
    layer._attend = attend
    second = ours(), gradients(ours)
    np.testing.assert_allclose(first[0], second[0], rtol=1e-4, atol=1e-5)
    for one, other in zip(first[1], second[1], strict=True):
        assert np.abs(one).max() > 1e-3
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_sees_the_past_alone():
    layer, _ = randomized(IntervalTransformer)
    before = np.asarray(layer(ITEMS, *PLACES, INTERVALS, *TABLES))
    items, intervals = ITEMS.copy(), INTERVALS.copy()
    items[0, 2, 0] += 1.0
    after = np.asarray(layer(items, *PLACES, INTERVALS, *TABLES))
    np.testing.assert_allclose(after[0, :2], before[0, :2], rtol=1e-5)
    assert np.all(np.abs(after - before)[0, 2:].max(axis=-1) > 1e-4)
    # Nor does it read the interval to a later item.
    intervals[0, 1, 2] += 1
    later = np.asarray(layer(ITEMS, *PLACES, intervals, *TABLES))
    np.testing.assert_allclose(later, before, rtol=1e-5, atol=1e-6)
    intervals[0, 2, 1] += 1
    earlier = np.asarray(layer(ITEMS, *PLACES, intervals, *TABLES))
    assert np.abs(earlier - before)[0, 2].max() > 1e-4


@pytest.mark.parametrize("return_sequences", [True, False])
def test_zero_tables_leave_the_causal_transformer(return_sequences):
    options = {"num_heads": 2, "return_sequences": return_sequences}
    layer, _ = randomized(IntervalTransformer, **options)
    plain, _ = randomized(CausalTransformer, **options)
    intervals = INTERVALS if return_sequences else newest_rows(INTERVALS)
    nothing = np.zeros_like(ITEMS), np.zeros_like(TABLES[0])
    output = layer(
        ITEMS, *[nothing[0]] * 2, intervals, *[nothing[1]] * 2, valid_mask=MASK
    )
    np.testing.assert_allclose(
        output, plain(ITEMS, valid_mask=MASK), rtol=1e-4, atol=1e-5
    )


def test_dropout_acts_in_training_only():
    layer, _ = randomized(IntervalTransformer, dropout=0.5)
    inputs = (ITEMS, *PLACES, INTERVALS, *TABLES)
    quiet = np.asarray(layer(*inputs))
    keras.utils.set_random_seed(3)
    assert not np.allclose(quiet, np.asarray(layer(*inputs, training=True)))
    np.testing.assert_array_equal(quiet, np.asarray(layer(*inputs)))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="width of the items must be divisib"):
        IntervalTransformer(num_heads=3).build(ITEMS.shape)
