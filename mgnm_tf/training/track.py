"""Runs in the trackers that a user has: MLflow, Weights & Biases, TensorBoard.

Each is served by the Keras callback of its own library. Parameters are those
of the merged recipe; the metrics of the evaluation are added at the end.
"""

import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any

import keras
import tensorflow as tf

from mgnm_tf.errors import UserError
from mgnm_tf.recipes.merge import flat
from mgnm_tf.recipes.toml import format_recipe
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.history import read_history
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.validation import unknown_name

_REMEDIES = {
    "MLflow": (
        "set MLFLOW_TRACKING_URI to where runs are kept, such as "
        "sqlite:///mlflow.db or the address of a server"
    ),
    "Weights & Biases": (
        "log in by `wandb login`, or set WANDB_MODE=offline to keep the run "
        "on this machine"
    ),
}
"""Tracker -> what helps against most of its refusals."""

_MOST_CHARACTERS = 200
"""Of the reason that a tracker gives; some are a page."""


@dataclass(frozen=True)
class Tracker:
    """What a run tells while it is made.

    Args:
        callbacks: the Keras callbacks of the training.
        finish: takes the name of the evaluated part, and its metrics.
    """

    callbacks: list[keras.callbacks.Callback]
    finish: Callable[[str, Mapping[str, float]], None]


@dataclass(frozen=True)
class _Run:
    """The run that is tracked; `folder` is the one that it is written into."""

    folder: Path
    config: TrainConfig
    environment: dict[str, Any]

    @property
    def name(self) -> str:
        """The run folder and the folder that it stands in."""
        parts = (self.folder.parent.name, self.folder.name)
        return "/".join(part.removesuffix(".partial") for part in parts)

    @property
    def parameters(self) -> dict[str, Any]:
        """The merged recipe, flat, and the seed."""
        values = flat(self.config.to_recipe())
        return {**values, "seed": self.config.seed}

    @property
    def facts(self) -> dict[str, str]:
        """What else is to be known; another device may continue a run."""
        data = self.environment["data"]
        return {
            "mgnm_tf": self.environment["mgnm_tf"],
            "model": self.config.model,
            "recipe": self.config.recipe,
            "data": data["name"],
            "fingerprint": data["fingerprint"],
            "device": self.environment["device"],
        }

    def identity(self, tracker: str) -> str | None:
        """Returns what a tracker called this run before an interruption."""
        return self._noted().get(tracker)

    def note(self, tracker: str, identity: str) -> None:
        """Writes down what a tracker calls this run."""
        path = self.folder / run_folder.TRACKING
        write_json(path, {**self._noted(), tracker: identity})

    def _noted(self) -> dict[str, str]:
        path = self.folder / run_folder.TRACKING
        return read_json(path) if path.exists() else {}


def check_tracker(track: str | None) -> None:
    """Makes sure that a tracker can be used.

    Args:
        track: `"mlflow"`, `"wandb"` or `"tensorboard"`; `None` for none.

    Raises:
        UserError: the name is unknown, or its package is not installed.
    """
    if track is None:
        return
    if track not in _TRACKERS:
        raise UserError(unknown_name("tracker", track, _TRACKERS))
    package, _ = _TRACKERS[track]
    try:
        import_module(package)
    except ImportError as error:
        raise UserError(
            f"Tracking by {track} needs a package that is not installed: "
            f'pip install "mgnm_tf[{track}]" ({error}).'
        ) from error


def tracking(
    track: str | None,
    folder: Path,
    config: TrainConfig,
    environment: dict[str, Any],
) -> AbstractContextManager[Tracker]:
    """Follows a run in a tracker, an interrupted one where it was.

    Where it is written is for the settings of each library: for example
    `MLFLOW_TRACKING_URI` and `MLFLOW_EXPERIMENT_NAME`, `WANDB_PROJECT` and
    `WANDB_MODE`. TensorBoard's files stand in the run folder. A run of
    MLflow's that is active becomes the parent, one of Weights & Biases is
    taken as it is.

    Args:
        track: see `check_tracker`.
        folder: the folder that the run is written into.
        config: its configuration.
        environment: the content of `environment.json`.

    Returns:
        A context manager over the tracker.

    Raises:
        UserError: as `check_tracker`, or the tracker refuses the run.
    """
    check_tracker(track)
    if track is None:
        return nullcontext(Tracker([], lambda part, metrics: None))
    _, follow = _TRACKERS[track]
    return follow(_Run(folder, config, environment))


@contextmanager
def _tensorboard(run: _Run) -> Iterator[Tracker]:
    folder = run.folder / run_folder.TENSORBOARD

    def finish(part: str, metrics: Mapping[str, float]) -> None:
        epochs = len(read_history(run.folder / run_folder.HISTORY))
        writer = tf.summary.create_file_writer(str(folder / part))
        with writer.as_default(step=epochs):
            recipe = format_recipe(run.config.to_recipe())
            tf.summary.text("recipe", f"```\n{recipe}\n```")
            for name, value in metrics.items():
                tf.summary.scalar(name, value)
        writer.close()

    callback = keras.callbacks.TensorBoard(str(folder), write_graph=False)
    yield Tracker([callback], finish)


@contextmanager
def _mlflow(run: _Run) -> Iterator[Tracker]:
    import mlflow
    import mlflow.keras

    class Callback(mlflow.keras.MlflowCallback):
        """MLflow's, with names of metrics that MLflow takes."""

        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, _without_at(logs or {}))

        def on_test_end(self, logs=None):
            """Does nothing: the logs of the epoch hold them, with a step."""

    def finish(part: str, metrics: Mapping[str, float]) -> None:
        named = {f"{part}_{name}": value for name, value in metrics.items()}
        with _refusals_of("MLflow", mlflow.exceptions.MlflowException):
            mlflow.log_metrics(_without_at(named))

    with _refusals_of("MLflow", mlflow.exceptions.MlflowException):
        active = mlflow.start_run(
            run_id=run.identity("mlflow"),
            run_name=run.name,
            nested=mlflow.active_run() is not None,
        )
    with active:
        run.note("mlflow", active.info.run_id)
        with _refusals_of("MLflow", mlflow.exceptions.MlflowException):
            mlflow.log_params(run.parameters)
            mlflow.set_tags(run.facts)
        yield Tracker([Callback()], finish)
        mlflow.flush_async_logging()


@contextmanager
def _refusals_of(title: str, kind: type[Exception]) -> Iterator[None]:
    """Turns what a tracker raises into what to do, and its first line."""
    try:
        yield
    except kind as error:
        first = next(iter(str(error).strip().splitlines()), "no reason given")
        reason = shorten(first, _MOST_CHARACTERS, placeholder=" ...")
        raise UserError(
            f"{title} refuses the run; {_REMEDIES[title]}. It says: {reason}"
        ) from error


def _without_at(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns metrics by names without "@", which MLflow does not take."""
    return {name.replace("@", "_at_"): one for name, one in metrics.items()}


@contextmanager
def _wandb(run: _Run) -> Iterator[Tracker]:
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    config = {**run.parameters, **run.facts}
    active: Any = nullcontext(wandb.run)
    if wandb.run is None:
        with _refusals_of("Weights & Biases", wandb.errors.Error):
            active = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "mgnm_tf"),
                name=run.name,
                id=run.identity("wandb"),
                resume="allow",
            )
    with active as current:
        run.note("wandb", current.id)
        current.config.update(config, allow_val_change=True)

        def finish(part: str, metrics: Mapping[str, float]) -> None:
            current.summary.update(
                {f"{part}/{name}": value for name, value in metrics.items()}
            )

        yield Tracker([WandbMetricsLogger()], finish)


_Follow = Callable[[_Run], AbstractContextManager[Tracker]]

_TRACKERS: dict[str, tuple[str, _Follow]] = {
    "mlflow": ("mlflow.keras", _mlflow),
    "wandb": ("wandb.integration.keras", _wandb),
    "tensorboard": ("tensorboard", _tensorboard),
}
"""Name -> the package that is imported, and who follows a run by it."""
