"""Histories as they come, turned into histories as models read them."""

import tensorflow as tf


def compact(
    ids: tf.Tensor, max_length: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Moves the known items of each row together, at the left.

    Padding may stand anywhere. Of more than `max_length` items the last ones
    are kept.

    Args:
        ids: int32 (B, m), oldest first; 0 is padding or an unknown item.
        max_length: the most items kept of a row.

    Returns:
        `history` int32 (B, w), padded with 0 at the end, where w is the
        largest number of items that a row keeps, but at least 1; `place`
        int32 (B, m), the column of each item in it; `kept` bool (B, m).
    """
    known = tf.not_equal(ids, 0)
    rank = tf.cumsum(tf.cast(known, tf.int32), axis=1)
    count = tf.reduce_sum(tf.cast(known, tf.int32), axis=1, keepdims=True)
    place = rank - 1 - tf.maximum(count - max_length, 0)
    kept = tf.logical_and(known, place >= 0)
    width = tf.reduce_max(tf.concat([tf.minimum(count, max_length), [[1]]], 0))
    place = tf.where(kept, place, 0)
    return scatter(ids, place, kept, width), place, kept


def scatter(
    values: tf.Tensor, place: tf.Tensor, kept: tf.Tensor, width: tf.Tensor
) -> tf.Tensor:
    """Moves entries of each row to their columns, 0 elsewhere.

    Args:
        values: (B, m).
        place: int32 (B, m), see `compact`.
        kept: bool (B, m), see `compact`.
        width: int32 (), columns of the result.

    Returns:
        (B, width).
    """
    source = tf.where(kept)  # (n, 2): row, column
    row = tf.cast(source[:, 0], tf.int32)
    target = tf.stack([row, tf.boolean_mask(place, kept)], axis=1)
    shape = tf.stack([tf.shape(values)[0], width])
    return tf.scatter_nd(target, tf.boolean_mask(values, kept), shape)


def expand(weights: tf.Tensor, place: tf.Tensor, kept: tf.Tensor) -> tf.Tensor:
    """Takes what belongs to compacted columns back to the given ones.

    Args:
        weights: (B, n, w).
        place: int32 (B, m), see `compact`.
        kept: bool (B, m), see `compact`.

    Returns:
        (B, n, m), 0 where nothing was kept.
    """
    count = tf.shape(weights)[1]
    columns = tf.repeat(place[:, None], count, axis=1)
    given = tf.gather(weights, columns, axis=2, batch_dims=2)
    return tf.where(kept[:, None], given, 0.0)
