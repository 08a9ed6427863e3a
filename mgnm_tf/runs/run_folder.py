"""Names and life of the folder that a training run leaves."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.recipes.toml import write_recipe
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.utils.disk import disk_error
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.lock import LOCK
from mgnm_tf.utils.lock import locked

CONFIG = "config.json"
"""The `TrainConfig`."""
RECIPE = "recipe.toml"
"""The merged recipe of the run, which `mgnm train --recipe` takes back."""
STAGE = "stage"
"""The run folder of the stage that came first, where there was one."""
CHOICE = "choice"
"""The run folder of the training whose validation chose how many epochs a
refit has."""
ENVIRONMENT = "environment.json"
"""Versions, device, size of the model, which data it was trained on, and what
it goes on from (`continued_from`), where it does."""
HISTORY = "history.csv"
"""One row an epoch: loss and metrics in training and validation."""
MODEL = "model.keras"
"""The model with the weights of the best epoch."""
TIMING = "timing.json"
"""Seconds of each epoch and the steady training speed."""
METRICS = "metrics.json"
"""`{"test": {...}, "protocol": {...}, "samples": {...}}` of the evaluation by
the protocol of the training; also in each folder of `EVALUATIONS`."""
RANKS = "test_ranks.parquet"
"""The rank of every evaluated record, for paired tests."""
BEYOND_ACCURACY = "beyond_accuracy.json"
"""Coverage, novelty and concentration of the recommendations, beside
`METRICS`; runs of earlier versions have not got it."""
EVALUATIONS = "evaluations"
"""Holds a folder for every other protocol, with metrics and ranks."""
TENSORBOARD = "tensorboard"
"""What `tensorboard --logdir` reads, if TensorBoard tracked the run."""
TRACKING = "tracking.json"
"""Tracker -> what it calls the run, if one tracked it."""
BACKUP = "backup"
"""State of an unfinished run; not in a finished folder."""


logger = logging.getLogger(__name__)


def read_run(path: str | os.PathLike) -> tuple[TrainConfig, dict[str, Any]]:
    """Reads what a finished run folder says about its run.

    Args:
        path: the run folder.

    Returns:
        The configuration, and the content of `environment.json`.

    Raises:
        UserError: the folder is not there, not finished or not a run.
    """
    path = Path(path)
    if not path.is_dir():
        partial = partial_path(path)
        hint = f" ({partial} is an unfinished run)" if partial.exists() else ""
        raise UserError(f"There is no run folder {path}{hint}.")
    for name in (CONFIG, ENVIRONMENT, MODEL):
        if not (path / name).is_file():
            raise UserError(f"{path} is not a run folder: it has no {name}.")
    config = TrainConfig.from_dict(read_json(path / CONFIG))
    return config, read_json(path / ENVIRONMENT)


def partial_path(path: str | os.PathLike) -> Path:
    """Returns where the run that will become `path` is written."""
    path = Path(path).absolute()
    return path.with_name(path.name + ".partial")


@contextmanager
def open_run(
    path: str | os.PathLike, config: TrainConfig, environment: dict[str, Any]
) -> Iterator[Path]:
    """Gives the folder of a new or unfinished run, renamed at the end.

    An unfinished run stays when the block is left by an exception or the
    process is killed, so that the same call continues it.

    Args:
        path: the run folder to make.
        config: the configuration, compared with that of an unfinished run.
        environment: written to `environment.json`; `data.fingerprint` in it
            is compared with that of an unfinished run.

    Returns:
        A context manager over the folder to write into.

    Raises:
        OutputExistsError: `path` exists.
        UserError: another process writes this run, the unfinished run has
            another configuration or other data, or a file cannot be written.
    """
    path, partial = Path(path).absolute(), partial_path(path)
    check_free(path)
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{partial} cannot be made: {error.strerror}."
        ) from error
    with locked(partial):
        check_free(path)
        _check_same_run(partial, config, environment)
        write_json(partial / ENVIRONMENT, environment)
        write_json(partial / CONFIG, config.to_dict())
        write_recipe(partial / RECIPE, config.to_recipe())
        with _tidy(partial):
            yield partial
            shutil.rmtree(partial / BACKUP, ignore_errors=True)
            partial.rename(path)
        (path / LOCK).unlink()


@contextmanager
def _tidy(partial: Path) -> Iterator[None]:
    """Removes a run that an error ended before there was an epoch to keep."""
    try:
        yield
    except Exception as error:
        reason = disk_error(error)
        if reason is None and not isinstance(error, UserError):
            raise
        left = "the same call continues after the last whole epoch."
        if not any((partial / BACKUP).glob("epoch-*")):
            shutil.rmtree(partial, ignore_errors=True)
            left = "nothing was left of it."
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{partial} could not be written: {reason.strerror or reason}; "
            f"{left}"
        ) from error


def check_free(path: str | os.PathLike) -> None:
    """Raises `OutputExistsError` if something stands at `path`."""
    if os.path.lexists(path):
        raise OutputExistsError(
            f"{path} exists already; give another folder for this run, or "
            "delete that one."
        )


def _check_same_run(
    partial: Path, config: TrainConfig, environment: dict[str, Any]
) -> None:
    """Refuses to continue a run of another configuration or other data."""
    if not (partial / CONFIG).exists():
        return
    remedy = (
        f"Give the same options to continue it, or delete {partial} to "
        "start again."
    )
    old = TrainConfig.from_dict(read_json(partial / CONFIG))
    if difference := config.difference(old):
        raise UserError(
            f"{partial} is an unfinished run with other options: "
            f"{difference}. {remedy}"
        )
    before = read_json(partial / ENVIRONMENT)
    data = before["data"]
    if data["fingerprint"] != environment["data"]["fingerprint"]:
        raise UserError(
            f"{partial} is an unfinished run on other data "
            f"({data['path'] or data['name']}). {remedy}"
        )
    if before.get("item_features") != environment.get("item_features"):
        raise UserError(
            f"{partial} is an unfinished run with other item features than "
            f"those of {config.item_features} now. {remedy}"
        )
    # What earlier versions wrote does not say.
    was, now = (one.get("workers", 1) for one in (before, environment))
    if was != now:
        logger.info(
            "The training was last at %d worker(s), and goes on with %d.",
            was,
            now,
        )
