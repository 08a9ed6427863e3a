"""Evaluating a model on a protocol."""

import json
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
from mgnm_tf.utils.files import atomic_output

if TYPE_CHECKING:
    from mgnm_tf.models.base import SequentialRecommender

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
            by half), `num_negatives` (int64).
    """

    protocol: Protocol
    samples: pd.DataFrame

    def per_sample(self) -> pd.DataFrame:
        """Returns the metrics of each sample, a column a metric."""
        # In float64, because means over millions of samples follow.
        ranks = ops.convert_to_tensor(self.samples["rank"], "float64")
        negatives = ops.convert_to_tensor(
            self.samples["num_negatives"], "float64"
        )
        k = self.protocol.k
        values = (
            metrics.sample_auc(ranks, negatives),
            metrics.ndcg_at_k(ranks, k),
            metrics.hit_at_k(ranks, k),
            metrics.reciprocal_rank_at_k(ranks, k),
        )
        columns = map(ops.convert_to_numpy, values)
        names = self.protocol.metric_names
        return pd.DataFrame(dict(zip(names, columns, strict=True)))

    def per_user(self) -> pd.DataFrame:
        """Returns the mean of each metric over the samples of each user.

        Returns:
            Columns `user_id`, `samples` (their number) and the metrics;
            sorted by `user_id`.
        """
        groups = self.per_sample().groupby(self.samples["user_id"])
        table = groups.mean()
        table.insert(0, "samples", groups.size())
        return table.reset_index()

    def metrics(self) -> dict[str, float]:
        """Returns GAUC, NDCG, HIT and MRR.

        HIT, NDCG and MRR are means over the samples; GAUC is weighted as
        `protocol.gauc_weighting` says.
        """
        values = self.per_sample().mean().to_dict()
        if self.protocol.gauc_weighting == "users":
            values["gauc"] = self.per_user()["gauc"].mean()
        return {name: float(value) for name, value in values.items()}

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
        An `Evaluation`.

    Raises:
        UserError: the model was made for other data.
        DataError: the part is empty, or the data lack a feature.
    """
    protocol = protocol or Protocol()
    for name in ("num_users", "num_items"):
        expected, found = getattr(model, name), getattr(data, name)
        if expected != found:
            raise UserError(
                f"The model was made for {name}={expected}, but the data "
                f"have {name}={found}; evaluate it on the data it was "
                "trained on."
            )
    everything = protocol.negatives == "all"
    features = tuple(model.required_features)
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
        features=(*features, "excluded") if everything else features,
        seed=protocol.seed,
    )
    positions = evaluation_order(
        data, protocol.part, max_length=protocol.max_length
    )
    long = len(positions) * compared >= _WORTH_COMPILING
    ranking = RankingModel(model, everything, chunk_size, compile_scores=long)
    result = ranking.predict(dataset, verbose=verbose)
    order = np.argsort(positions)
    positions = positions[order]
    samples = {
        "user_id": _raw_ids(data.user_ids, data.sequences[positions]),
        "item_id": _raw_ids(data.item_ids, data.items[positions]),
        "position": positions,
        "rank": result["rank"][order],
        "num_negatives": result["num_negatives"][order].astype(np.int64),
    }
    return Evaluation(protocol, pd.DataFrame(samples))


def _raw_ids(vocabulary, codes: np.ndarray) -> np.ndarray:
    """Returns the raw ids of codes that start at 1."""
    return np.asarray(vocabulary, dtype=object)[np.asarray(codes) - 1]
