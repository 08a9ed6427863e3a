"""The softmax over all items, with bounded memory."""

from keras import ops

from mgnm_tf.types import Tensor

_KEPT = 1 << 25
"""Products that are kept for the gradient: 128 MiB of them."""

_CHUNK = 1 << 21
"""Products of one chunk: 8 MiB of them, which caches hold."""


def catalogue_log_probability(
    users: Tensor,
    vectors: Tensor,
    positives: Tensor,
    kept: int = _KEPT,
    chunk: int = _CHUNK,
) -> Tensor:
    """Returns the logarithm of the softmax of each positive over all items.

    ```
    log p_b = s_b . x_y - log sum_{j = 1..M} exp(s_b . x_j)     y = y_b
    ```

    The gradients are written by hand, with p the softmax and u what comes
    from above:

    ```
    d s_b = u_b (x_y - sum_j p_bj x_j)
    d x_j = sum_b u_b ([j = y_b] - p_bj) s_b
    ```

    Both sums are products of matrices. The items are taken a chunk at a time.
    Up to `kept` products, B * M, the exponentials of all chunks are kept for
    the gradient; above they are computed a second time, and the memory grows
    with B and with M, but not with B * M. Value and gradients are those of the
    plain formula within rounding. It is computed in float32.

    Args:
        users: float, (B, d).
        vectors: float, (M + 1, d); row 0 is padding and no class.
        positives: int (B,), from 1 to M.
        kept: the most products that are kept; by default 128 MiB of them.
        chunk: the most products of a chunk, at least one item; by default
            8 MiB of them.

    Returns:
        float32 (B,).
    """
    users = ops.cast(users, "float32")
    vectors = ops.cast(vectors, "float32")
    positives = ops.cast(positives, "int32")
    rows = users.shape[0]
    num_items = vectors.shape[0] - 1
    size = max(1, min(num_items, chunk // (rows or _ASSUMED_ROWS)))
    ways = [
        lambda way=way: ops.custom_gradient(way(size))(
            users, vectors, positives
        )
        for way in (_keeping, _recomputing)
    ]
    most = kept // num_items
    if rows is None:
        return ops.cond(ops.shape(users)[0] <= most, *ways)
    return ways[0]() if rows <= most else ways[1]()


_ASSUMED_ROWS = 512
"""Rows of a batch whose size is not known when the step is traced."""


def _keeping(size: int):
    """Returns the function that keeps the exponentials of all chunks."""

    def function(users, vectors, positives):
        num_items = vectors.shape[0] - 1
        chunks, highest, totals, means = [], [], [], []
        for first in range(1, num_items + 1, size):
            part = vectors[first : min(first + size, num_items + 1)]
            products = ops.matmul(users, ops.transpose(part))
            top = ops.max(products, axis=1, keepdims=True)
            exponential = ops.exp(products - top)
            chunks.append(exponential)
            highest.append(top[:, 0])
            totals.append(ops.sum(exponential, axis=1))
            means.append(ops.matmul(exponential, part))
        highest = ops.stack(highest, axis=1)  # (B, chunks)
        logarithm = ops.logsumexp(
            highest + ops.log(ops.stack(totals, axis=1)), axis=1
        )
        share = ops.exp(highest - logarithm[:, None])
        own = ops.take(vectors, positives, axis=0)
        mean = share[:, :1] * means[0]
        for number in range(1, len(means)):
            mean = mean + share[:, number : number + 1] * means[number]

        def gradient(*args, upstream=None):
            above = (args[0] if upstream is None else upstream)[:, None]
            of_vectors = [ops.zeros_like(vectors[:1])]
            for number, exponential in enumerate(chunks):
                weighted = -above * share[:, number : number + 1] * users
                of_vectors.append(
                    ops.matmul(ops.transpose(exponential), weighted)
                )
            of_vectors = ops.concatenate(of_vectors, axis=0)
            return _gradients(above, own - mean, of_vectors, users, positives)

        return ops.sum(users * own, axis=1) - logarithm, gradient

    return function


def _recomputing(size: int):
    """Returns the function that keeps one number for each row."""

    def function(users, vectors, positives):
        count = -(-(vectors.shape[0] - 1) // size)
        own = ops.take(vectors, positives, axis=0)
        filled = _filled(vectors, count, size)
        chunks = ops.reshape(filled, (count, size, vectors.shape[1]))
        offsets = ops.reshape(
            _offsets(vectors.shape[0] - 1, count * size), (count, size)
        )

        def reduce(inputs):
            part, offset = inputs
            products = ops.matmul(users, ops.transpose(part)) + offset
            top = ops.max(products, axis=1)
            return top, ops.sum(ops.exp(products - top[:, None]), axis=1)

        highest, totals = ops.map(reduce, (chunks, offsets))
        logarithm = ops.logsumexp(highest + ops.log(totals), axis=0)

        def gradient(*args, upstream=None):
            above = (args[0] if upstream is None else upstream)[:, None]
            weighted = -above * users

            def differentiate(inputs):
                part, offset = inputs
                products = ops.matmul(users, ops.transpose(part)) + offset
                share = ops.exp(products - logarithm[:, None])
                of_part = ops.matmul(ops.transpose(share), weighted)
                return ops.matmul(share, part), of_part

            means, of_vectors = ops.map(differentiate, (chunks, offsets))
            mean = ops.sum(means, axis=0)
            of_vectors = ops.reshape(of_vectors, (-1, vectors.shape[1]))
            of_vectors = of_vectors[: vectors.shape[0] - 1]
            of_vectors = ops.pad(of_vectors, ((1, 0), (0, 0)))
            return _gradients(above, own - mean, of_vectors, users, positives)

        return ops.sum(users * own, axis=1) - logarithm, gradient

    return function


def _filled(vectors, count: int, size: int):
    """Returns the vectors of items 1 to M, and zeros up to whole chunks."""
    missing = count * size - (vectors.shape[0] - 1)
    return ops.pad(vectors[1:], ((0, missing), (0, 0)))


def _offsets(num_items: int, length: int):
    """Returns 0 for each item, and what no exponential survives behind."""
    beyond = ops.arange(length, dtype="int32") >= num_items
    return ops.where(beyond, -1e30, ops.zeros((length,), "float32"))


def _gradients(above, of_users, of_vectors, users, positives):
    """Returns the gradients of the three arguments."""
    of_vectors = ops.scatter_update(
        of_vectors, positives[:, None], above * users, reduction="add"
    )
    return above * of_users, of_vectors, None
