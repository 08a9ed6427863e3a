"""Training of one model into a run folder."""

import logging
import math
import os
import shutil
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.pipeline import make_dataset
from mgnm_tf.data.pipeline import num_batches
from mgnm_tf.errors import DivergedError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.environment import describe_environment
from mgnm_tf.runs.history import best_epoch
from mgnm_tf.runs.history import cut_history
from mgnm_tf.runs.history import read_history
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import count_parameters
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.build import steps_of
from mgnm_tf.training.callbacks import BestWeights
from mgnm_tf.training.callbacks import ResumedEarlyStopping
from mgnm_tf.training.callbacks import RoomForWeights
from mgnm_tf.training.callbacks import SealedBackup
from mgnm_tf.training.callbacks import SeedPerEpoch
from mgnm_tf.training.callbacks import Timing
from mgnm_tf.training.callbacks import ValidationProgress
from mgnm_tf.training.callbacks import saved_size
from mgnm_tf.training.callbacks import timing
from mgnm_tf.training.evaluate_run import write_evaluation
from mgnm_tf.training.memory import peak_memory
from mgnm_tf.training.memory import reset_peak_memory
from mgnm_tf.training.stages import check_first_stage
from mgnm_tf.training.stages import stages_of
from mgnm_tf.training.stages import start_from
from mgnm_tf.training.stages import start_of
from mgnm_tf.training.track import check_tracker
from mgnm_tf.training.track import tracking
from mgnm_tf.training.watch_test import WatchTest
from mgnm_tf.utils.disk import reserve
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

logger = logging.getLogger(__name__)


def train(
    data: SequenceDataset | str | os.PathLike,
    recipe: str | os.PathLike | Recipe | TrainConfig,
    out: str | os.PathLike,
    *,
    options: Mapping[str, Any] | None = None,
    protocol: Protocol | None = None,
    verbose: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    track: str | None = None,
    **settings: Any,
) -> Path:
    """Trains a model, keeps its best epoch and evaluates it on the test part.

    The run is written into `<out>.partial`, which is renamed to `out` when
    all is done. After an interruption, at any moment and of any kind, the
    same call continues after the last whole epoch; on a CPU it ends with the
    weights that an uninterrupted run has.

    Args:
        data: a data set, or the folder of one.
        recipe: what to train and how: `"mgnm"`, the recipe that is
            recommended, `"mgnm:paper+without_graph"`, the path of a TOML
            file, a `Recipe`, or the result of `configure`.
        out: the run folder to make; `run_folder.py` names what it holds.
        options: constructor arguments of the model that win over the recipe.
        protocol: how to evaluate. `None` is `Protocol()` with the history
            length and the cut-offs of the run.
        verbose: Keras's: 0 silent, 1 progress bar, 2 a line an epoch.
        callbacks: further Keras callbacks, called before those of the run.
        track: where the run is followed besides its folder: `"mlflow"`,
            `"wandb"` or `"tensorboard"`, see `mgnm_tf.training.track`.
            `None` is nowhere. It is no part of the configuration.
        **settings: what else wins over the recipe, see `configure`: `seed`,
            `epochs`, `learning_rate`, `k`, ...

    Returns:
        The path of the run folder.

    Raises:
        UserError: `out` exists, cannot be written or is being written by
            another process, an unfinished run there differs, a name is
            unknown, the package of a tracker is not installed, or the
            training diverges.
    """
    check_tracker(track)
    config = configure(recipe, options=options, **settings)
    if protocol is None:
        protocol = Protocol(max_length=config.max_length, k=config.k)
    path = None
    if not isinstance(data, SequenceDataset):
        path = str(Path(data).absolute())
        data = SequenceDataset.load(data)
    run_folder.check_free(out)
    stages = stages_of(config)
    reset_peak_memory()
    keras.utils.set_random_seed(config.seed)
    with _precision(config):
        model = make_model(data, config)
        _check_stage(model, data, config, stages)
        environment = describe_environment(data, path, count_parameters(model))
        with run_folder.open_run(out, config, environment) as folder:
            logger.info("Device: %s", environment["device"])
            if stages:
                _train_stage(
                    path or data,
                    stages[0],
                    folder,
                    verbose,
                    track,
                    protocol.part,
                )
            with tracking(track, folder, config, environment) as tracker:
                if isinstance(model, StatisticalRecommender):
                    _fit_statistical(model, data, config, folder, verbose)
                else:
                    further = [*callbacks, *tracker.callbacks]
                    watch = [WatchTest(data, protocol)] * config.watch_test
                    _fit_by_gradient(
                        model, data, config, folder, verbose, further, watch
                    )
                reserve(folder, saved_size(model))
                model.save(folder / run_folder.MODEL)
                metrics = write_evaluation(
                    folder, model, data, protocol, verbose == 1
                )
                tracker.finish(protocol.part, metrics[protocol.part])
            _note_memory(folder / run_folder.TIMING)
    return Path(out)


def _check_stage(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    stages: Sequence[TrainConfig],
) -> None:
    """Refuses a first stage that does not fit, before it is trained."""
    if not model.first_stage:
        return
    if stages:
        first = make_model(data, stages[0])
        check_first_stage(model, first, stages[0].recipe)
    elif not config.init_from:
        logger.info(
            "%s is trained at once, without a first stage (`after`).",
            config.recipe,
        )


def _train_stage(
    data: SequenceDataset | str,
    stage: TrainConfig,
    folder: Path,
    verbose: int,
    track: str | None,
    part: str,
) -> None:
    """Trains the stage that a run starts from, once, inside its folder."""
    if not (folder / run_folder.STAGE).exists():
        logger.info("The stage %s comes first.", stage.recipe)
        train(
            data,
            stage,
            folder / run_folder.STAGE,
            protocol=Protocol(
                part=part, max_length=stage.max_length, k=stage.k
            ),
            verbose=verbose,
            track=track,
        )
    keras.utils.set_random_seed(stage.seed)


def _note_memory(path: Path) -> None:
    """Adds the peak since the start, or since it was resumed, in MiB."""
    write_json(path, {**read_json(path), "peak_memory": peak_memory()})


@contextmanager
def _precision(config: TrainConfig) -> Iterator[None]:
    """Sets Keras's dtype policy for the layers that are made inside."""
    before = keras.config.dtype_policy()
    if config.mixed_precision:
        keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _fit_statistical(
    model: StatisticalRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    folder: Path,
    verbose: int,
) -> None:
    """Fits a model that reads the training data once, without gradients."""
    batches = make_dataset(
        data,
        "train",
        batch_size=config.batch_size,
        max_length=config.max_length,
        negatives=0,
        features=model.required_features,
        seed=config.seed,
    )
    begin = time.perf_counter()
    model.fit(batches, verbose=int(verbose == 1))
    seconds = time.perf_counter() - begin
    entry = {
        "seconds": seconds,
        "steady_positives": len(data.positions("train")),
        "steady_seconds": seconds,
    }
    write_json(folder / run_folder.TIMING, timing([entry]))


def _fit_by_gradient(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    folder: Path,
    verbose: int,
    callbacks: Sequence[keras.callbacks.Callback],
    watch: Sequence[keras.callbacks.Callback],
) -> None:
    """Trains by gradients, from the last whole epoch on; sets best weights."""
    backup = folder / run_folder.BACKUP
    backup.mkdir(exist_ok=True)
    epoch, _ = SealedBackup.newest(backup)
    history = folder / run_folder.HISTORY
    cut_history(history, epoch)
    BestWeights.cut(backup, epoch)
    values = [row[config.monitor] for row in read_history(history)]
    if start := start_of(config, folder):
        start_from(model, start)
    compile_model(model, data, config)
    if not _is_finished(values, config):
        if epoch:
            logger.info("Continuing after epoch %d.", epoch)
        _fit(model, data, config, folder, values, verbose, callbacks, watch)
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


def _fit(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    folder: Path,
    values: list[float],
    verbose: int,
    callbacks: Sequence[keras.callbacks.Callback],
    watch: Sequence[keras.callbacks.Callback],
) -> None:
    """Runs `model.fit` from epoch `len(values)` on."""
    batches = num_batches(data, "train", batch_size=config.batch_size)
    _, steps = steps_of(batches, config.steps_per_execution)
    training, validation = make_batches(
        model, data, config, first_step=len(values) * steps
    )
    model.fit(
        training,
        epochs=config.epochs,
        steps_per_epoch=steps,
        validation_data=validation,
        shuffle=False,
        verbose=verbose,
        callbacks=[
            *([ValidationProgress()] if verbose else []),
            *callbacks,
            *_own_callbacks(
                config,
                folder,
                values,
                len(data.positions("train")) / batches,
                watch,
            ),
        ],
    )


def _own_callbacks(
    config: TrainConfig,
    folder: Path,
    values: list[float],
    positives_per_step: float,
    watch: Sequence[keras.callbacks.Callback],
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks of a run; their order is that of their writes."""
    backup = folder / run_folder.BACKUP
    monitored = (values, config.monitor, config.mode)
    return [
        SeedPerEpoch(),
        RoomForWeights(backup),
        keras.callbacks.TerminateOnNaN(),
        ResumedEarlyStopping(*monitored, config.patience),
        Timing(folder / run_folder.TIMING, len(values), positives_per_step),
        *watch,  # After the clock, and before the history.
        keras.callbacks.CSVLogger(
            str(folder / run_folder.HISTORY), append=True
        ),
        BestWeights(backup, *monitored),
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
    rows: list[dict[str, Any]] = read_history(folder / run_folder.HISTORY)
    if math.isfinite(rows[-1]["loss"]):
        return
    shutil.rmtree(folder)
    raise DivergedError(
        f"The training of {config.model} diverged in epoch {len(rows)}: the "
        f"loss is {rows[-1]['loss']}. Try a learning rate below "
        f"{config.optimizer.learning_rate:g}."
    )
