"""Ranking metrics of one positive among negatives.

The rank of a positive is the number of negatives above it, ties counting by
half. The four formulas take ranks, so that metrics inside `fit` and
`mgnm_tf.evaluation` share them.
"""

from typing import Any

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.types import Tensor
from mgnm_tf.utils.validation import check_positive_int


def positive_ranks(
    labels: Tensor, scores: Tensor, tie: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Ranks the positive of each row.

    rank = #(negatives scored higher) + `tie` * #(negatives scored the same)

    See `count_above`.

    Args:
        labels: (B, C): 1 for the positive (the first one, if there are
            several), 0 for a negative; others are ignored.
        scores: float (B, C), higher is better.
        tie: what a negative of the same score counts. Defaults to `0.5`.

    Returns:
        float32 ranks (B,), 0 for the best, and float32 number of negatives
        (B,), which is 0 for a row without a positive.
    """
    scores = ops.cast(scores, "float32")
    labels = ops.cast(labels, "float32")
    is_positive = ops.cast(ops.equal(labels, 1.0), "int32")
    column = ops.argmax(is_positive, axis=-1)
    positive = ops.take_along_axis(scores, column[:, None], axis=-1)
    negative = ops.equal(labels, 0.0)
    negative = ops.logical_and(
        negative, ops.any(ops.equal(labels, 1.0), axis=-1, keepdims=True)
    )
    total = ops.sum(ops.cast(negative, "float32"), axis=-1)
    return count_above(scores, positive, negative, tie), total


def count_above(
    scores: Tensor, positive: Tensor, counted: Tensor, tie: float = 0.5
) -> Tensor:
    """Counts scores (B, C) above `positive` (B, 1), ties by half.

    A comparison with NaN counts as above, so that a model that has diverged
    ranks its positives last, never first.

    Args:
        scores: float32 (B, C).
        positive: float32 (B, 1).
        counted: bool (B, C) or (C,), the scores that count.
        tie: what an equal score counts, from 0 to 1. Defaults to `0.5`.

    Returns:
        float32 (B,).
    """
    below = tie * ops.cast(scores < positive, "float32")
    below = below + (1.0 - tie) * ops.cast(scores <= positive, "float32")
    return ops.sum(ops.where(counted, 1.0 - below, 0.0), axis=-1)


def hit_at_k(ranks: Tensor, k: int) -> Tensor:
    """Returns 1 where rank < k, else 0; like `ranks`."""
    return ops.cast(ops.less(ranks, k), ranks.dtype)


def ndcg_at_k(ranks: Tensor, k: int) -> Tensor:
    """Returns 1 / log2(rank + 2) where rank < k, else 0; like `ranks`."""
    return hit_at_k(ranks, k) / ops.log2(ranks + 2.0)


def reciprocal_rank_at_k(ranks: Tensor, k: int) -> Tensor:
    """Returns 1 / (rank + 1) where rank < k, else 0; like `ranks`."""
    return hit_at_k(ranks, k) / (ranks + 1.0)


def sample_auc(ranks: Tensor, num_negatives: Tensor) -> Tensor:
    """Returns 1 - rank / num_negatives, 0 without negatives; like `ranks`."""
    better = ops.cast(num_negatives, ranks.dtype) - ranks
    return ops.divide_no_nan(better, ops.cast(num_negatives, ranks.dtype))


class RankingMetric(keras.metrics.Mean):
    """Base class: the mean of a formula over the rows of all batches.

    A subclass sets `prefix` and writes `compute(ranks, num_negatives)`. Rows
    without a positive or without a negative do not count.

    Args:
        k: number of places that the formula looks at, or `None` for one
            that looks at all. Defaults to 5.
        name: defaults to "prefix@k", or "prefix" without k.
        dtype: type of the sums. Defaults to `None`, the Keras default.
    """

    prefix = ""

    def __init__(self, k: int | None = 5, name: str | None = None, dtype=None):
        if k is not None:
            check_positive_int(k, "k")
        default = self.prefix if k is None else f"{self.prefix}@{k}"
        super().__init__(name=name or default, dtype=dtype)
        # Of those that take `None`, none hands it to a formula.
        self.k: Any = k

    def get_config(self):
        return {**super().get_config(), "k": self.k}

    def compute(self, ranks: Tensor, num_negatives: Tensor) -> Tensor:
        """Returns the value of each row, (B,)."""
        raise NotImplementedError

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: (B, C): 1 positive, 0 negative, -1 ignore.
            y_pred: (B, C) scores.
            sample_weight: (B,) or (B, 1) weights of the rows. Defaults to
                `None`, all 1.

        Raises:
            ValueError: the shapes differ.
        """
        y_true = ops.convert_to_tensor(y_true)
        y_pred = ops.convert_to_tensor(y_pred)
        if len(y_pred.shape) != 2 or any(
            None not in (true, pred) and true != pred
            for true, pred in zip(y_true.shape, y_pred.shape, strict=True)
        ):
            raise ValueError(
                "`y_true` and `y_pred` must have one shape (batch, "
                f"candidates). Received: {tuple(y_true.shape)} and "
                f"{tuple(y_pred.shape)}"
            )
        ranks, num_negatives = positive_ranks(y_true, y_pred)
        weight = ops.cast(num_negatives > 0, "float32")
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, "float32")
            weight = weight * ops.reshape(sample_weight, (-1,))
        values = self.compute(ranks, num_negatives)
        return super().update_state(values, sample_weight=weight)


@register
class HitRate(RankingMetric):
    """Share of the rows whose positive stands among the first k.

    ```
    1 if rank < k else 0
    ```

    The rank starts at 0 and counts ties by half (`positive_ranks`). With one
    positive a row this is recall at k, too. A k above the number of
    candidates gives 1.

    Args:
        k: number of places. Defaults to 5.
        name: defaults to "hit@k".
        dtype: type of the sums. Defaults to `None`, the Keras default.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.metrics import HitRate
    >>> metric = HitRate(k=1)
    >>> labels = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> metric.update_state(labels, np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> print(float(metric.result()))
    0.5
    """

    prefix = "hit"

    def compute(self, ranks, num_negatives):
        return hit_at_k(ranks, self.k)


@register
class NDCG(RankingMetric):
    """Normalised discounted cumulative gain at k of one positive.

    ```
    1 / log2(rank + 2) if rank < k else 0
    ```

    The rank starts at 0 and counts ties by half (`positive_ranks`). The
    ideal gain is 1, as there is one positive.

    Args:
        k: number of places. Defaults to 5.
        name: defaults to "ndcg@k".
        dtype: type of the sums. Defaults to `None`, the Keras default.
    """

    prefix = "ndcg"

    def compute(self, ranks, num_negatives):
        return ndcg_at_k(ranks, self.k)


@register
class MRR(RankingMetric):
    """Mean reciprocal rank at k.

    ```
    1 / (rank + 1) if rank < k else 0
    ```

    The rank starts at 0 and counts ties by half (`positive_ranks`).

    Args:
        k: number of places. Defaults to 5.
        name: defaults to "mrr@k".
        dtype: type of the sums. Defaults to `None`, the Keras default.
    """

    prefix = "mrr"

    def compute(self, ranks, num_negatives):
        return reciprocal_rank_at_k(ranks, self.k)


@register
class GroupAUC(RankingMetric):
    """Area under the ROC curve per row, averaged over the rows.

    ```
    1 - rank / number of negatives
    ```

    The AUC of a row is that of its positive against its own negatives, ties
    by half. The AUC of a user is the mean over the rows of the user, and the
    users are weighted by their number of rows; this is the mean over all
    rows. `mgnm_tf.evaluation` can weight users equally.

    Args:
        name: name of the metric. Defaults to `"gauc"`.
        dtype: type of the sums. Defaults to `None`, the Keras default.
    """

    prefix = "gauc"

    def __init__(self, name: str = "gauc", dtype=None):
        super().__init__(k=None, name=name, dtype=dtype)

    def compute(self, ranks, num_negatives):
        return sample_auc(ranks, num_negatives)

    def get_config(self):
        config = super().get_config()
        del config["k"]
        return config
