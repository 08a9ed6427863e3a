"""TiSASRec: self-attention that knows how much time lies between items."""

import logging

import keras
import numpy as np
from keras import ops

from baselines.sasrec.interval_transformer import IntervalTransformer
from baselines.sasrec.sasrec import SASRec
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.validation import check_positive_int

logger = logging.getLogger(__name__)

NO_GAP = 2**31 - 1
"""Seconds that stand for "no two events of different times"."""


@register
class TiSASRec(SASRec):
    """SASRec whose attention reads places and intervals of time.

    ```
    r_ij = min(floor(|t_i - t_j| / g), max_interval)
    z_i = sqrt(d) x_i                    x: item vectors of the history of n
    z = block(z), `num_layers` times     see `IntervalTransformer`
    u = LN(z_n)
    score(j) = u . x_j
    ```

    g is the smallest time between two training events of the user, so that
    intervals are told in the pace of the user. The model holds it of each
    user in a table of the data (`load_tables`). For the unknown user, and
    for one whose training events are all of one second, it is the smallest
    time between two events of the visible history. Places, counted from the
    newest item, and intervals have two vectors each, one at the keys and one
    at the values, which all blocks share.

    The variants are those of `SASRec`, `"rechorus"` again what the TiMiRec
    paper measured. There: `num_layers=1`, `dropout=0.0`,
    `max_interval=512`, `legacy_min_gap=65535`.

    Without the item table it has `2 max_length d + 2 (max_interval + 1) d +
    num_layers (5 (d^2 + d) + 4 d)` parameters, plus 2 d unless `"rechorus"`.

    Data without times, or whose users act at one time each, have no
    intervals: `from_data` says so and sets `use_time=False`, which is SASRec.

    Args:
        num_users: number of known users.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        num_layers: see `SASRec`. Defaults to `2`.
        num_heads: see `SASRec`. Defaults to `1`.
        dropout: see `SASRec`. Defaults to `0.2`.
        variant: see `SASRec`. Defaults to `"paper"`.
        max_interval: the longest interval that is told from shorter ones, in
            units of g. Defaults to `256`.
        legacy_min_gap: the most seconds that g may have; 65535 is that of
            THUwangcy/ReChorus, branch CIKM22, by which all users of a log of
            whole days have this g. Defaults to `None`, no limit.
        use_time: whether times are read; `False` is SASRec. Defaults to
            `True`.
        max_length: the longest history. Defaults to `100`.
        temperature: see `SingleVectorRecommender`. Defaults to `None`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` and, with
            `use_time`, `user` and `history_time` (B, m), int64 seconds, are
            read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the user vector
    is zero.

    Raises:
        ValueError: an argument is out of its range, a history is longer than
            `max_length`, or in a batch of NumPy arrays the times of a history
            run backwards.

    Example:

    >>> import numpy as np
    >>> from baselines.sasrec.tisasrec import TiSASRec
    >>> model = TiSASRec(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "history_time": np.array([[100, 160, 400], [5, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Li et al., "Time Interval Aware Self-Attention for Sequential
    Recommendation", WSDM 2020, https://doi.org/10.1145/3336191.3371786.
    Code: JiachengLi1995/TiSASRec; `"rechorus"`: THUwangcy/ReChorus.

    Differences: those of `SASRec`. Queries, keys and values have biases. The
    paper's code takes the smallest gap of all events of a user, those of the
    test part included, divides and rounds the times before it subtracts
    them, gives padding the time 0, and its attention with several heads
    reads the vectors of intervals at their full width, so that it is correct
    for one alone. ReChorus takes the gap of all events, too; in the branch
    CIKM22 it puts 65535 seconds in the place of gaps of 0, the diagonal
    among them (`legacy_min_gap`). No dropout acts on the vectors of places
    and intervals, see `IntervalTransformer`.
    """

    options_of_the_data = ("use_time",)

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_layers: int = 2,
        num_heads: int = 1,
        dropout: float = 0.2,
        variant: str = "paper",
        max_interval: int = 256,
        legacy_min_gap: int | None = None,
        use_time: bool = True,
        max_length: int = 100,
        temperature: float | None = None,
        **kwargs,
    ):
        self.max_interval = check_positive_int(max_interval, "max_interval")
        if legacy_min_gap is not None:
            check_positive_int(legacy_min_gap, "legacy_min_gap")
        self.legacy_min_gap = legacy_min_gap
        self.use_time = use_time
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_layers,
            num_heads,
            dropout,
            variant,
            max_length,
            temperature,
            **kwargs,
        )

    def _create_places(self):
        """Creates and builds what tells the blocks of places and times."""
        if not self.use_time:
            super()._create_places()
            return
        self.place_keys = self._table(self.max_length, "place_keys")
        self.place_values = self._table(self.max_length, "place_values")
        count = self.max_interval + 1
        self.interval_keys = self._table(count, "interval_keys")
        self.interval_values = self._table(count, "interval_values")
        # -1 in row 0: `load_tables` was not called yet.
        self.smallest_gaps = self.add_weight(
            name="smallest_gaps",
            shape=(self.num_users + 1,),
            dtype="int",
            initializer=keras.initializers.Constant(-1),
            trainable=False,
        )

    @property
    def block_class(self):
        return IntervalTransformer if self.use_time else super().block_class

    # === The gaps of the users ===

    @property
    def capabilities(self):
        # The smallest gap of a visible history is known at its end alone.
        without = {"positions"} if self.use_time else set()
        return super().capabilities - without

    @property
    def required_features(self):
        return ("history_time",) if self.use_time else ()

    @property
    def required_tables(self):
        return ("smallest_gaps",) if self.use_time else ()

    @classmethod
    def data_arguments(cls, data):
        """Reads times where the data have some that differ; else says so."""
        reason = ""
        if not data.has_times:
            reason = "the data have no timestamps"
        elif not data.tables(["smallest_gaps"])["smallest_gaps"].any():
            reason = "no user has training events of different times"
        if reason:
            logger.warning(
                "%s reads times, but %s: it is SASRec here.",
                cls.__name__,
                reason,
            )
        return {**super().data_arguments(data), "use_time": not reason}

    def load_tables(self, tables):
        """Takes `smallest_gaps`, see `mgnm_tf.make_tables`.

        Raises:
            ValueError: it is missing or not of the size of the model.
        """
        if "smallest_gaps" not in tables:
            raise ValueError(
                "TiSASRec reads the table 'smallest_gaps'. Received: "
                f"{', '.join(map(repr, tables)) or 'none'}"
            )
        gaps = np.asarray(tables["smallest_gaps"])
        if gaps.shape != (self.num_users + 1,):
            raise ValueError(
                "`smallest_gaps` must have an entry for each of "
                f"num_users={self.num_users} and for the unknown user. "
                f"Received: shape {gaps.shape}"
            )
        if gaps.min() < 0:
            raise ValueError(
                "`smallest_gaps` must not be negative. Received: "
                f"{gaps.min()} of user {gaps.argmin()}"
            )
        self.smallest_gaps.assign(gaps)

    def has_tables(self):
        return not self.use_time or int(self.smallest_gaps[0]) >= 0

    # === Scores ===

    def _for_blocks(self, features, valid_mask, places):
        if not self.use_time:
            return super()._for_blocks(features, valid_mask, places)
        vectors = (self.place_keys(places), self.place_values(places))
        tables = [
            ops.cast(table.embeddings, self.compute_dtype)
            for table in (self.interval_keys, self.interval_values)
        ]
        times = ops.convert_to_tensor(features["history_time"])
        gaps = self._gaps(features["user"], times, valid_mask)
        newest = last_valid(times[..., None], valid_mask)
        others = []
        for block in self.blocks:
            rows = times if block.return_sequences else newest
            others.append(
                (*vectors, self._intervals(rows, times, gaps), *tables)
            )
        return others

    def _gaps(self, users, times, valid_mask):
        """Returns g of each row, (B,), above 0, of the type of `times`."""
        known = ops.take(ops.convert_to_tensor(self.smallest_gaps), users)
        known = ops.cast(known, times.dtype)
        steps = times[:, 1:] - times[:, :-1]
        count = ops.logical_and(valid_mask[:, 1:], steps > 0)
        longest = ops.full_like(times[:, :1], NO_GAP)
        steps = ops.where(count, steps, longest)
        visible = ops.min(ops.concatenate([longest, steps], axis=1), axis=1)
        gaps = ops.where(known > 0, known, visible)
        if self.legacy_min_gap is not None:
            gaps = ops.minimum(gaps, self.legacy_min_gap)
        return gaps

    def _intervals(self, rows, times, gaps):
        """Returns r of times (B, rows) and times (B, m), (B, rows, m)."""
        spans = ops.abs(rows[:, :, None] - times[:, None, :])
        intervals = ops.floor_divide(spans, gaps[:, None, None])
        # What stands at padding is not read, but has to be in the table.
        return ops.cast(ops.minimum(intervals, self.max_interval), "int32")

    def get_config(self):
        return {
            **super().get_config(),
            "max_interval": self.max_interval,
            "legacy_min_gap": self.legacy_min_gap,
            "use_time": self.use_time,
        }
