"""The item-item graph of a history, seen by its user."""

import math

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_range


@register
class UserAwareAdjacency(keras.layers.Layer):
    """Relates every pair of items of a history in the eyes of the user.

    Each position of the history is a node (an item that occurs twice is two
    nodes), each pair of nodes an edge of weight

    ```
    A_ij = sigmoid(sum_k x_ik * x_jk * u_k)          (equation 1)
    ```

    which is symmetric, and differs between users with the same history. With
    a `scale` it is `sigmoid(scale * sum_k ... + offset)`, and both numbers are
    learned: items of length 1 have products of -1 to 1, whose sigmoids are
    all near a half.

    Args:
        user_aware: whether the user takes part. `False` leaves `u` out.
            Defaults to `True`.
        scale: first value of the factor, or `None`, which is equation 1.
            Defaults to `None`.
        offset: first value of the offset; without a `scale` it has to be 0.
            Defaults to `0.0`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        users: float, (batch, d); ignored, may be `None`, without
            `user_aware`.
        valid_mask: bool, (batch, length).

    Returns:
        float, (batch, length, length), between 0 and 1.

    Raises:
        ValueError: `scale` is below 0.001, or there is an `offset` alone.

    Masking: rows and columns of invalid positions are 0.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import UserAwareAdjacency
    >>> items = np.ones((2, 3, 4), "float32")
    >>> users = np.zeros((2, 4), "float32")
    >>> mask = np.array([[True, True, False], [True, False, False]])
    >>> adjacency = UserAwareAdjacency()(items, users, valid_mask=mask)
    >>> np.asarray(adjacency)[0].tolist()
    [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, section 3.2.2.

    Differences: the published code leaves the user out
    (`user_aware=False`). `scale` and `offset` are not in the paper.
    """

    def __init__(
        self,
        user_aware: bool = True,
        scale: float | None = None,
        offset: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_range(offset, "offset", -math.inf)
        if scale is not None:
            check_range(scale, "scale", 1e-3)
        elif offset:
            raise ValueError(
                "An offset of the adjacency needs a scale beside it. "
                f"Received: scale=None, offset={offset}"
            )
        self.user_aware = bool(user_aware)
        self.scale, self.offset = scale, offset
        self.slope = self.shift = None
        if scale is not None:
            self.slope = self._number("slope", scale)
            self.shift = self._number("shift", offset)
        self.built = True

    def _number(self, name, value):
        first = keras.initializers.Constant(value)
        return self.add_weight(shape=(), initializer=first, name=name)

    def call(self, items, users=None, valid_mask=None):
        queries = items
        if self.user_aware:
            queries = items * ops.expand_dims(users, 1)
        logits = ops.matmul(queries, ops.transpose(items, (0, 2, 1)))
        if self.slope is not None:
            logits = self.slope * logits + self.shift
        adjacency = ops.sigmoid(logits)  # (batch, length, length)
        if valid_mask is None:
            return adjacency
        pairs = ops.logical_and(valid_mask[:, :, None], valid_mask[:, None, :])
        return ops.where(pairs, adjacency, ops.zeros_like(adjacency))

    def compute_output_shape(
        self, items_shape, users_shape=None, valid_mask_shape=None
    ):
        return (items_shape[0], items_shape[1], items_shape[1])

    def get_config(self):
        return {
            **super().get_config(),
            "user_aware": self.user_aware,
            "scale": self.scale,
            "offset": self.offset,
        }
