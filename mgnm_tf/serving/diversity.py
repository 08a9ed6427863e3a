"""Lists of recommendations that are not all of one kind."""

import numpy as np

from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


def diversify(
    scores: np.ndarray,
    k: int,
    weight: float,
    *,
    categories: np.ndarray | None = None,
    vectors: np.ndarray | None = None,
) -> np.ndarray:
    """Chooses k candidates of each user by score and difference.

    The set S of chosen candidates shall have a large value

    ```
    Q(u, S) = sum_i f(u, i) + weight * sum_ij g(i, j)        (equation 11)
    ```

    with the score f (equation 10). The difference g is 1 for two items of
    different categories, otherwise 0 (equation 12); where there are no
    categories it is 1 minus the cosine of their vectors. One candidate after
    the other is chosen, at each step the one with the largest

    ```
    f(u, i) + weight * sum_{j chosen} g(i, j)                (algorithm 1)
    ```

    With `weight=0` these are the candidates with the best scores, in order.
    Of equal candidates the first one is chosen.

    Letters in shapes: B users, C candidates, d width.

    Args:
        scores: float (B, C); -inf for what is no candidate, which is chosen
            when nothing else is left.
        k: number of candidates to choose; of fewer all are taken.
        weight: lambda, at least 0. It has the unit of the scores: at 1,
            another category weighs as much as one more in score.
        categories: int (B, C), the category of each candidate; 0, no
            category, counts as one. Defaults to `None`.
        vectors: float (B, C, d), read where there are no categories; a zero
            vector has cosine 0 with all. Defaults to `None`.

    Returns:
        int64 (B, min(k, C)), columns of the chosen candidates, in the order
        in which they were chosen.

    Raises:
        ValueError: `k` or `weight` is out of its range, shapes do not fit,
            or neither categories nor vectors are given.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.serving.diversity import diversify
    >>> scores, categories = np.array([[3.0, 2.9, 2.5]]), np.array([[1, 1, 2]])
    >>> diversify(scores, 2, 0.0, categories=categories).tolist()
    [[0, 1]]
    >>> diversify(scores, 2, 1.0, categories=categories).tolist()
    [[0, 2]]

    Reference: Cen et al., "Controllable Multi-Interest Framework for
    Recommendation", KDD 2020, section 3.4.

    Differences: the paper has no difference of vectors.
    """
    check_positive_int(k, "k")
    weight = check_range(weight, "weight")
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2:
        raise ValueError(
            "`scores` must have the shape (users, candidates). Received: "
            f"shape {scores.shape}"
        )
    if categories is not None:
        categories = _check(categories, "categories", scores.shape)
    elif vectors is not None:
        vectors = _check(vectors, "vectors", scores.shape)
        vectors = vectors.astype(np.float64)
        norms = np.linalg.norm(vectors, axis=2, keepdims=True)
        vectors = vectors / np.where(norms > 0, norms, 1.0)
    elif weight:
        raise ValueError("Either `categories` or `vectors` must be given.")
    rows = np.arange(len(scores))
    values = scores.copy()
    chosen = np.zeros((len(scores), min(k, scores.shape[1])), np.int64)
    taken = np.zeros(scores.shape, bool)
    for step in range(chosen.shape[1]):
        # What is taken stays behind what is no candidate.
        values = np.maximum(values, np.finfo(np.float64).min)
        column = np.where(taken, -np.inf, values).argmax(axis=1)
        chosen[:, step] = column
        taken[rows, column] = True
        if weight and categories is not None:
            values += weight * (categories != categories[rows, column, None])
        elif weight:
            cosines = np.einsum("bcd,bd->bc", vectors, vectors[rows, column])
            values += weight * (1.0 - cosines)
    return chosen


def _check(values, name, shape):
    """Returns `values` as an array of rows and columns like the scores."""
    values = np.asarray(values)
    ndim = 2 if name == "categories" else 3
    if values.shape[:2] != shape or values.ndim != ndim:
        raise ValueError(
            f"`{name}` must begin with the shape {shape} of `scores` and have "
            f"{ndim} axes. Received: shape {values.shape}"
        )
    return values
