"""The item-item graph of a history, seen by its user."""

import keras
from keras import ops

from mgnm_tf.serialization import register


@register
class UserAwareAdjacency(keras.layers.Layer):
    """Relates every pair of items of a history in the eyes of the user.

    Each position of the history is a node (an item that occurs twice is two
    nodes), each pair of nodes an edge of weight

    ```
    A_ij = sigmoid(sum_k x_ik * x_jk * u_k)          (equation 1)
    ```

    which is symmetric, and differs between users with the same history.

    Args:
        user_aware: whether the user takes part. `False` leaves `u` out.
            Defaults to `True`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        users: float, (batch, d); ignored, may be `None`, without
            `user_aware`.
        valid_mask: bool, (batch, length).

    Returns:
        float, (batch, length, length), between 0 and 1.

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
    (`user_aware=False`).
    """

    def __init__(self, user_aware: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.user_aware = bool(user_aware)
        self.built = True

    def call(self, items, users=None, valid_mask=None):
        queries = items
        if self.user_aware:
            queries = items * ops.expand_dims(users, 1)
        logits = ops.matmul(queries, ops.transpose(items, (0, 2, 1)))
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
        return {**super().get_config(), "user_aware": self.user_aware}
