"""S-kNN: items of the training sessions that are like this one."""

from keras import ops

from baselines.session_knn.session_knn import SessionKNNRecommender
from mgnm_tf.serialization import register


@register
class SKNN(SessionKNNRecommender):
    """Scores an item by the similarity of the sessions that hold it.

    With h the set of the items of the history and s that of a training
    session,

    ```
    sim(h, s) = |h and s| / sqrt(|h| |s|)        (cosine)
                |h and s| / |h or s|             (jaccard)
    score(j) = sum of sim(h, s) over the neighbours s that hold j
    ```

    The neighbours are the `num_neighbors` most similar ones of the
    `sample_size` most recent sessions that share an item with h. It has no
    trainable weights and is hard to beat on sessions.

    Args:
        num_users: number of training sessions S.
        num_items: number of items M; item 0 is padding.
        num_events: number of training events; `from_data` knows it. Defaults
            to `0`.
        num_neighbors: neighbours k. Defaults to `100`.
        sample_size: most recent sessions that are compared. Defaults to
            `500`.
        similarity: `"cosine"` or `"jaccard"`. Defaults to `"cosine"`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.

    Returns:
        Scores (batch, C), float32. Padding scores 0, and so does everything
        after an empty history. `encode` holds batch x (M + 1) floats.

    Masking: padding changes nothing.

    Raises:
        ValueError: a size is out of its range, or the similarity is unknown.

    Example:

    >>> import numpy as np
    >>> from baselines.session_knn.sknn import SKNN
    >>> model = SKNN(num_users=2, num_items=3, num_events=4)
    >>> model.load_tables(
    ...     {
    ...         "training_sessions": {
    ...             "offsets": np.array([0, 2, 4]),  # Sessions {1, 2}, {2, 3}.
    ...             "items": np.array([1, 2, 2, 3]),
    ...             "item_counts": np.array([0, 1, 2, 1]),
    ...         }
    ...     }
    ... )
    >>> features = {
    ...     "user": np.array([0]),
    ...     "history": np.array([[1]]),
    ...     "candidates": np.array([[2, 3]]),
    ... }
    >>> print(np.asarray(model(features)).round(2))
    [[0.71 0.  ]]

    Reference: Jannach and Ludewig, "When recurrent neural networks meet the
    neighborhood for session-based recommendation", RecSys 2017,
    https://doi.org/10.1145/3109859.3109872; sizes as in the code,
    https://github.com/rn5l/session-rec.

    Differences: scores are not divided by the highest one, and the published
    code multiplies the cosine by |h|: neither changes an order. Ties go to
    the more recent session; in the published code they depend on the order
    of a Python set. Its reminders and its factor for popular items are left
    out; both are off there.
    """

    similarities = ("cosine", "jaccard")

    def compare(self, overlap, size, squares, other):
        if self.similarity == "jaccard":
            return overlap / ops.maximum(size + other - overlap, 1.0)
        return overlap / ops.sqrt(ops.maximum(size * other, 1.0))
