"""Ending trials early that are behind the others."""

import os
from pathlib import Path
from typing import Any

import keras

from mgnm_tf.runs.history import read_history


class Pruning(keras.callbacks.Callback):
    """Reports each epoch to Optuna, and ends the training that it prunes.

    Optuna's own callback for Keras raises an exception out of `fit`, which
    would leave an unfinished run folder; and it knows nothing of the epochs
    before an interruption. Here a pruned training ends as one that has no
    patience left: it is a run like any other.

    Args:
        trial: the `optuna.Trial`.
        history: where `history.csv` of the run will stand.
        monitor: the value that is reported.
    """

    def __init__(self, trial: Any, history: str | os.PathLike, monitor: str):
        super().__init__()
        self.trial = trial
        self.history = Path(history)
        self.monitor = monitor
        self.pruned = False
        self._reported = 0

    def report(self, values: list[float]) -> None:
        """Reports the values of the first epochs, each once."""
        for epoch in range(self._reported, len(values)):
            if self.pruned:
                break
            self.trial.report(values[epoch], epoch)
            self._reported = epoch + 1
            self.pruned = self.trial.should_prune()

    def on_epoch_end(self, epoch, logs=None):
        before = [row[self.monitor] for row in read_history(self.history)]
        self.report([*before[:epoch], float(logs[self.monitor])])
        if self.pruned:
            self.model.stop_training = True
