"""Training by gradients, epoch by epoch, in an unfinished run folder."""

import logging
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import DivergedError
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.history import best_epoch
from mgnm_tf.runs.history import cut_history
from mgnm_tf.runs.history import read_history
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import steps_of
from mgnm_tf.training.build import training_batches
from mgnm_tf.training.callbacks import BestWeights
from mgnm_tf.training.callbacks import HistoryFile
from mgnm_tf.training.callbacks import KeepFreedMemory
from mgnm_tf.training.callbacks import ResumedEarlyStopping
from mgnm_tf.training.callbacks import RoomForWeights
from mgnm_tf.training.callbacks import SealedBackup
from mgnm_tf.training.callbacks import SeedPerEpoch
from mgnm_tf.training.callbacks import Timing
from mgnm_tf.training.callbacks import ValidationProgress
from mgnm_tf.training.continued import Continuation
from mgnm_tf.training.grown_weights import grow_model
from mgnm_tf.training.stages import start_from
from mgnm_tf.training.stages import start_of
from mgnm_tf.training.workers import Workers

logger = logging.getLogger(__name__)


def fit_with_validation(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    folder: Path,
    verbose: int,
    callbacks: Sequence[keras.callbacks.Callback],
    watch: Sequence[keras.callbacks.Callback],
    workers: Workers,
    continuation: Continuation | None = None,
) -> None:
    """Trains until validation stops it; leaves the weights of the best epoch.

    Begins after the last whole epoch that the folder holds.

    Args:
        model: the model.
        data: the data set.
        config: the configuration of the run.
        folder: the run folder.
        verbose: Keras's.
        callbacks: further callbacks, called before those of the run.
        watch: callbacks that are called after the clock, and before the
            history is written.
        workers: the processes that train.
        continuation: what the run goes on from, if anything. Defaults to
            `None`.

    Raises:
        UserError: the training diverges, or the run that it starts from does
            not fit.
    """
    backup, history = folder / run_folder.BACKUP, folder / run_folder.HISTORY
    done = _begin(model, data, config, folder, workers, continuation)
    BestWeights.cut(backup, done)
    values = [row[config.monitor] for row in read_history(history)]
    if not _is_finished(values, config):
        monitored = (values, config.monitor, config.mode)
        stopping = ResumedEarlyStopping(*monitored, config.patience)
        best = BestWeights(backup, *monitored)
        own = _callbacks(
            data, config, folder, done, [stopping], watch, [best], workers
        )
        how = (verbose, callbacks, own, workers)
        _fit(model, data, config, config.epochs, done, *how)
        _check_converged(folder, config)
        values = [row[config.monitor] for row in read_history(history)]
    epoch = best_epoch(values, config.mode)
    model.load_weights(BestWeights.path(backup, epoch))
    logger.info(
        "Best epoch: %d of %d, %s %.4f.",
        epoch + 1,
        len(values),
        config.monitor,
        values[epoch],
    )


def fit_epochs(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    folder: Path,
    epochs: int,
    verbose: int,
    callbacks: Sequence[keras.callbacks.Callback],
    watch: Sequence[keras.callbacks.Callback],
    workers: Workers,
    continuation: Continuation | None = None,
) -> None:
    """Trains a number of epochs without validation; leaves the last weights.

    The schedule of the learning rate is that of `config.epochs`. See
    `fit_with_validation` for the rest.

    Args:
        model: the model.
        data: the data set.
        config: the configuration of the run.
        folder: the run folder.
        epochs: how many epochs.
        verbose: Keras's.
        callbacks: further callbacks.
        watch: callbacks that are called after the clock.
        workers: the processes that train.
        continuation: what the run goes on from, if anything. Defaults to
            `None`.

    Raises:
        UserError: the training diverges, or the run that it starts from does
            not fit.
    """
    done = _begin(model, data, config, folder, workers, continuation)
    if done < epochs:
        own = _callbacks(data, config, folder, done, [], watch, [], workers)
        how = (verbose, callbacks, own, workers)
        _fit(model, data, config, epochs, done, *how)
        _check_converged(folder, config)
    model.load_weights(SealedBackup.weights(folder / run_folder.BACKUP))


def _begin(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    folder: Path,
    workers: Workers,
    continuation: Continuation | None,
) -> int:
    """Compiles a model and returns how many whole epochs the folder holds."""
    backup = folder / run_folder.BACKUP
    backup.mkdir(exist_ok=True)
    done, _ = SealedBackup.newest(backup)
    cut_history(folder / run_folder.HISTORY, done)
    if continuation is not None:
        source = continuation.run.load_model()
        steps_before = int(source.optimizer.iterations)
        compile_model(model, data, config, steps_before=steps_before)
        grow_model(model, source, continuation.growth)
        return done
    if start := start_of(config, folder):
        start_from(model, start)
    with workers.scope():
        compile_model(model, data, config, workers.steps_per_execution)
    return done


def _fit(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    epochs: int,
    done: int,
    verbose: int,
    callbacks: Sequence[keras.callbacks.Callback],
    own: Sequence[keras.callbacks.Callback],
    workers: Workers,
) -> None:
    """Runs `model.fit` from epoch `done` to epoch `epochs`."""
    if done:
        logger.info("Continuing after epoch %d.", done)
    batches = training_batches(data, config)
    _, steps = steps_of(batches, config.steps_per_execution)
    training, validation = workers.divided(
        lambda share: make_batches(model, data, config, done * steps, share)
    )
    progress = [ValidationProgress()] if verbose else []
    with workers.fitting(model):
        model.fit(
            training,
            epochs=epochs,
            steps_per_epoch=steps,
            validation_data=validation,
            shuffle=False,
            verbose=verbose,
            callbacks=[*progress, *callbacks, *own],
        )


def _callbacks(
    data: SequenceDataset,
    config: TrainConfig,
    folder: Path,
    done: int,
    stopping: Sequence[keras.callbacks.Callback],
    watch: Sequence[keras.callbacks.Callback],
    best: Sequence[keras.callbacks.Callback],
    workers: Workers,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks of a run; their order is that of their writes."""
    backup = folder / run_folder.BACKUP
    batches = training_batches(data, config)
    positives = len(data.positions("train")) / batches
    return [
        KeepFreedMemory(),
        SeedPerEpoch(workers.rank),
        RoomForWeights(backup),
        keras.callbacks.TerminateOnNaN(),
        *stopping,
        Timing(folder / run_folder.TIMING, done, positives),
        *watch,
        HistoryFile(str(folder / run_folder.HISTORY), append=True),
        *best,
        SealedBackup(backup),
    ]


def _is_finished(values: list[float], config: TrainConfig) -> bool:
    """Whether the run ended already, by its epochs or by its patience."""
    if not values:
        return False
    waited = len(values) - 1 - best_epoch(values, config.mode)
    return len(values) >= config.epochs or waited >= max(config.patience, 1)


def _check_converged(folder: Path, config: TrainConfig) -> None:
    """Ends a diverged run, and clears it away for another attempt."""
    rows = read_history(folder / run_folder.HISTORY)
    if math.isfinite(rows[-1]["loss"]):
        return
    shutil.rmtree(folder)
    raise DivergedError(
        f"The training of {config.model} diverged in epoch {len(rows)}: the "
        f"loss is {rows[-1]['loss']}. Try a learning rate below "
        f"{config.optimizer.learning_rate:g}."
    )
