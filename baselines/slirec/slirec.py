"""SLi_Rec: long- and short-term preferences, blended for each candidate."""

import logging

import keras
from keras import ops

from baselines.slirec.time_lstm import TimeLSTM
from mgnm_tf.layers.scoring.feed_forward import FeedForward
from mgnm_tf.layers.scoring.target_attention import TargetAttention
from mgnm_tf.layers.sequence.attentive_pooling import AttentivePooling
from mgnm_tf.models.categories import CategoryRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int

logger = logging.getLogger(__name__)


@register
class SLiRec(CategoryRecommender):
    """Scores an item by two views of the history, weighed by a third.

    For a history x_1, ..., x_n at times t_1, ..., t_n, the present t and a
    candidate y:

    ```
    s_i = ln max((t - t_i) / time_scale, 1/2)                         age
    r_i = ln max((t_i - t_(i-1)) / time_scale, 1/2),  r_1 = 0    interval
    u_long = sum_i softmax_i((x_i W) . q) x_i           `AttentivePooling`
    h = TimeLSTM(x, [s, r])
    u_short = sum_i a_i h_i                 a: `TargetAttention` of h and y
    l = sigmoid(blend([y ; u_long ; u_short ; s_n]))
    score(y) = network([l u_long + (1 - l) u_short ; y])
    ```

    The recurrence does not depend on the candidate and runs once. `blend`
    and `network` are `FeedForward` with hidden widths (80, 40) and (100,
    64). Without the item table, with D = `embedding_dim + category_dim`, the
    model has `D^2 + D` parameters in u_long, `14 D^2 + 10 D` in the LSTM,
    `321 D^2 + 3601` in the attention, `80 (2 D + D + 1) + 3601` in the blend
    and `200 D + 6957` in the network.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width of the item vectors. Defaults to `16`.
        dropout: share of the hidden units of `blend` and `network` that
            training sets to zero. Defaults to `0.0`.
        use_time: whether times are read. Without them s and r are zero, and
            the time gates are learned constants of the item. Defaults to
            `True`.
        time_scale: unit of times, in seconds: what is shorter than half of
            it is not told apart. Choose less than a day for logs of a few
            days. Defaults to `86400`.
        num_categories: number of item categories. Defaults to `0`.
        category_dim: width of the category vectors, 0 for none. Defaults to
            `0`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read and, with
            `use_time`, `history_time` (B, m) and the first column of
            `candidate_time` (B, C), both int64 seconds.
        training: whether the networks are trained.

    Returns:
        Scores (batch, C), float32.

    Raises:
        ValueError: a size is out of its range, or `category_dim` is given
            for data without categories.

    Masking: padding changes nothing; after an empty history u_long, u_short
    and s_n are zero.

    Example:

    >>> import numpy as np
    >>> from baselines.slirec.slirec import SLiRec
    >>> model = SLiRec(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "history_time": np.array([[100, 90000, 99000], [5, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ...     "candidate_time": np.array([[99999, 99999], [9, 9]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Yu et al., "Adaptive user modeling with long and short-term
    preferences for personalized recommendation", IJCAI 2019,
    https://doi.org/10.24963/ijcai.2019/585.

    Differences: the networks are those of DeepRec, with normalisation and
    ReLU; the authors' have sigmoids and Dice, and a tanh in u_long. The time
    channels and the categories in the LSTM are those of paper and authors;
    DeepRec has the time since the first event for r, and items only. Padding
    gets no attention, and the blend reads the age of the last event; DeepRec
    attends to padding in u_long and reads the last column, which is padding
    for all but the longest histories. The released codes train a softmax
    over one positive and four negatives, with an L2 penalty of 1e-4; here the
    objective is the common one.
    """

    max_pairs = 8192
    normalizes_scores = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        dropout: float = 0.0,
        use_time: bool = True,
        time_scale: int = 86400,
        num_categories: int = 0,
        category_dim: int = 0,
        **kwargs,
    ):
        check_positive_int(time_scale, "time_scale")
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_categories,
            category_dim,
            keras.initializers.TruncatedNormal(stddev=0.01),
            **kwargs,
        )
        self.dropout = dropout
        self.use_time = use_time
        self.time_scale = time_scale
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.item_embedding.output_dim
        self.pooling = AttentivePooling(name="pooling", **policy)
        self.pooling.build((None, None, dim))
        self.recurrence = TimeLSTM(dim, name="recurrence", **policy)
        self.recurrence.build((None, None, dim), (None, None, 2))
        self.attention = TargetAttention(name="attention", **policy)
        self.attention.build((None, 1, None, dim), (None, None, 1, dim))
        self.blend = FeedForward(
            (80, 40), dropout=self.dropout, name="blend", **policy
        )
        pair = (None, None, dim)
        self.blend.build([pair, pair, pair, (None, None, 1)])
        self.network = FeedForward(
            dropout=self.dropout, name="network", **policy
        )
        self.network.build([pair, pair])

    options_of_the_data = ("num_categories", "use_time")

    @classmethod
    def data_arguments(cls, data):
        """Reads times where the data have them, and says so where not."""
        if not data.has_times:
            logger.warning(
                "%s reads times, but the data have no timestamps: it is "
                "trained without them.",
                cls.__name__,
            )
        return {**super().data_arguments(data), "use_time": data.has_times}

    @property
    def required_features(self):
        return ("history_time", "candidate_time") if self.use_time else ()

    def encode(self, features, training=False):
        """Computes both views as far as they need no candidate.

        Returns:
            dict of `long_term` (B, D), `states` (B, m, D), `valid_mask`
            (B, m) and `last_age` (B, 1).
        """
        history = ops.convert_to_tensor(features["history"])
        valid_mask = valid_positions(history)
        items = self.item_embedding(history)
        times = self._times(features)
        states = self.recurrence(
            items, ops.cast(times, items.dtype), valid_mask=valid_mask
        )
        return {
            "long_term": self.pooling(items, valid_mask=valid_mask),
            "states": states,
            "valid_mask": valid_mask,
            "last_age": last_valid(times[..., :1], valid_mask),
        }

    def _times(self, features):
        """Returns age and interval of the events, float32 (B, m, 2).

        What stands at padding is not read.
        """
        if not self.use_time:
            zeros = ops.zeros_like(features["history"], dtype="float32")
            return ops.stack([zeros, zeros], axis=-1)
        times = ops.convert_to_tensor(features["history_time"])
        now = ops.convert_to_tensor(features["candidate_time"])[:, :1]
        # Differences of whole seconds: float32 would round the times.
        ages = ops.cast(now, times.dtype) - times
        intervals = times[:, 1:] - times[:, :-1]
        ages, intervals = (
            ops.log(ops.maximum(ops.cast(x, "float32") / self.time_scale, 0.5))
            for x in (ages, intervals)
        )
        intervals = ops.pad(intervals, [(0, 0), (1, 0)])
        return ops.stack([ages, intervals], axis=-1)

    def score(self, encoded, candidates, training=False):
        items = self.item_embedding(
            ops.convert_to_tensor(candidates), training=training
        )
        if len(items.shape) == 2:
            items = ops.expand_dims(items, 0)
        states, valid_mask = encoded["states"], encoded["valid_mask"]
        weights = self.attention(
            states[:, None],
            items[:, :, None],
            valid_mask[:, None],
            training=training,
        )  # (B, C, m)
        short_term = ops.matmul(weights, states)
        long_term = encoded["long_term"][:, None]
        last_age = ops.cast(encoded["last_age"], items.dtype)[:, None]
        logits = self.blend(
            [items, long_term, short_term, last_age], training=training
        )
        share = ops.cast(ops.sigmoid(logits), items.dtype)[..., None]
        user = share * long_term + (1.0 - share) * short_term
        return self.network([user, items], training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "use_time": self.use_time,
            "time_scale": self.time_scale,
        }
