"""Which of several interests is wanted now: mixing and distillation."""

from keras import ops

from mgnm_tf.types import Tensor
from mgnm_tf.utils.unit_vectors import unit_vectors


def interest_shares(logits: Tensor) -> Tensor:
    """Returns the softmax of the logits of K interests.

    Args:
        logits: float32, (B, K).

    Returns:
        (B, K); rows sum to 1.
    """
    # Keras's `softmax` warns where there is but one entry.
    if logits.shape[-1] == 1:
        return ops.ones_like(logits)
    return ops.softmax(logits, axis=-1)


def mix_interests(logits: Tensor, interests: Tensor) -> Tensor:
    """Returns the sum of K interests, each by its share.

    ```
    u = sum_k softmax(z)_k v_k
    ```

    Args:
        logits: float32, z (B, K).
        interests: v (B, K, d).

    Returns:
        u (B, 1, d), like `interests`.
    """
    shares = ops.cast(interest_shares(logits), interests.dtype)
    return ops.matmul(ops.expand_dims(shares, 1), interests)


def distillation_loss(
    logits: Tensor,
    interests: Tensor,
    positives: Tensor,
    temperature: float,
    stop_gradient: bool = True,
) -> Tensor:
    """Returns how far predicted shares are from those of the positives.

    ```
    p = softmax_k(cos(v_k, x) / T),    q = softmax(z / T)
    T^2 sum_k p_k (log p_k - log q_k)          the mean over the batch
    ```

    Args:
        logits: float32, z (B, K).
        interests: v (B, K, d).
        positives: x (B, d).
        temperature: T.
        stop_gradient: whether `interests` and `positives` are left alone.
            Defaults to `True`.

    Returns:
        A number, float32.

    Reference: Wang et al., "Target Interest Distillation for Multi-Interest
    Recommendation", CIKM 2022, equations 5 to 11.
    """
    interests = unit_vectors(ops.cast(interests, "float32"))
    positives = unit_vectors(ops.cast(positives, "float32"))
    cosines = ops.einsum("bkd,bd->bk", interests, positives)
    target = ops.log_softmax(cosines / temperature, axis=-1)
    if stop_gradient:
        target = ops.stop_gradient(target)
    predicted = ops.log_softmax(logits / temperature, axis=-1)
    divergence = ops.sum(ops.exp(target) * (target - predicted), axis=-1)
    return temperature**2 * ops.mean(divergence)
