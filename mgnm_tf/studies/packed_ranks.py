"""The ranks of many runs in one small file.

A comparison leaves the rank of each test record in its run folders. Packed,
without the ids of the data, they can be kept, and table and tests be made
from them again.
"""

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.utils.files import atomic_write


@dataclass(frozen=True, eq=False)
class PackedRanks:
    """Runs on the same records by the same protocol.

    Args:
        table: one row a run: `model` (its label), `seed`, the metrics and
            what the run cost, see `mgnm_tf.studies.summary`.
        protocol: the protocol.
        users: int32, (N,), the number of the user of each record.
        negatives: uint16 or uint32, (N,), how many items a record was ranked
            among.
        ranks: uint16 or uint32, (runs, N), twice the ranks, since a tie
            counts a half.
        later: bool, (N,), whether a record is later than the event before
            it; `None` where the data have no times.
        lengths: uint16 or uint32, (N,), how many events come before a record;
            `None` where no study asked. Defaults to `None`.
    """

    table: pd.DataFrame
    protocol: Protocol
    users: np.ndarray
    negatives: np.ndarray
    ranks: np.ndarray
    later: np.ndarray | None
    lengths: np.ndarray | None = None

    @classmethod
    def pack(
        cls,
        rows: pd.DataFrame,
        evaluations: Sequence[Evaluation],
        later: np.ndarray | None,
        lengths: np.ndarray | None = None,
    ) -> "PackedRanks":
        """Packs the evaluations of runs.

        Args:
            rows: the row of each run, see `table`.
            evaluations: the evaluation of each run.
            later: see `later`.
            lengths: see `lengths`. Defaults to `None`.

        Raises:
            UserError: they ranked other records, or by other protocols.
        """
        first = evaluations[0]
        same = ["user_id", "position", "num_negatives"]
        names = [f"{row.model}, seed {row.seed}," for row in rows.itertuples()]
        for name, run in zip(names, evaluations, strict=True):
            if difference := run.protocol.difference(first.protocol):
                raise UserError(
                    f"{name} was evaluated by another protocol than "
                    f"{names[0]} {difference}."
                )
            if not run.samples[same].equals(first.samples[same]):
                raise UserError(f"{name} ranked other records than {names[0]}")
        return cls(
            rows.drop(columns=["folder"], errors="ignore"),
            first.protocol,
            pd.factorize(first.samples["user_id"])[0].astype(np.int32),
            _narrow(first.samples["num_negatives"]),
            _narrow(np.stack([2 * run.samples["rank"] for run in evaluations])),
            later,
            None if lengths is None else _narrow(lengths),
        )

    def select(self, runs: Sequence[tuple[str, int]]) -> "PackedRanks":
        """Returns some of the runs, in their order.

        Args:
            runs: label and seed of each.
        """
        places = {key: place for place, key in enumerate(self.runs)}
        kept = [places[run] for run in runs]
        table = self.table.iloc[kept].reset_index(drop=True)
        return replace(self, table=table, ranks=self.ranks[kept])

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Label and seed of each run."""
        return list(
            zip(
                self.table["model"], self.table["seed"].astype(int), strict=True
            )
        )

    def joined(self, other: "PackedRanks") -> "PackedRanks":
        """Returns these runs and others, which ranked the same records.

        Raises:
            UserError: they did not.
        """
        if difference := other.protocol.difference(self.protocol):
            raise UserError(
                "The new runs were evaluated by another protocol than those "
                f"that were kept: {difference}."
            )
        if not (
            np.array_equal(self.users, other.users)
            and np.array_equal(self.negatives, other.negatives)
        ):
            raise UserError(
                "The new runs ranked other records than those that were kept."
            )
        return replace(
            self,
            table=pd.concat([self.table, other.table], ignore_index=True),
            ranks=_narrow(np.concatenate([self.ranks, other.ranks])),
            later=other.later if self.later is None else self.later,
            lengths=other.lengths if self.lengths is None else self.lengths,
        )

    def evaluations(
        self, later_only: bool = False
    ) -> tuple[pd.DataFrame, dict[str, list[Evaluation]]]:
        """Unpacks the runs.

        Args:
            later_only: whether only records count that are later than the
                event before them. Defaults to `False`.

        Returns:
            `table`, with the metrics of the records that count, and label ->
            the evaluation of each run.

        Raises:
            UserError: `later_only`, but it is not known what is later.
        """
        kept, protocol = np.ones(len(self.users), bool), self.protocol
        if later_only:
            if self.later is None:
                raise UserError(
                    "Which records are later than the event before them is "
                    "not known: the data have no times, or were not there "
                    "when the ranks were packed."
                )
            kept, protocol = self.later, replace(protocol, later_only=True)
        table = self.table.copy()
        evaluations: dict[str, list[Evaluation]] = {}
        for row, (label, ranks) in enumerate(
            zip(table["model"], self.ranks, strict=True)
        ):
            samples = {
                "user_id": self.users.astype(str)[kept],
                "rank": (ranks / 2).astype(np.float32)[kept],
                "num_negatives": self.negatives.astype(np.int64)[kept],
            }
            evaluation = Evaluation(protocol, pd.DataFrame(samples))
            evaluations.setdefault(label, []).append(evaluation)
            if later_only:
                for name, value in evaluation.metrics().items():
                    table.loc[row, name] = value
        return table, evaluations

    def save(self, path: str | os.PathLike) -> None:
        """Writes one compressed file (.npz); replaces what is there."""
        arrays = {
            "users": self.users,
            "negatives": self.negatives,
            "ranks": self.ranks,
        }
        if self.later is not None:
            arrays["later"] = self.later
        if self.lengths is not None:
            arrays["lengths"] = self.lengths
        content = io.BytesIO()
        np.savez_compressed(
            content,
            results=self.table.to_csv(index=False),
            protocol=json.dumps(self.protocol.to_dict()),
            **arrays,
        )
        atomic_write(Path(path), content.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "PackedRanks":
        """Reads what `save` wrote.

        Raises:
            UserError: the file cannot be read, or is of another kind.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
            return cls(
                pd.read_csv(io.StringIO(str(content["results"]))),
                Protocol.from_dict(json.loads(str(content["protocol"]))),
                content["users"],
                content["negatives"],
                content["ranks"],
                content.get("later"),
                content.get("lengths"),
            )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} holds no packed ranks: {error}") from error


def _narrow(values: np.ndarray | pd.Series) -> np.ndarray:
    """Returns whole numbers as uint16, or uint32 where they are larger."""
    wide = np.max(values) > np.iinfo(np.uint16).max
    return np.asarray(values).astype(np.uint32 if wide else np.uint16)
