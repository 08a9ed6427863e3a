"""The only home of mask arithmetic. A mask is True at real interactions."""

import keras
from keras import ops

from mgnm_tf.types import Tensor

PADDING = 0
"""The id of padding in `history` and of "no item" everywhere."""
LOWEST = -3.0e38
"""What stands for a float32 logit that must not win, beside any other one."""
FORBIDDEN = -1e9
"""What is added to a float32 logit that must not count; beyond float16."""
TINY = 1e-30
"""The least that a float32 sum of weights is divided by."""


def valid_positions(ids: Tensor) -> Tensor:
    """Returns the mask of `ids`: True where an id is not padding."""
    return ops.not_equal(ids, PADDING)


def zero_invalid(values: Tensor, valid_mask: Tensor) -> Tensor:
    """Sets `values` (..., d) to zero where `valid_mask` (...) is False."""
    return ops.where(
        ops.expand_dims(valid_mask, -1), values, ops.zeros_like(values)
    )


def masked_softmax(logits: Tensor, valid_mask: Tensor, axis: int = -1):
    """Softmax over the valid entries of `axis`, computed in float32.

    Args:
        logits: float tensor.
        valid_mask: bool tensor that broadcasts against `logits`.
        axis: the axis to normalise over.

    Returns:
        A tensor like `logits`; invalid entries are 0, and a slice without a
        valid entry is 0 everywhere, never NaN.
    """
    dtype = logits.dtype
    logits = ops.cast(logits, "float32")
    highest = ops.max(
        ops.where(valid_mask, logits, LOWEST), axis=axis, keepdims=True
    )
    # Invalid logits are replaced before `exp`: an overflow there would turn
    # the gradient of the `where` behind it into NaN.
    shifted = ops.where(valid_mask, logits - highest, 0.0)
    weights = ops.where(valid_mask, ops.exp(shifted), 0.0)
    total = ops.sum(weights, axis=axis, keepdims=True)
    return ops.cast(weights / ops.maximum(total, TINY), dtype)


def history_length(valid_mask: Tensor) -> Tensor:
    """Returns the number of valid positions of each row, int32 (batch,)."""
    return ops.sum(ops.cast(valid_mask, "int32"), axis=-1)


def last_valid(values: Tensor, valid_mask: Tensor) -> Tensor:
    """Picks the last valid position of each row.

    Args:
        values: (batch, length, d).
        valid_mask: (batch, length), True first, False after (right padding).

    Returns:
        (batch, d); zeros for a row without a valid position.
    """
    index = ops.maximum(history_length(valid_mask) - 1, 0)
    picked = ops.take_along_axis(values, index[:, None, None], axis=1)[:, 0]
    return zero_invalid(picked, ops.any(valid_mask, axis=-1))


def places_from_newest(valid_mask: Tensor) -> Tensor:
    """Numbers the positions of each row from the newest one backwards.

    Args:
        valid_mask: (batch, length), True first, False after (right padding).

    Returns:
        int32 (batch, length): 0 at the last valid position, 1 at that before
        it, ...; negative at invalid ones.
    """
    newest = history_length(valid_mask)[:, None] - 1
    return newest - ops.arange(ops.shape(valid_mask)[1], dtype="int32")


def never_empty(valid_mask: Tensor) -> Tensor:
    """Calls the first position of each row valid, too.

    cuDNN's kernels refuse a row without a valid position, and a softmax over
    nothing is NaN; whoever calls this sets to zero what such a row holds.

    Args:
        valid_mask: (batch, length), True first, False after (right padding).

    Returns:
        Like `valid_mask`; different from it in empty rows alone.
    """
    first = ops.arange(ops.shape(valid_mask)[1]) == 0
    return ops.logical_or(valid_mask, ops.expand_dims(first, 0))


def newest_first(ids: Tensor) -> Tensor:
    """Reverses each history; its padding stays at the end.

    Args:
        ids: int (batch, length), oldest first, padded at the end.

    Returns:
        Like `ids`: position j holds the j-th newest id.
    """
    return reverse_valid(ids, valid_positions(ids))


def reverse_valid(values: Tensor, valid_mask: Tensor) -> Tensor:
    """Reverses the valid part of the last axis; the rest becomes 0.

    Args:
        values: (batch, ..., length).
        valid_mask: (batch, length), True first, False after (right padding).

    Returns:
        Like `values`: position j holds what the last valid one but j held.
    """
    index = places_from_newest(valid_mask)
    for _ in range(len(values.shape) - 2):
        index = ops.expand_dims(index, 1)
    index = ops.broadcast_to(index, ops.shape(values))
    flipped = ops.take_along_axis(values, ops.maximum(index, 0), axis=-1)
    return ops.where(
        ops.greater_equal(index, 0),
        flipped,
        ops.zeros_like(flipped),
    )


def normalize_rows(weights: Tensor) -> Tensor:
    """Divides weights (..., length), none below 0, by their sums, float32.

    Returns:
        A tensor like `weights` whose rows sum to 1; a row of zeros stays.
    """
    weights = ops.cast(weights, "float32")
    total = ops.sum(weights, axis=-1, keepdims=True)
    return weights / ops.maximum(total, TINY)


def check_history_length(history, max_length: int):
    """Returns `history` (batch, length) if it fits into positions.

    A length that is only known when a graph of TensorFlow runs is checked
    there, since what lies beyond a table is read as zeros on a GPU.

    Raises:
        ValueError: `length` is more than `max_length`; in a graph it is
            TensorFlow's `InvalidArgumentError`.
    """
    length = history.shape[1]
    sentence = "`history` must be at most `max_length` long. Received: length"
    if length is None and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        length = tf.shape(history)[1]
        told = [sentence, length, f"max_length={max_length}"]
        tf.debugging.Assert(length <= max_length, told)
    elif length is not None and length > max_length:
        raise ValueError(f"{sentence} {length}, max_length={max_length}")
    return history
