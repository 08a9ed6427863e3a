"""How like the sessions of a batch are, and vectors averaged along it."""

import keras
from keras import ops

from mgnm_tf.types import Tensor
from mgnm_tf.utils.masking import valid_positions


def overlaps(history: Tensor) -> Tensor:
    """Returns the line graph of a batch: shared items over all items.

    ```
    W_pq = |p and q| / |p or q|,  W_pp = 1
    ```

    Args:
        history: int (B, m), padded with 0; a session is the set of its items.

    Returns:
        float32 (B, B), symmetric. A session without items is like itself
        alone.
    """
    batch = ops.shape(history)[0]
    valid_mask = ops.reshape(valid_positions(history), (-1,))
    ids = ops.reshape(ops.cast(history, "int32"), (-1,))
    ordered = ops.sort(ids)
    new = ops.concatenate(
        [
            ops.zeros_like(ordered[:1]),
            ops.cast(ordered[1:] > ordered[:-1], "int32"),
        ],
        axis=0,
    )
    # The items of the batch are numbered without gaps.
    first = ops.cast(ops.searchsorted(ordered, ids, side="left"), "int32")
    numbers = ops.take(ops.cumsum(new), first)
    count = ops.shape(ids)[0]
    if keras.backend.backend() == "tensorflow":  # May have dynamic shapes.
        count = ops.sum(new) + 1
    rows = ops.arange(ops.shape(ids)[0], dtype="int32")
    rows = rows // ops.maximum(ops.shape(history)[1], 1)
    counts = ops.segment_sum(
        ops.cast(valid_mask, "float32"),
        rows * count + numbers,
        num_segments=batch * count,
    )
    members = ops.reshape(ops.minimum(counts, 1.0), (batch, count))
    both = ops.matmul(members, ops.transpose(members))
    sizes = ops.sum(members, axis=1)
    either = sizes[:, None] + sizes[None, :] - both
    same = ops.arange(batch)[:, None] == ops.arange(batch)[None, :]
    return ops.where(same, 1.0, both / ops.maximum(either, 1.0))


def average_along(overlap: Tensor, sessions: Tensor, num_layers: int) -> Tensor:
    """Returns the mean of z_0 to z_L, z_(l+1) = W z_l / row sums of W.

    Args:
        overlap: float32 (B, B), W.
        sessions: float32 (B, d), z_0.
        num_layers: L.
    """
    step = overlap / ops.sum(overlap, axis=1, keepdims=True)
    total = sessions
    for _ in range(num_layers):
        sessions = ops.matmul(step, sessions)
        total = total + sessions
    return total / (num_layers + 1.0)
