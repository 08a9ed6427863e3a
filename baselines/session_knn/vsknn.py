"""V-S-kNN: S-kNN that looks at the newest items first."""

from keras import ops

from baselines.session_knn.session_knn import SessionKNNRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import TINY
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

WEIGHTINGS = ("same", "div", "linear", "quadratic", "log")


@register
class VSKNN(SessionKNNRecommender):
    """S-kNN whose similarities and scores favour the newest clicks.

    With p_i the weight of item i of the history h of length n, at its last
    position pos(i) in 1 to n, and step(s) = 1 where s holds the newest item
    of h, 2 where it holds the one before but not the newest, ...,

    ```
    sim(h, s) = sum of p_i over h and s / |h|                       (vec)
                sum of p_i over h and s / (|p| sqrt(|s|))           (cosine)
    score(j) = sum of sim(h, s) decay(step(s)) (1 + idf_weight idf_j)
               over the neighbours s that hold j
    idf_j = log(number of sessions / number of events of j)

                p_i                           decay(t)
    same        1                             1
    div         pos / n                       1 / t
    linear      max(0, 1 - (n - pos) / 10)    max(0, 1 - t / 10)
    quadratic   (pos / n)^2                   1 / t^2
    log         1 / log10(n - pos + 1.7)      1 / log10(t + 1.7)
    ```

    The neighbours are found as in `SKNN`.

    Args:
        num_users: number of training sessions S.
        num_items: number of items M; item 0 is padding.
        num_events: number of training events; `from_data` knows it. Defaults
            to `0`.
        num_neighbors: neighbours k. Defaults to `100`.
        sample_size: most recent sessions that are compared. Defaults to
            `1000`.
        similarity: `"vec"` or `"cosine"`. Defaults to `"vec"`.
        weighting: p, a name of the table. Defaults to `"div"`.
        score_weighting: decay, a name of the table. Defaults to `"div"`.
        idf_weight: how much rare items are favoured; 0 leaves it out.
            Defaults to `0.0`.
        last: how many of the newest items are compared, while sessions are
            looked for by all of them; `None` for all. Defaults to `None`.
        remind: whether the items that are compared are scored, too; otherwise
            they score 0. Defaults to `True`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.

    Returns:
        Scores (batch, C), float32. Padding scores 0, and so does everything
        after an empty history. `encode` holds batch x (M + 1) floats.

    Masking: padding changes nothing.

    Raises:
        ValueError: a size is out of its range, or a name is unknown.

    Example:

    >>> import numpy as np
    >>> from baselines.session_knn.vsknn import VSKNN
    >>> model = VSKNN(num_users=2, num_items=3, num_events=4)
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
    ...     "history": np.array([[3, 1]]),
    ...     "candidates": np.array([[1, 2, 3]]),
    ... }
    >>> print(np.asarray(model(features)).round(3))
    [[0.5   0.625 0.125]]

    Reference: Ludewig and Jannach, "Evaluation of session-based
    recommendation algorithms", UMUAI 2018,
    https://arxiv.org/abs/1803.09587; defaults and formulas as in the code,
    https://github.com/rn5l/session-rec.

    Differences: as those of `SKNN`; and the published code's `linear`
    weighting gives an item behind the tenth position nothing, so that in a
    long session the newest items count least, and its `linear` decay is
    negative behind the tenth step: here both are 0 for what is ten steps old
    or older. Dwelling times, the age of sessions in days and the newest days
    of the data are left out; all are off there.
    """

    similarities = ("vec", "cosine")

    def __init__(
        self,
        num_users: int,
        num_items: int,
        num_events: int = 0,
        num_neighbors: int = 100,
        sample_size: int = 1000,
        similarity: str = "vec",
        weighting: str = "div",
        score_weighting: str = "div",
        idf_weight: float = 0.0,
        last: int | None = None,
        remind: bool = True,
        **kwargs,
    ):
        check_choice(weighting, "weighting", WEIGHTINGS)
        check_choice(score_weighting, "score_weighting", WEIGHTINGS)
        check_range(idf_weight, "idf_weight")
        if last is not None:
            check_positive_int(last, "last")
        super().__init__(
            num_users,
            num_items,
            num_events,
            num_neighbors,
            sample_size,
            similarity,
            **kwargs,
        )
        self.weighting = weighting
        self.score_weighting = score_weighting
        self.idf_weight = idf_weight
        self.last = last
        self.remind = remind

    def position_weights(self, places, lengths):
        if self.last is not None:
            lengths = ops.minimum(lengths, self.last)
        n = ops.cast(lengths, "float32")
        # Padding, whose places are negative, must not meet a logarithm.
        ages = ops.cast(ops.maximum(places, 0), "float32")
        share = (n - ages) / ops.maximum(n, 1.0)
        return {
            "same": lambda: ops.ones_like(ages),
            "div": lambda: share,
            "linear": lambda: ops.maximum(1.0 - 0.1 * ages, 0.0),
            "quadratic": lambda: ops.square(share),
            "log": lambda: 1.0 / ops.log10(ages + 1.7),
        }[self.weighting]()

    def compare(self, overlap, size, squares, other):
        if self.similarity == "vec":
            return overlap / ops.maximum(size, 1.0)
        return overlap / ops.sqrt(ops.maximum(squares * other, TINY))

    def decay(self, steps):
        steps = ops.maximum(steps, 1.0)
        return {
            "same": lambda: ops.ones_like(steps),
            "div": lambda: 1.0 / steps,
            "linear": lambda: ops.maximum(1.0 - 0.1 * steps, 0.0),
            "quadratic": lambda: 1.0 / ops.square(steps),
            "log": lambda: 1.0 / ops.log10(steps + 1.7),
        }[self.score_weighting]()

    def item_factors(self):
        if not self.idf_weight:
            return None
        counts = ops.cast(ops.maximum(self.item_counts, 1), "float32")
        idf = ops.log(float(max(self.num_users, 1)) / counts)
        return 1.0 + self.idf_weight * idf

    def encode(self, features, training=False):
        """Returns the scores of the whole catalogue, (B, M + 1)."""
        scores = super().encode(features, training=training)
        if self.remind:
            return scores
        history = ops.cast(ops.convert_to_tensor(features["history"]), "int32")
        batch, width = ops.shape(history)[0], self.num_items + 1
        rows = ops.arange(batch, dtype="int32")[:, None]
        compared = valid_positions(history)
        if self.last is not None:
            places = places_from_newest(compared)
            compared = ops.logical_and(compared, places < self.last)
        seen = ops.segment_sum(
            ops.reshape(ops.cast(compared, "float32"), (-1,)),
            ops.reshape(rows * width + history, (-1,)),
            num_segments=batch * width,
        )
        seen = ops.reshape(seen, (-1, width))
        return ops.where(seen > 0, 0.0, scores)

    def get_config(self):
        return {
            **super().get_config(),
            "weighting": self.weighting,
            "score_weighting": self.score_weighting,
            "idf_weight": self.idf_weight,
            "last": self.last,
            "remind": self.remind,
        }
