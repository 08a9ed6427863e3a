"""The few lines that let Keras's callbacks survive a kill at any moment.

At the end of an epoch the callbacks write, in this order: the timing, the row
of the history, the best weights (a file named after the epoch), and last the
backup, which is renamed when it is whole. A run continues from its
newest whole backup, after everything of later epochs was cut off.
"""

import math
import os
import shutil
import time
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np

from mgnm_tf.runs.history import best_epoch
from mgnm_tf.utils.disk import reserve
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.freed_memory import keep_freed_memory


class RoomForWeights(keras.callbacks.Callback):
    """Checks that the disk has room for what the end of an epoch writes.

    Args:
        folder: where it is written.
    """

    def __init__(self, folder: str | os.PathLike):
        super().__init__()
        self.folder = Path(folder)

    def on_epoch_end(self, epoch, logs=None):
        # The best weights and the backup.
        reserve(self.folder, 2 * saved_size(self.model))


def saved_size(model: keras.Model) -> int:
    """Returns about how many bytes a saved model has, rather too many."""
    # A model that counts was never compiled.
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else ())]
    # Each has an entry in the file.
    return 2**18 + sum(
        4096 + math.prod(one.shape) * (8 if "64" in one.dtype else 4)
        for one in variables
    )


class ValidationProgress(keras.callbacks.ProgbarLogger):
    """`ProgbarLogger` that shows the loss and what was validated.

    Metrics of the training batches rank a positive among the handful of
    negatives it is trained against, and look like results. They stay in
    `history.csv`.
    """

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, self._shown(logs))

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, self._shown(logs))

    @staticmethod
    def _shown(logs: dict[str, Any] | None) -> dict[str, Any]:
        return {
            name: value
            for name, value in (logs or {}).items()
            if name == "loss" or name.startswith("val_")
        }


class HistoryFile(keras.callbacks.CSVLogger):
    """`CSVLogger` without columns for a validation that is not made."""

    def on_epoch_end(self, epoch, logs=None):
        if self.keys is None:
            self.keys = sorted(logs or {})
        super().on_epoch_end(epoch, logs)


class SealedBackup(keras.callbacks.BackupAndRestore):
    """`BackupAndRestore` whose backup is whole at any moment.

    Keras writes weights and epoch number one after the other, in place; a
    kill between the two would resume with weights of another epoch. Here
    they are written into a folder that is renamed afterwards.

    Args:
        folder: where the backups stand, each in `epoch-<number of epochs>`.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        super().__init__(str(self.folder / "open"), delete_checkpoint=False)

    @staticmethod
    def newest(folder: str | os.PathLike) -> tuple[int, Path | None]:
        """Returns how many epochs the newest backup holds, and its path."""
        backups = sorted(Path(folder).glob("epoch-*"))
        if not backups:
            return 0, None
        return int(backups[-1].name.removeprefix("epoch-")), backups[-1]

    @classmethod
    def weights(cls, folder: str | os.PathLike) -> Path:
        """Returns the file with the weights of the newest backup."""
        epochs, _ = cls.newest(folder)
        return Path(folder) / f"epoch-{epochs:05d}" / "latest.weights.h5"

    def on_train_begin(self, logs=None):
        shutil.rmtree(self.backup_dir, ignore_errors=True)
        _, backup = self.newest(self.folder)
        if backup is not None:
            shutil.copytree(backup, self.backup_dir)
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch, logs=None):
        _, previous = self.newest(self.folder)
        super().on_epoch_end(epoch, logs)
        os.rename(self.backup_dir, self.folder / f"epoch-{epoch + 1:05d}")
        if previous is not None:
            shutil.rmtree(previous)


class ResumedEarlyStopping(keras.callbacks.EarlyStopping):
    """`EarlyStopping` that knows the epochs before the run was interrupted.

    Args:
        values: the monitored value of each of those epochs.
        monitor: see Keras.
        mode: `"max"` or `"min"`.
        patience: see Keras.
    """

    def __init__(
        self, values: list[float], monitor: str, mode: str, patience: int
    ):
        super().__init__(monitor=monitor, mode=mode, patience=patience)
        self.values = values

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.values:
            self.best_epoch = best_epoch(self.values, self.mode)
            self.best = self.values[self.best_epoch]
            self.wait = len(self.values) - 1 - self.best_epoch


class BestWeights(keras.callbacks.ModelCheckpoint):
    """`ModelCheckpoint` of the best weights, in a file named by its epoch.

    A file is kept until the epoch of a better one is backed up, so that the
    best weights of every whole backup are there.

    Args:
        folder: where the weights are written.
        values: the monitored value of each epoch before an interruption.
        monitor: see Keras.
        mode: `"max"` or `"min"`.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        values: list[float],
        monitor: str,
        mode: str,
    ):
        self.folder = Path(folder)
        best = values[best_epoch(values, mode)] if values else None
        super().__init__(
            str(self.folder / "best-{epoch:05d}.weights.h5"),
            monitor=monitor,
            mode=mode,
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=best,
        )

    @staticmethod
    def path(folder: str | os.PathLike, epoch: int) -> Path:
        """Returns the file of an epoch; the first epoch is 0."""
        return Path(folder) / f"best-{epoch + 1:05d}.weights.h5"

    @classmethod
    def cut(cls, folder: str | os.PathLike, epochs: int) -> None:
        """Deletes what was written after the first `epochs` epochs."""
        for path in Path(folder).glob("best-*"):
            if path.name >= cls.path(folder, epochs).name:
                path.unlink()

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        for path in sorted(self.folder.glob("best-*"))[:-1]:
            path.unlink()


class SeedPerEpoch(keras.callbacks.Callback):
    """Gives random layers a state that depends on the epoch alone.

    Keras does not save the state of its seed generators with the weights,
    so a resumed run would draw other numbers than an uninterrupted one.

    Args:
        rank: which of several workers this is, for they draw for different
            rows. Defaults to 0.
    """

    def __init__(self, rank: int = 0):
        super().__init__()
        self._more = [rank] if rank else []

    def on_train_begin(self, logs=None):
        self._states = [
            (variable, np.array(variable)[0].item())
            for variable in self.model.variables
            if variable.name == "seed_generator_state"
        ]

    def on_epoch_begin(self, epoch, logs=None):
        for variable, seed in self._states:
            sequence = np.random.SeedSequence([seed, epoch, *self._more])
            words = sequence.generate_state(2)
            variable.assign(words.astype(variable.dtype))


class KeepFreedMemory(keras.callbacks.Callback):
    """Says so at the first batch of each pass, when its data set is made.

    See `keep_freed_memory`; what is said before that TensorFlow unsays.
    """

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            keep_freed_memory()

    def on_test_batch_begin(self, batch, logs=None):
        if batch == 0:
            keep_freed_memory()


class Timing(keras.callbacks.Callback):
    """Writes the seconds of each epoch and the steady training speed.

    The steady speed leaves out the first execution of each epoch, which
    compiles the step and fills the input pipeline, and the validation.

    Args:
        path: the JSON file to write or, in a resumed run, to continue.
        epoch: number of epochs the run has behind it.
        positives_per_step: positives that one step trains on, on average.
    """

    def __init__(
        self, path: str | os.PathLike, epoch: int, positives_per_step: float
    ):
        super().__init__()
        self.path = path
        self.positives_per_step = positives_per_step
        self.epochs: list[dict[str, Any]] = []
        if epoch:
            self.epochs = read_json(path)["epochs"][:epoch]

    def on_epoch_begin(self, epoch, logs=None):
        self._begin = self._first = self._last = time.perf_counter()
        self._first_step = self._last_step = 0

    def on_train_batch_end(self, batch, logs=None):
        self._last, self._last_step = time.perf_counter(), batch + 1
        if not self._first_step:
            self._first, self._first_step = self._last, self._last_step

    def on_test_begin(self, logs=None):
        # By now Keras has read the metrics, so a GPU has done its work.
        self._last = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        steps = self._last_step - self._first_step
        seconds = self._last - self._first
        if not steps:
            steps, seconds = self._last_step, self._last - self._begin
        self.epochs.append(
            {
                "seconds": now - self._begin,
                "steady_positives": steps * self.positives_per_step,
                "steady_seconds": seconds,
            }
        )
        write_json(self.path, timing(self.epochs))


def timing(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the content of `timing.json` from its entries per epoch.

    An epoch's `seconds` include its validation; `seconds_per_epoch` is their
    median. Training adds `peak_memory` in MiB at its end.
    """
    positives = sum(entry["steady_positives"] for entry in epochs)
    seconds = sum(entry["steady_seconds"] for entry in epochs)
    return {
        "positives_per_second": positives / max(seconds, 1e-9),
        "seconds": sum(entry["seconds"] for entry in epochs),
        "seconds_per_epoch": median(entry["seconds"] for entry in epochs),
        "epochs": epochs,
    }
