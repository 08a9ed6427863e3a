"""The processes that train one model together; here: a single one."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig

Batches = tuple[Any, Any]
"""Those of training and of validation; the latter may be `None`."""


class Workers:
    """What a training asks about the processes that take part in it.

    This class answers for one process alone, for which nothing is divided.
    `mgnm_tf.cluster.hosts.Hosts` answers for several: each of them runs the
    same training, on its rows of every batch, and the first one owns the run
    folder.
    """

    rank: int = 0
    """Which of the workers this process is, from 0 on."""

    count: int = 1
    """How many workers there are."""

    steps_per_execution: int | None = None
    """What replaces that of the configuration, if anything does."""

    @property
    def is_chief(self) -> bool:
        """Whether this process owns the run folder, and evaluates."""
        return self.rank == 0

    def check(self, config: TrainConfig, model: SequentialRecommender) -> None:
        """Refuses a run that these workers cannot train.

        Raises:
            UserError: it cannot be trained by them.
        """

    def together(self) -> AbstractContextManager[None]:
        """Fails on all workers, in one sentence, where a block fails on one.

        All workers have to come to the block.
        """
        return nullcontext()

    def compare(self, config: TrainConfig, data: SequenceDataset) -> None:
        """Makes sure that all workers have the same versions, data, options.

        Raises:
            UserError: one has others.
        """

    def scope(self) -> AbstractContextManager[Any]:
        """Gives the block in which the model is made."""
        return nullcontext()

    def open_run(
        self,
        path: str | os.PathLike,
        config: TrainConfig,
        environment: dict[str, Any],
    ) -> AbstractContextManager[Path]:
        """Gives the folder that this process writes, see `open_run`."""
        return run_folder.open_run(path, config, environment)

    def divided(
        self, make: Callable[[tuple[int, int] | None], Batches]
    ) -> Batches:
        """Returns the batches of this process.

        Args:
            make: makes the batches of a share, see `make_dataset`.
        """
        return make(None)

    def fitting(
        self, model: SequentialRecommender
    ) -> AbstractContextManager[None]:
        """Gives the block in which `model.fit` is called."""
        return nullcontext()

    def alone(self, model: SequentialRecommender, saved: Path):
        """Returns the model as one process can use it, once it is saved."""
        return model
