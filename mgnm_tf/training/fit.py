"""Training of one model into a run folder."""

import logging
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

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.environment import describe_environment
from mgnm_tf.runs.run import Run
from mgnm_tf.training.build import count_parameters
from mgnm_tf.training.build import make_model
from mgnm_tf.training.callbacks import saved_size
from mgnm_tf.training.callbacks import timing
from mgnm_tf.training.continued import configure_continued
from mgnm_tf.training.continued import continuation_of
from mgnm_tf.training.evaluate_run import write_evaluation
from mgnm_tf.training.gradient import fit_epochs
from mgnm_tf.training.gradient import fit_with_validation
from mgnm_tf.training.length import for_data
from mgnm_tf.training.memory import peak_memory
from mgnm_tf.training.memory import reset_peak_memory
from mgnm_tf.training.refit import check_unseen
from mgnm_tf.training.refit import with_validation
from mgnm_tf.training.run_protocol import protocol_of_run
from mgnm_tf.training.stages import check_first_stage
from mgnm_tf.training.stages import made_stage
from mgnm_tf.training.stages import stages_of
from mgnm_tf.training.track import check_tracker
from mgnm_tf.training.track import tracking
from mgnm_tf.training.watch_test import WatchTest
from mgnm_tf.training.workers import Workers
from mgnm_tf.utils.disk import reserve
from mgnm_tf.utils.files import atomic_folder
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import sha256
from mgnm_tf.utils.files import write_json

logger = logging.getLogger(__name__)


def train(
    data: SequenceDataset | str | os.PathLike,
    recipe: str | os.PathLike | Recipe | TrainConfig | None,
    out: str | os.PathLike,
    *,
    continue_from: str | os.PathLike | None = None,
    options: Mapping[str, Any] | None = None,
    protocol: Protocol | None = None,
    verbose: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    track: str | None = None,
    workers: Workers | None = None,
    made_runs: Sequence[str | os.PathLike] = (),
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
            file, a `Recipe`, or the result of `configure`. With
            `continue_from` it may be `None`.
        out: the run folder to make; `run_folder.py` names what it holds.
        continue_from: a run that is trained further on `data`, which are
            those of that run and more, see `mgnm_tf.training.continued`. A
            `mgnm_tf.Run` that holds its data needs no data folder.
        options: constructor arguments of the model that win over the recipe.
        protocol: how to evaluate. `None` is what the recipe says of the
            task, see `mgnm_tf.training.run_protocol.protocol_of_run`.
        verbose: Keras's: 0 silent, 1 progress bar, 2 a line an epoch.
        callbacks: further Keras callbacks, called before those of the run.
        track: where the run is followed besides its folder: `"mlflow"`,
            `"wandb"` or `"tensorboard"`, see `mgnm_tf.training.track`.
            `None` is nowhere. It is no part of the configuration.
        workers: the processes that train, each of which makes this call, see
            `mgnm_tf.cluster.hosts.Hosts`. `None` is this one alone. It is no
            part of the configuration.
        made_runs: finished runs. Where one of them, or the stage inside it,
            is the stage before this run, it is copied in place of being
            trained once more; not with several `workers`. They are no part
            of the configuration.
        **settings: what else wins over the recipe, see `configure`: `seed`,
            `epochs`, `learning_rate`, `k`, `item_features`, ...

    Returns:
        The path of the run folder.

    Raises:
        UserError: `out` exists, cannot be written or is being written by
            another process, an unfinished run there differs, a name is
            unknown, the package of a tracker is not installed, the training
            diverges, a refit is to be evaluated on the validation part, or
            the run to go on from does not fit, see
            `mgnm_tf.training.continued.continuation_of`.
    """
    check_tracker(track)
    config = _configure(recipe, continue_from, options, settings)
    if protocol is None:
        protocol = protocol_of_run(config)
    check_unseen(config, protocol, str(out))
    workers = workers or Workers()
    if not workers.is_chief:
        track, verbose = None, 0
    path = None
    with workers.together():
        if not isinstance(data, SequenceDataset):
            loaded = SequenceDataset.load(data)
            path, data = str(Path(data).absolute()), loaded
        run_folder.check_free(out)
    workers.compare(config, data)
    trained = with_validation(data) if config.refit else data
    fitted = for_data(config, data)
    if fitted.epochs > config.epochs:
        logger.info(
            "%d epochs, not %d, and a patience of %d: the log is small "
            "(least_steps %d).",
            fitted.epochs,
            config.epochs,
            fitted.patience,
            config.least_steps,
        )
    stages = stages_of(config)
    old = getattr(continue_from, "data", None)
    continuation = continuation_of(config, trained, old)
    reset_peak_memory()
    keras.utils.set_random_seed(config.seed)
    with _precision(config):
        with workers.scope():
            model = make_model(trained, config)
        workers.check(config, model)
        _check_stage(model, trained, config, stages)
        environment = {
            **describe_environment(data, path, count_parameters(model)),
            "workers": workers.count,
        }
        if config.item_features:
            digest = sha256(Path(config.item_features))
            environment["item_features"] = {"sha256": digest}
        if continuation is not None:
            environment["continued_from"] = continuation.describe()
        with workers.open_run(out, config, environment) as folder:
            logger.info("Device: %s", environment["device"])
            counts = isinstance(model, StatisticalRecommender)
            epochs = None
            if config.refit and not counts:
                how = (verbose, track, workers)
                epochs = _choose_epochs(
                    path or data, config, folder, protocol, continue_from, *how
                )
            if stages:
                how = (verbose, track, workers)
                made = None
                if workers.count == 1:
                    made = made_stage(stages[0], data.fingerprint, made_runs)
                _make_stage(
                    path or data, stages[0], made, folder, protocol.part, *how
                )
            with tracking(track, folder, config, environment) as tracker:
                if counts:
                    _fit_statistical(model, trained, config, folder, verbose)
                else:
                    further = [*callbacks, *tracker.callbacks]
                    watch = [WatchTest(data, protocol)] * config.watch_test
                    samples = trained
                    if continuation is not None:
                        samples = continuation.samples
                    task = (model, samples, fitted, folder)
                    how = (verbose, further, watch, workers, continuation)
                    if epochs is None:
                        fit_with_validation(*task, *how)
                    else:
                        fit_epochs(*task, epochs, *how)
                if workers.is_chief:
                    reserve(folder, saved_size(model))
                    model.save(folder / run_folder.MODEL)
                    metrics = write_evaluation(
                        folder,
                        workers.alone(model, folder / run_folder.MODEL),
                        data,
                        protocol,
                        verbose == 1,
                    )
                    tracker.finish(protocol.part, metrics[protocol.part])
            _note_memory(folder / run_folder.TIMING)
    return Path(out)


def _configure(
    recipe: str | os.PathLike | Recipe | TrainConfig | None,
    continue_from: str | os.PathLike | None,
    options: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> TrainConfig:
    """Returns the configuration of a run, or of one that goes on."""
    if continue_from is not None and not isinstance(recipe, TrainConfig):
        return configure_continued(
            continue_from, recipe, options=options, **settings
        )
    if recipe is None:
        raise UserError(
            "Name what to train: a recipe, or with `continue_from` a run."
        )
    return configure(recipe, options=options, **settings)


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
    elif not (config.init_from or config.continue_from):
        logger.info(
            "%s is trained at once, without a first stage (`after`).",
            config.recipe,
        )


def _make_stage(
    data: SequenceDataset | str,
    stage: TrainConfig,
    made: Path | None,
    folder: Path,
    part: str,
    verbose: int,
    track: str | None,
    workers: Workers,
) -> None:
    """Trains or copies the stage of a run, once, into its folder."""
    path = folder / run_folder.STAGE
    if made is not None and not path.exists():
        logger.info("The stage %s was made in %s.", stage.recipe, made)
        with atomic_folder(path) as copy:
            shutil.copytree(made, copy, dirs_exist_ok=True)
    if not path.exists():
        logger.info("The stage %s comes first.", stage.recipe)
        train(
            data,
            stage,
            path,
            protocol=protocol_of_run(stage, part),
            verbose=verbose,
            track=track,
            workers=workers,
        )
    keras.utils.set_random_seed(stage.seed)


def _choose_epochs(
    data: SequenceDataset | str,
    config: TrainConfig,
    folder: Path,
    protocol: Protocol,
    continue_from: str | os.PathLike | None,
    verbose: int,
    track: str | None,
    workers: Workers,
) -> int:
    """Returns how many epochs validation chooses, by a run in the folder."""
    choice = folder / run_folder.CHOICE
    if not choice.exists():
        logger.info("A run without the validation part chooses the epoch.")
        train(
            data,
            config.model_copy(update={"refit": False}),
            choice,
            continue_from=continue_from,
            protocol=protocol,
            verbose=verbose,
            track=track,
            workers=workers,
        )
    keras.utils.set_random_seed(config.seed)
    epochs = Run(choice).best_epoch
    logger.info("Now %d epochs on training and validation part.", epochs)
    return epochs


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
