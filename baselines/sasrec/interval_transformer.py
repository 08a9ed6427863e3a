"""Causal self-attention that knows how much time lies between items."""

from keras import ops

from baselines.sasrec.causal_transformer import CausalTransformer
from mgnm_tf.serialization import register


@register
class IntervalTransformer(CausalTransformer):
    """A `CausalTransformer` with vectors of places and of time intervals.

    ```
    e_ij = q_i . (k_j + pk_j + rk(r_ij)) / sqrt(d / H)        r: intervals
    A_i  = sum_(j <= i) softmax_j(e_ij) (v_j + pv_j + rv(r_ij))
    ```

    in the place of the attention A there. The vectors p of places and r of
    intervals are not its own: they are given, split into heads like keys and
    values, so that all blocks of a model may share them.

    No tensor has an entry for each pair of items and each of the d numbers.
    With R intervals, `q_i . rk` is computed for all R of them, and read at
    r_ij; the sum of rv is the product of the table with the sums, over the
    items of each interval, of the weights. Where one position is returned,
    there is one row of intervals, whose vectors are looked up.

    Args:
        num_heads: see `CausalTransformer`. Defaults to `1`.
        dropout: see `CausalTransformer`. Defaults to `0.0`.
        normalization: see `CausalTransformer`. Defaults to `"before"`.
        return_sequences: see `CausalTransformer`. Defaults to `True`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        place_keys: float, (batch, length, d), pk.
        place_values: float, (batch, length, d), pv.
        intervals: int, (batch, length, length), the interval of row i and
            column j, from 0 to R - 1; without `return_sequences` the rows of
            the last valid positions alone, (batch, 1, length).
        interval_keys: float, (R, d), rk.
        interval_values: float, (R, d), rv.
        valid_mask: bool, (batch, length), True first (right padding).
        training: whether dropout acts.

    Returns:
        float, (batch, length, d), or (batch, d) without `return_sequences`.

    Raises:
        ValueError: an argument is out of its range, or d is not divisible by
            `num_heads`.

    Masking: see `CausalTransformer`.

    Example:

    >>> import numpy as np
    >>> from baselines.sasrec.interval_transformer import IntervalTransformer
    >>> items = np.ones((2, 3, 4), "float32")
    >>> times = np.array([[0, 5, 7], [1, 2, 4]])
    >>> intervals = np.abs(times[:, :, None] - times[:, None, :])
    >>> table = np.ones((8, 4), "float32")
    >>> block = IntervalTransformer(num_heads=2)
    >>> block(items, items, items, intervals, table, table).shape
    TensorShape([2, 3, 4])

    Reference: Li et al., "Time Interval Aware Self-Attention for Sequential
    Recommendation", WSDM 2020, equations 5 to 10,
    https://doi.org/10.1145/3336191.3371786.

    Differences: those of `CausalTransformer`. Paper and code set a share of
    the vectors of places and intervals to zero in training, each vector of a
    pair for itself, which needs the tensor that is left out here.
    """

    def call(
        self,
        items,
        place_keys,
        place_values,
        intervals,
        interval_keys,
        interval_values,
        valid_mask=None,
        training=False,
    ):
        return self._transform(
            items,
            valid_mask,
            training,
            self.return_sequences,
            places=(place_keys, place_values),
            intervals=ops.cast(intervals, "int32"),
            tables=(interval_keys, interval_values),
        )

    def _attend(self, queries, keys, seen, places, intervals, tables):
        queries, keys, values = self._project(queries, keys)
        keys, values = keys + places[0], values + places[1]
        if not self.return_sequences:
            keys, values = (
                vectors + ops.take(table, intervals[:, 0], axis=0)
                for vectors, table in zip((keys, values), tables, strict=True)
            )
        queries, keys, values = map(self._heads, (queries, keys, values))
        logits = ops.einsum("bihd,bjhd->bhij", queries, keys)
        if not self.return_sequences:
            weights = ops.cast(self._weights(logits, seen), values.dtype)
            return self._join(ops.einsum("bhij,bjhd->bihd", weights, values))
        key_table, value_table = (
            self._heads(table[None])[0] for table in tables
        )
        of_intervals = ops.einsum("bihd,rhd->bhir", queries, key_table)
        at = ops.broadcast_to(intervals[:, None], ops.shape(logits))
        logits = logits + ops.take_along_axis(of_intervals, at, axis=-1)
        weights = self._weights(logits, seen)
        sums = _sums_of_intervals(weights, at, value_table.shape[0])
        attended = ops.einsum(
            "bhij,bjhd->bihd", ops.cast(weights, values.dtype), values
        ) + ops.einsum(
            "bhir,rhd->bihd", ops.cast(sums, values.dtype), value_table
        )
        return self._join(attended)


def _sums_of_intervals(weights, intervals, count):
    """Adds up the weights of each interval.

    Args:
        weights: float32, (batch, H, rows, length).
        intervals: int32, like `weights`, from 0 to `count` - 1.
        count: number of intervals R.

    Returns:
        float32, (batch, H, rows, R).
    """
    *lead, length = ops.shape(weights)
    rows = lead[0] * lead[1] * lead[2]
    first = count * ops.arange(rows, dtype="int32")
    sums = ops.segment_sum(
        ops.reshape(weights, (-1,)),
        ops.reshape(
            ops.reshape(intervals, (-1, length)) + first[:, None], (-1,)
        ),
        num_segments=rows * count,
    )
    return ops.reshape(sums, (*lead, count))
