"""The ranks of an evaluation and the figures made of them."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from keras import ops

from mgnm_tf import metrics
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.utils.files import atomic_output

_PROTOCOL_KEY = b"mgnm_tf.protocol"
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
        for k in self.protocol.places:
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
