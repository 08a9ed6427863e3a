"""The progress bar over many runs."""

import keras
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import TaskProgressColumn
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn
from rich.progress import TimeRemainingColumn

from mgnm_tf.studies.estimate import Estimate


def make_progress(console: Console) -> Progress:
    """Returns a bar over estimated work that says how long is left.

    Args:
        console: where to draw; nothing is drawn if it is not a terminal.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        # Speed is taken over all work so far; it differs between models.
        speed_estimate_period=float("inf"),
        disable=not console.is_terminal,
    )


def duration(seconds: float) -> str:
    """Writes a duration as people would: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class EpochProgress(keras.callbacks.Callback):
    """Moves a bar along while one run trains, in seconds of estimated work.

    Epochs that a resumed run has behind it, and those that early stopping
    spares, do not count, so that the speed is that of real work.

    Args:
        progress: a bar with one task.
        name: the run, in words.
        estimate: what the run is expected to cost.
        later: seconds expected of the runs that follow.
    """

    def __init__(
        self, progress: Progress, name: str, estimate: Estimate, later: float
    ):
        super().__init__()
        self.progress, self.name = progress, name
        self.estimate, self.later = estimate, later
        self._before = progress.tasks[0].completed
        self._first = None
        self._update(
            total=self._before + estimate.seconds + later, description=name
        )

    def on_epoch_begin(self, epoch, logs=None):
        if self._first is None:
            self._first = epoch
        one = self.estimate
        self._done = self._before + (epoch - self._first) * one.epoch
        self._done += one.start if epoch > self._first else 0.0
        left = (one.epochs - epoch) * one.epoch + self.later
        left += one.start if epoch == self._first else 0.0
        self._update(
            completed=self._done,
            total=self._done + left,
            description=f"{self.name}, epoch {epoch + 1}",
        )

    def on_train_batch_end(self, batch, logs=None):
        share = (batch + 1) / self.params["steps"]
        self._update(completed=self._done + share * self.estimate.epoch)

    def _update(self, **changes):
        self.progress.update(self.progress.task_ids[0], **changes)
