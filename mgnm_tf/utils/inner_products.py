"""Inner products of users and items."""

from keras import ops

from mgnm_tf.types import Tensor


def inner_products(users: Tensor, items: Tensor) -> Tensor:
    """Returns the inner product of each user with its items.

    Args:
        users: float, (B, d).
        items: float, (B, C, d), or (C, d) where all users have the same.

    Returns:
        (B, C), the dtype of `users`.
    """
    items = ops.cast(items, users.dtype)
    if len(items.shape) == 2:
        return ops.matmul(users, ops.transpose(items))
    return ops.einsum("bd,bcd->bc", users, items)
