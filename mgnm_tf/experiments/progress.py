"""The progress bar over many runs."""

import keras
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn
from rich.progress import TimeRemainingColumn


def make_progress(console: Console) -> Progress:
    """Returns a bar over epochs that estimates the time that is left.

    Args:
        console: where to draw; nothing is drawn if it is not a terminal.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs,"),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        # Speed is taken over all epochs so far; they differ between models.
        speed_estimate_period=float("inf"),
        disable=not console.is_terminal,
    )


class EpochProgress(keras.callbacks.Callback):
    """Moves a bar along while one run trains.

    Epochs that a resumed run has behind it, and those that early stopping
    spares, do not count, so that the speed is that of real work.

    Args:
        progress: a bar with one task.
        name: the run, in words.
        epochs: the most epochs of the run.
        later: epochs of the runs that follow.
    """

    def __init__(self, progress: Progress, name: str, epochs: int, later: int):
        super().__init__()
        self.progress, self.name = progress, name
        self.epochs, self.later = epochs, later
        self._done = progress.tasks[0].completed
        self._first = None
        self._update(total=self._done + epochs + later, description=name)

    def on_epoch_begin(self, epoch, logs=None):
        if self._first is None:
            self._first = epoch
        left = self.epochs - epoch + self.later
        self._epoch = epoch
        self._update(
            total=self._done + epoch - self._first + left,
            description=f"{self.name}, epoch {epoch + 1}",
        )

    def on_train_batch_end(self, batch, logs=None):
        epochs = self._epoch - self._first + (batch + 1) / self.params["steps"]
        self._update(completed=self._done + epochs)

    def _update(self, **changes):
        self.progress.update(self.progress.task_ids[0], **changes)
