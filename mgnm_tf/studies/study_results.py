"""What a study leaves: ranks, and who made them when, on what."""

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Any

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.studies.packed_ranks import PackedRanks
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

RANKS = "ranks.npz"
"""The ranks of every record in every run, see `PackedRanks`."""
DESCRIPTION = "study.json"
"""Data, configurations, and who made the runs; see `StudyResults`."""


@dataclass(frozen=True, eq=False)
class StudyResults:
    """The results of a study, without its run folders.

    Args:
        data: `name`, `fingerprint` and sizes of the data.
        protocol: the protocol that was asked for.
        configs: label -> the configuration of its runs, without the seed.
        made: one entry for each time that runs were made: `runs` (label and
            seed of each), `date`, `commit`, `mgnm_tf`, `packages`, `device`,
            `platform`, `seconds` of training.
        ranks: the ranks of all runs; `None` before the first one.
        levels: label -> for each run the shares of the levels, see
            `mgnm_tf.evaluation.levels`.
    """

    data: dict[str, Any]
    protocol: Protocol
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: list[dict[str, Any]] = field(default_factory=list)
    ranks: PackedRanks | None = None
    levels: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Label and seed of each run."""
        return [] if self.ranks is None else self.ranks.runs

    def check_same(self, runs: list[PlannedRun], protocol: Protocol) -> None:
        """Refuses results of other options than those of the study now.

        Args:
            runs: the runs that are wanted.
            protocol: the protocol of the study.

        Raises:
            UserError: a run that is there had another configuration, or the
                protocol was another.
        """
        there = set(self.runs)
        if there and (difference := protocol.difference(self.protocol)):
            raise UserError(
                f"The kept results have another protocol: {difference}. "
                "--again makes every run anew."
            )
        for run in runs:
            if (run.label, run.config.seed) not in there:
                continue
            stored = {**self.configs[run.label], "seed": run.config.seed}
            difference = run.config.difference(TrainConfig.from_dict(stored))
            if difference:
                raise UserError(
                    f"The kept runs of {run.label} were made with other "
                    f"options: {difference}. --again makes every run anew."
                )

    def select(self, runs: list[tuple[str, int]]) -> "StudyResults":
        """Returns the results of some of the runs, and who made those."""
        labels = {label for label, _ in runs}
        return replace(
            self,
            ranks=self.ranks.select(runs),
            made=[
                origin
                for origin in self.made
                if any(tuple(run) in runs for run in origin["runs"])
            ],
            levels={
                label: shares
                for label, shares in self.levels.items()
                if label in labels
            },
        )

    def joined(self, other: "StudyResults") -> "StudyResults":
        """Returns these results and new ones."""
        ranks = other.ranks
        if self.ranks is not None and ranks is not None:
            ranks = self.ranks.joined(ranks)
        levels = {
            label: {**self.levels.get(label, {}), **other.levels.get(label, {})}
            for label in {**self.levels, **other.levels}
        }
        return replace(
            other,
            configs={**self.configs, **other.configs},
            made=[
                *self.made,
                *(one for one in other.made if one not in self.made),
            ],
            ranks=ranks if ranks is not None else self.ranks,
            levels=levels,
        )

    def save(self, folder: Path) -> None:
        """Writes `study.json` and `ranks.npz` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.ranks is not None:
            self.ranks.save(folder / RANKS)
        write_json(
            folder / DESCRIPTION,
            {
                "data": self.data,
                "protocol": self.protocol.to_dict(),
                "made": self.made,
                "configs": self.configs,
                "levels": self.levels,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> "StudyResults | None":
        """Reads what `save` wrote; `None` where there is nothing."""
        if not (folder / DESCRIPTION).is_file():
            return None
        stored = read_json(folder / DESCRIPTION)
        packed = folder / RANKS
        return cls(
            data=stored["data"],
            protocol=Protocol.from_dict(stored["protocol"]),
            configs=stored["configs"],
            made=stored["made"],
            ranks=PackedRanks.load(packed) if packed.is_file() else None,
            levels=stored["levels"],
        )


def describe_data(data: SequenceDataset) -> dict[str, Any]:
    """Returns name, fingerprint and sizes of a data set."""
    return {
        "name": data.metadata.get("name") or "unnamed",
        "fingerprint": data.fingerprint,
        "users": data.metadata["filtered"]["users"],
        "items": data.metadata["filtered"]["items"],
        "events": data.metadata["filtered"]["events"],
        **{
            part: len(data.positions(part))
            for part in ("train", "validation", "test")
        },
    }
