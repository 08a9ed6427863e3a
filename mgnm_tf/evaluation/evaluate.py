"""Evaluating a model on a protocol."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from keras import ops

from mgnm_tf import metrics
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.pipeline import evaluation_order
from mgnm_tf.data.pipeline import make_dataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.evaluation.ties import is_later
from mgnm_tf.evaluation.ties import with_shuffled_ties
from mgnm_tf.utils.files import atomic_output

if TYPE_CHECKING:
    from mgnm_tf.models.base import SequentialRecommender

logger = logging.getLogger(__name__)

_PROTOCOL_KEY = b"mgnm_tf.protocol"
# Scores of which XLA saves as much time as compiling takes (Toys and Games,
# 19 million: 1 to 4 s to compile, 0.1 to 0.4 s saved).
_WORTH_COMPILING = 100_000_000
_COLUMNS = ("user_id", "item_id", "position", "rank", "num_negatives")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The ranks of all samples, from which every figure is computed.

    Args:
        protocol: the protocol.
        samples: one row a sample, in the order of `data.positions(part)`:
            `user_id` and `item_id` (raw ids, str), `position` in the data
            (int64), `rank` of the positive (float32, 0 for the best, ties
            by half), `num_negatives` (int64; a sample with 0 does not
            count).

    Raises:
        UserError: there is no sample, or none that counts.
    """

    protocol: Protocol
    samples: pd.DataFrame

    def __post_init__(self):
        if self.samples.empty:
            later = " that is later than the event before it"
            raise UserError(
                f"There is no {self.protocol.part} sample"
                f"{later if self.protocol.later_only else ''}, so there is "
                "nothing to evaluate."
            )
        if not self.counted.any():
            raise UserError(
                f"None of the {len(self.samples):,} {self.protocol.part} "
                "samples has a negative, so there is nothing to rank a "
                "positive against; exclude less, or take data with more items."
            )

    @property
    def counted(self) -> pd.Series:
        """bool, which samples count: those that have a negative."""
        return self.samples["num_negatives"] > 0

    def counts(self) -> dict[str, int]:
        """Returns how many samples are `ranked` and `without_negatives`.

        The latter are among the former and do not count.
        """
        without = int((~self.counted).sum())
        return {"ranked": len(self.samples), "without_negatives": without}

    def per_sample(self) -> pd.DataFrame:
        """Returns the metrics of each sample, a column a metric.

        A sample without a negative, which does not count, has NaN.
        """
        values = self._metrics_of(
            self.samples["rank"], self.samples["num_negatives"]
        )
        return values.where(self.counted, np.nan)

    def per_user(self) -> pd.DataFrame:
        """Returns the metrics of each user that has a sample that counts.

        They are means over the samples of the user. With
        `aggregate="user_pool"` HIT, NDCG and MRR follow the released code of
        MGNM instead (`calculate_group_metric` of WHUIR/MGNM): it sorts the
        candidates of all samples of a user by score, each scored from the
        history of its own sample, and takes the number of negatives above
        the best positive as the rank of the user. Kept are ranks, not
        scores, so the rank in the pool is an estimate:

        ```
        min over samples (rank / num_negatives) * sum of num_negatives
        ```

        It supposes that the best positive has the same share of negatives
        above it in every sample of the user. It is the released rank for
        users with one sample; for others it tends to be too low, most of all
        for a best rank of 0, which stays 0 in a pool of any size. GAUC is
        the mean over the samples; the released code compares positives with
        the negatives of the user's other samples, too. It also ranks items
        that were never seen in training, which this package's splits drop,
        and gives ties to an arbitrary side.

        Returns:
            Columns `user_id`, `samples` (how many count) and the metrics;
            sorted by `user_id`.
        """
        counted = self.samples[self.counted]
        groups = self.per_sample()[self.counted].groupby(counted["user_id"])
        table = groups.mean()
        if self.protocol.aggregate == "user_pool":
            pooled = self._pooled()
            table[pooled.columns] = pooled
        table.insert(0, "samples", groups.size())
        return table.reset_index()

    def metrics(self) -> dict[str, float]:
        """Returns GAUC, NDCG, HIT and MRR.

        They are means over the samples that count, or over the users, see
        `Protocol`.
        """
        values = self.per_sample().mean()
        alike = self.protocol.weights_users_alike
        over_users = [name for name in values.index if alike(name)]
        if over_users:
            values[over_users] = self.per_user()[over_users].mean()
        return {name: float(value) for name, value in values.items()}

    def _pooled(self) -> pd.DataFrame:
        """Returns HIT, NDCG and MRR of the pool of each user."""
        counted = self.samples[self.counted]
        share = counted["rank"].astype("float64") / counted["num_negatives"]
        best = share.groupby(counted["user_id"]).min()
        size = counted.groupby("user_id")["num_negatives"].sum()
        # A share times its denominator is off by rounding.
        ranks = (best * size).round(6)
        return self._metrics_of(ranks, size).drop(columns="gauc")

    def _metrics_of(
        self, ranks: pd.Series, num_negatives: pd.Series
    ) -> pd.DataFrame:
        """Returns a column a metric; in float64, for means over millions."""
        index = ranks.index
        ranks = ops.convert_to_tensor(ranks, "float64")
        negatives = ops.convert_to_tensor(num_negatives, "float64")
        values = [metrics.sample_auc(ranks, negatives)]
        for k in self.protocol.k:
            values += [
                metrics.ndcg_at_k(ranks, k),
                metrics.hit_at_k(ranks, k),
                metrics.reciprocal_rank_at_k(ranks, k),
            ]
        columns = map(ops.convert_to_numpy, values)
        names = self.protocol.metric_names
        return pd.DataFrame(dict(zip(names, columns, strict=True)), index)

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Writes samples and protocol into one Parquet file.

        Args:
            path: the file to write.
            overwrite: whether a file that is there is replaced. Defaults to
                `False`.

        Raises:
            OutputExistsError: `path` exists and is not to be overwritten.
            UserError: the file cannot be written.
        """
        table = pa.Table.from_pandas(self.samples, preserve_index=False)
        protocol = json.dumps(self.protocol.to_dict()).encode()
        table = table.replace_schema_metadata({_PROTOCOL_KEY: protocol})
        with atomic_output(path, overwrite) as partial:
            pq.write_table(table, partial)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Evaluation":
        """Reads what `save` wrote.

        Raises:
            UserError: there is no such file, or it is of another kind.
        """
        if not Path(path).is_file():
            raise UserError(f"{path} does not exist; expected a Parquet file.")
        try:
            table = pq.read_table(path)
        except pa.ArrowInvalid as error:
            raise UserError(f"{path} is not a Parquet file.") from error
        protocol = (table.schema.metadata or {}).get(_PROTOCOL_KEY)
        if protocol is None or table.column_names != list(_COLUMNS):
            raise UserError(
                f"{path} does not hold the ranks of an evaluation; expected "
                f"the columns {', '.join(_COLUMNS)} and a protocol."
            )
        protocol = Protocol.from_dict(json.loads(protocol))
        return cls(protocol, table.to_pandas())


def evaluate(
    model: "SequentialRecommender",
    data: SequenceDataset,
    protocol: Protocol | None = None,
    *,
    batch_size: int = 256,
    chunk_size: int = 1024,
    verbose: int = 0,
) -> Evaluation:
    """Ranks the positive of every sample of a part.

    Args:
        model: a model for these data.
        data: the split data.
        protocol: what is ranked against what. Defaults to `None`, which
            stands for `Protocol()`.
        batch_size: the most histories at a time; changes no figure. Fewer
            for models with `max_pairs`. Defaults to 256.
        chunk_size: items at a time when the whole catalogue is ranked.
            Defaults to 1024.
        verbose: 1 shows a progress bar. Defaults to 0.

    Returns:
        An `Evaluation`. Its protocol is the one that was followed: the whole
        catalogue is ranked where it has no more items than are to be drawn.

    Raises:
        UserError: the model was made for other data, or no sample has a
            negative.
        DataError: the part is empty, the data lack a feature, or they have
            no times for `later_only` or `shuffle_ties`.
    """
    protocol = followed(protocol or Protocol(), data)
    _check_same_data(model, data)
    if protocol.shuffle_ties is not None:
        data = with_shuffled_ties(data, protocol.part, protocol.shuffle_ties)
    positions, result = _rank(
        model, data, protocol, batch_size, chunk_size, verbose
    )
    order = np.argsort(positions)
    if protocol.later_only:
        order = order[is_later(data, positions[order])]
    positions = positions[order]
    samples = {
        "user_id": _raw_ids(data.user_ids, data.sequences[positions]),
        "item_id": _raw_ids(data.item_ids, data.items[positions]),
        "position": positions,
        "rank": result["rank"][order],
        "num_negatives": result["num_negatives"][order].astype(np.int64),
    }
    evaluation = Evaluation(protocol, pd.DataFrame(samples))
    if lacking := evaluation.counts()["without_negatives"]:
        logger.warning(
            "%d of the %d %s samples have no negative and do not count.",
            lacking,
            len(positions),
            protocol.part,
        )
    return evaluation


def followed(protocol: Protocol, data: SequenceDataset) -> Protocol:
    """Returns the protocol that can be followed on the data, and says so.

    Args:
        protocol: what is asked for.
        data: the split data.
    """
    possible = protocol.for_catalogue(data.num_items)
    if possible != protocol:
        logger.warning(
            "%d negatives are asked for, but there are %d items: the whole "
            "catalogue is ranked.",
            protocol.negatives,
            data.num_items,
        )
    return possible


def _check_same_data(
    model: "SequentialRecommender", data: SequenceDataset
) -> None:
    """Refuses data that the model was not made for, as far as it is known."""
    for name in ("num_users", "num_items"):
        expected, found = getattr(model, name), getattr(data, name)
        if expected != found:
            raise UserError(
                f"The model was made for {name}={expected}, but the data "
                f"have {name}={found}; evaluate it on the data it was "
                "trained on."
            )
    if model.data_fingerprint not in (None, data.fingerprint):
        raise UserError(
            "The model was made for other data of the same sizes: their "
            "fingerprints differ. Evaluate it on the data it was trained on."
        )


def _rank(model, data, protocol, batch_size, chunk_size, verbose):
    """Returns the positions of all samples, and `RankingModel`'s result."""
    everything = protocol.negatives == "all"
    if everything:
        # A multiple of the width of vector instructions.
        chunk_size = min(chunk_size, 16 * (data.num_items // 16 + 1))
        candidates, compared = chunk_size, data.num_items
    else:
        candidates = compared = 1 + protocol.negatives
    dataset = make_dataset(
        data,
        protocol.part,
        batch_size=model.histories_at_a_time(batch_size, candidates),
        max_length=protocol.max_length,
        negatives=0 if everything else protocol.negatives,
        exclude=protocol.exclude,
        features=(*model.required_features, "excluded"),
        seed=protocol.seed,
    )
    positions = evaluation_order(
        data, protocol.part, max_length=protocol.max_length
    )
    long = len(positions) * compared >= _WORTH_COMPILING
    ranking = RankingModel(model, everything, chunk_size, compile_scores=long)
    return positions, ranking.predict(dataset, verbose=verbose)


def _raw_ids(vocabulary, codes: np.ndarray) -> np.ndarray:
    """Returns the raw ids of codes that start at 1."""
    return np.asarray(vocabulary, dtype=object)[np.asarray(codes) - 1]
