"""Training objectives for a positive and its sampled negatives.

All losses read the same labels as the pipeline makes: 1 for a positive, 0
for a negative, -1 for a column to ignore.
"""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.types import Tensor
from mgnm_tf.utils.masking import LOWEST
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


def _label_masks(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Returns (is positive, counts), with a level axis where scores have one.

    Shapes: (B, C), or (B, 1, C) for `y_pred` (B, levels, C).
    """
    if len(y_pred.shape) > len(y_true.shape):
        y_true = ops.expand_dims(y_true, axis=1)
    return ops.greater(y_true, 0), ops.greater_equal(y_true, 0)


def _sum_row(values: Tensor) -> Tensor:
    """Sums every axis but the first: (B, ...) -> (B,)."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


@register
class SigmoidCrossEntropy(keras.losses.Loss):
    """The objective of the MGNM paper (equations 16 and 17).

    Each candidate is a binary decision of its own. The value of a row is

    ```
    sum over levels l and candidates c of  log(1 + exp(s_lc)) - y_c * s_lc
    ```

    and Keras takes the mean over the batch. It is computed in float32. The
    penalties of the paper (theta 1 and 2) are added by the model.

    Args:
        name: defaults to "sigmoid_cross_entropy".
        reduction: how the rows are reduced, see `keras.losses.Loss`. Defaults
            to "sum_over_batch_size", the mean.
        dtype: the type of the computation, see `keras.losses.Loss`.

    Call arguments:
        y_true: float, `(B, C)`: 1 positive, 0 negative, -1 ignore.
        y_pred: logits, `(B, C)` or `(B, levels, C)`.
        sample_weight: optional, `(B,)`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.losses import SigmoidCrossEntropy
    >>> loss = SigmoidCrossEntropy()
    >>> print(f"{float(loss(np.array([[1.0, 0.0]]), np.zeros((1, 2)))):.4f}")
    1.3863
    """

    def __init__(
        self,
        name: str = "sigmoid_cross_entropy",
        reduction: str | None = "sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        positive, counts = _label_masks(y_true, logits)
        values = ops.softplus(logits) - ops.where(positive, logits, 0.0)
        return _sum_row(ops.where(counts, values, 0.0))


@register
class SampledSoftmax(keras.losses.Loss):
    """Softmax cross-entropy of the positive against the sampled columns.

    The value of a row is

    ```
    sum over levels l of  log sum_c exp(s_lc) - s_lp
    ```

    with p the positive and c running over all columns that are not ignored;
    several positives add up. Keras takes the mean over the batch. It is
    computed in float32. A correction for the sampling probability is
    subtracted from the logits by `SequentialRecommender`, not here. On
    batches of `negatives="all"`, which hold every item once, it is the exact
    softmax.

    Args:
        name: defaults to "sampled_softmax".
        reduction: how the rows are reduced, see `keras.losses.Loss`. Defaults
            to "sum_over_batch_size", the mean.
        dtype: the type of the computation, see `keras.losses.Loss`.

    Call arguments:
        y_true: float, `(B, C)`: 1 positive, 0 negative, -1 ignore.
        y_pred: logits, `(B, C)` or `(B, levels, C)`.
        sample_weight: optional, `(B,)`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.losses import SampledSoftmax
    >>> labels = np.array([[1.0, 0.0, -1.0]])
    >>> print(f"{float(SampledSoftmax()(labels, np.zeros((1, 3)))):.4f}")
    0.6931
    """

    def __init__(
        self,
        name: str = "sampled_softmax",
        reduction: str | None = "sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        positive, counts = _label_masks(y_true, logits)
        logits = ops.where(counts, logits, LOWEST)
        total = ops.logsumexp(logits, axis=-1, keepdims=True)
        return _sum_row(ops.where(positive, total - logits, 0.0))


@register
class CatalogueSoftmax(SampledSoftmax):
    """Softmax cross-entropy of the positive against all items.

    ```
    log sum_{j = 1..M} exp(s_j) - s_p
    ```

    A model that `trains_over_catalogue` (see `SequentialRecommender`) and is
    compiled with this loss takes batches that hold the positives alone
    (`negatives=0`): in training it returns the logarithm of their softmax
    over all items, one column, and the loss is its negative. That costs three
    products of matrices, and the scores of all items are no part of the
    batch. For all other columns of scores this is `SampledSoftmax`: for
    validation, and for batches of `negatives="all"`, with the same value.

    Args:
        name: defaults to "softmax".
        reduction: how the rows are reduced, see `keras.losses.Loss`. Defaults
            to "sum_over_batch_size", the mean.
        dtype: the type of the computation, see `keras.losses.Loss`.

    Call arguments:
        y_true: float, `(B, C)`: 1 positive, 0 negative, -1 ignore.
        y_pred: `(B, 1)` logarithms of the softmax, or logits as of
            `SampledSoftmax`.
        sample_weight: optional, `(B,)`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.losses import CatalogueSoftmax
    >>> loss = CatalogueSoftmax()(np.array([[1.0]]), np.log([[0.5]]))
    >>> print(f"{float(loss):.4f}")
    0.6931
    """

    def __init__(
        self,
        name: str = "softmax",
        reduction: str | None = "sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        if y_pred.shape[-1] != 1:
            return super().call(y_true, y_pred)
        logarithm = ops.cast(y_pred, "float32")
        positive, _ = _label_masks(y_true, logarithm)
        return _sum_row(ops.where(positive, -logarithm, 0.0))


@register
class GeneralizedCrossEntropy(keras.losses.Loss):
    """Binary cross-entropy that knows that its negatives are a sample (gBCE).

    With few negatives the sigmoid of a positive is pushed far above its true
    probability. Here its logarithm counts less, the fewer of the negatives
    of the catalogue are seen:

    ```
    alpha = n / (num_items - 1),  beta = 1 - calibration * (1 - alpha)
    sum over levels l of  (beta * log(1 + exp(-s_lp))
                           + sum_c log(1 + exp(s_lc))) / (n + 1)
    ```

    with p the positive and c the n negatives of the row; several positives
    add up. Keras takes the mean over the batch. It is computed in float32.

    Args:
        num_items: number of items of the catalogue.
        calibration: from 0, which is the plain cross-entropy, to 1, where the
            sigmoid estimates the probability; the t of the paper. Defaults
            to 0.75, as there.
        name: defaults to "gbce".
        reduction: how the rows are reduced, see `keras.losses.Loss`. Defaults
            to "sum_over_batch_size", the mean.
        dtype: the type of the computation, see `keras.losses.Loss`.

    Call arguments:
        y_true: float, `(B, C)`: 1 positive, 0 negative, -1 ignore.
        y_pred: logits, `(B, C)` or `(B, levels, C)`.
        sample_weight: optional, `(B,)`.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.losses import GeneralizedCrossEntropy
    >>> loss = GeneralizedCrossEntropy(num_items=3, calibration=1.0)
    >>> print(f"{float(loss(np.array([[1.0, 0.0]]), np.zeros((1, 2)))):.4f}")
    0.5199

    Reference: Petrov and Macdonald, "gSASRec: Reducing Overconfidence in
    Sequential Recommendation Trained with Negative Sampling", RecSys 2023,
    https://arxiv.org/abs/2308.07192. Their formula of beta is the one above,
    written without a division by alpha.
    """

    def __init__(
        self,
        num_items: int,
        calibration: float = 0.75,
        name: str = "gbce",
        reduction: str | None = "sum_over_batch_size",
        dtype=None,
    ):
        check_positive_int(num_items, "num_items", 2)
        check_range(calibration, "calibration", 0.0, 1.0)
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.num_items = num_items
        self.calibration = calibration

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        positive, counts = _label_masks(y_true, logits)
        negative = ops.logical_and(counts, ops.logical_not(positive))
        number = ops.sum(ops.cast(negative, "float32"), -1, keepdims=True)
        alpha = number / (self.num_items - 1)
        beta = 1.0 - self.calibration * (1.0 - alpha)
        values = ops.where(positive, beta * ops.softplus(-logits), 0.0)
        values += ops.where(negative, ops.softplus(logits), 0.0)
        return _sum_row(values / (number + 1.0))

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "calibration": self.calibration,
        }


@register
class BayesianPersonalizedRanking(keras.losses.Loss):
    """How far the positive is above its negatives (BPR).

    The value of a row is, with p the positive and c the n negatives,

    ```
    sum over levels l of  -log sum_c w_lc sigmoid(s_lp - s_lc)
    w_lc = exp(s_lc) / sum_c exp(s_lc)             with weighting="softmax"

    sum over levels l of  -sum_c log sigmoid(s_lp - s_lc) / n       "mean"
    ```

    and 0 for a row without negatives; for one negative both are BPR's. With
    the softmax the negatives that score high count, and of many easy ones the
    loss does not become small. Keras takes the mean over the batch. It is
    computed in float32, with logarithms of sigmoids and sums of exponentials
    that neither overflow nor end the gradient. A row has one positive.

    Args:
        weighting: how several negatives count, `"softmax"` or `"mean"`.
            Defaults to `"softmax"`.
        name: defaults to "bpr".
        reduction: how the rows are reduced, see `keras.losses.Loss`. Defaults
            to "sum_over_batch_size", the mean.
        dtype: the type of the computation, see `keras.losses.Loss`.

    Call arguments:
        y_true: float, `(B, C)`: 1 positive, 0 negative, -1 ignore.
        y_pred: logits, `(B, C)` or `(B, levels, C)`.
        sample_weight: optional, `(B,)`.

    Raises:
        ValueError: for another weighting.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.losses import BayesianPersonalizedRanking
    >>> loss = BayesianPersonalizedRanking()
    >>> print(f"{float(loss(np.array([[1.0, 0.0]]), np.zeros((1, 2)))):.4f}")
    0.6931

    Reference: Rendle et al., "BPR: Bayesian personalized ranking from
    implicit feedback", UAI 2009, https://arxiv.org/abs/1205.2618, draw one
    negative; Hidasi and Karatzoglou, "Recurrent neural networks with top-k
    gains for session-based recommendations", CIKM 2018,
    https://arxiv.org/abs/1706.03847, weigh several. Difference: without the
    latter's penalty of the negatives' scores, as THUwangcy/ReChorus has it,
    which cuts the sum off at 1e-8 in later versions.
    """

    def __init__(
        self,
        weighting: str = "softmax",
        name: str = "bpr",
        reduction: str | None = "sum_over_batch_size",
        dtype=None,
    ):
        check_choice(weighting, "weighting", ("softmax", "mean"))
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.weighting = weighting

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        positive, counts = _label_masks(y_true, logits)
        negative = ops.logical_and(counts, ops.logical_not(positive))
        of_positive = ops.sum(
            ops.where(positive, logits, 0.0), axis=-1, keepdims=True
        )
        # -log sigmoid(positive - negative)
        losses = ops.where(negative, ops.softplus(logits - of_positive), 0.0)
        if self.weighting == "mean":
            number = ops.sum(ops.cast(negative, "float32"), -1, keepdims=True)
            return _sum_row(losses / ops.maximum(number, 1.0))
        of_negatives = ops.where(negative, logits, LOWEST)
        values = ops.logsumexp(of_negatives, axis=-1) - ops.logsumexp(
            of_negatives - losses, axis=-1
        )
        return _sum_row(ops.expand_dims(values, -1))

    def get_config(self):
        return {**super().get_config(), "weighting": self.weighting}


LOSSES = {
    "bce": lambda num_items: SigmoidCrossEntropy(),
    "bpr": lambda num_items: BayesianPersonalizedRanking(),
    "softmax": lambda num_items: CatalogueSoftmax(),
    "sampled_softmax": lambda num_items: SampledSoftmax(),
    "gbce": GeneralizedCrossEntropy,
}


def get_loss(name: str, num_items: int | None = None) -> keras.losses.Loss:
    """Returns a new loss.

    Args:
        name: "bce" (`SigmoidCrossEntropy`), "bpr"
            (`BayesianPersonalizedRanking`), "sampled_softmax"
            (`SampledSoftmax`), "softmax" (`CatalogueSoftmax`) or
            "gbce" (`GeneralizedCrossEntropy`).
        num_items: number of items of the catalogue, which "gbce" needs.

    Raises:
        TypeError: `num_items` is missing for "gbce".
        ValueError: for another name.
    """
    return LOSSES[check_choice(name, "objective", LOSSES)](num_items)
