"""A finished run, read from its folder."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mgnm_tf.models.loading import load_model
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.history import best_epoch
from mgnm_tf.runs.history import read_history
from mgnm_tf.utils.files import read_json


@dataclass(frozen=True)
class Run:
    """What a training left, read when it is asked for.

    Args:
        path: the run folder, see `run_folder.py` for what it holds.

    Raises:
        UserError: from each of its values, if the folder is not there, not
            finished or not a run.

    Example:

    ```
    run = mgnm_tf.Run("runs/a")
    run.config.optimizer.learning_rate, run.best_epoch
    run.metrics["test"]["ndcg@5"]
    model = run.load_model()
    ```
    """

    path: str | os.PathLike

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    @cached_property
    def _described(self) -> tuple[TrainConfig, dict[str, Any]]:
        return run_folder.read_run(self.path)

    @property
    def config(self) -> TrainConfig:
        """The configuration."""
        return self._described[0]

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, device, size of the model, and the data."""
        return self._described[1]

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of `metrics.json`: part -> metrics, and `protocol`."""
        return self._read(run_folder.METRICS)

    @cached_property
    def timing(self) -> dict[str, Any]:
        """Seconds of each epoch, the steady speed and the peak memory."""
        return self._read(run_folder.TIMING)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One dict an epoch; empty for a model that counts."""
        return read_history(Path(self.path) / run_folder.HISTORY)

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were kept, from 1 on; the last of a refit."""
        if self.config.refit:
            return len(self.history) or None
        values = [row[self.config.monitor] for row in self.history]
        return best_epoch(values, self.config.mode) + 1 if values else None

    @property
    def validated(self) -> float | None:
        """The value of the monitor in the best epoch.

        Of a refit that of the run that chose its epochs; `None` for a model
        that counts.
        """
        if self.best_epoch is None:
            return None
        if self.config.refit:
            return Run(Path(self.path) / run_folder.CHOICE).validated
        return self.history[self.best_epoch - 1][self.config.monitor]

    @property
    def best_on_test(self) -> dict[str, float]:
        """Of each metric the best of all epochs on the test part.

        What published session code reports, see `WatchTest`; empty for a run
        that was made without `watch_test`.
        """
        prefix = "test_"
        names = [*self.history[0]] if self.history else []
        return {
            name.removeprefix(prefix): max(row[name] for row in self.history)
            for name in names
            if name.startswith(prefix)
        }

    @property
    def ranks(self) -> Path:
        """The file with the rank of every evaluated record."""
        return Path(self.path) / run_folder.RANKS

    def load_model(self):
        """Returns the model with the weights of the best epoch."""
        self._check()
        return load_model(Path(self.path) / run_folder.MODEL)

    def _check(self) -> None:
        """Says what is missing, if it is no run."""
        _ = self._described

    def _read(self, name: str) -> dict[str, Any]:
        self._check()
        return read_json(Path(self.path) / name)
