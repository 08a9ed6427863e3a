"""The trials of a search: training one, and what is kept of all."""

import logging
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import DivergedError
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.history import best_epoch
from mgnm_tf.runs.history import read_history
from mgnm_tf.runs.run import Run
from mgnm_tf.training.fit import train
from mgnm_tf.training.pruning import Pruning
from mgnm_tf.training.search_journal import optuna_or_sentence
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import read_json

logger = logging.getLogger(__name__)

TRIALS = "trials"
"""The run folders."""
TABLE = "trials.csv"
"""A row for each trial."""

_ERROR = "error"


@dataclass(frozen=True)
class Trial:
    """One trial that is done.

    Args:
        number: its place in the search, from 0 on.
        state: `"finished"`, `"pruned"` (ended early, behind the others) or
            `"failed"`.
        value: that of its best epoch; NaN for a failed one.
        params: the values that were chosen for it.
        epochs: how many it has; 0 for a model that counts.
        seconds: of its training, what was before an interruption included.
        error: why it failed, or "".
    """

    number: int
    state: str
    value: float
    params: dict[str, Any]
    epochs: int
    seconds: float
    error: str

    def describe(self, monitor: str) -> str:
        """Returns a line on it."""
        values = ", ".join(f"{k} {_short(v)}" for k, v in self.params.items())
        if self.state == "failed":
            return f"failed: {self.error} ({values})"
        pruned = f", pruned after {self.epochs} epochs"
        return (
            f"{monitor} {self.value:.4f}"
            f"{pruned if self.state == 'pruned' else ''} ({values})"
        )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def trial_folder(folder: Path, number: int) -> Path:
    """Returns the run folder of a trial."""
    return folder / TRIALS / f"{number:04d}"


def run_trial(
    study: Any,
    trial: Any,
    data: SequenceDataset | str | os.PathLike,
    config: TrainConfig,
    folder: Path,
    verbose: int,
) -> None:
    """Trains one trial and tells the study what it is worth.

    Args:
        study: the Optuna study.
        trial: the Optuna trial.
        data: a data set, or the folder of one.
        config: what is trained.
        folder: the run folder to make, go on with or, if it is there, read.
        verbose: see `train`.

    Raises:
        UserError: the run cannot be made, for another reason than that its
            training diverges. The trial then stays open.
    """
    states = optuna_or_sentence().trial.TrialState
    history = run_folder.partial_path(folder) / run_folder.HISTORY
    pruning = Pruning(trial, history, config.monitor)
    try:
        if folder.exists():
            _check_same_trial(folder, config)
        else:
            train(
                data,
                config,
                folder,
                protocol=_protocol(config),
                verbose=verbose,
                callbacks=[pruning],
            )
        value = _value(folder, config)
    except DivergedError as error:
        trial.set_user_attr(_ERROR, str(error))
        study.tell(trial, state=states.FAIL)
        return
    pruning.report(_curve(folder, config))
    if math.isnan(value):
        trial.set_user_attr(_ERROR, f"{config.monitor} is no number.")
        study.tell(trial, state=states.FAIL)
    elif pruning.pruned:
        study.tell(trial, state=states.PRUNED)
    else:
        study.tell(trial, value)


def _protocol(config: TrainConfig) -> Protocol:
    """Returns the protocol of a trial: the validation part, as in training."""
    return Protocol(
        part="validation",
        negatives=config.validation_negatives,
        exclude=config.validation_exclude,
        max_length=config.max_length,
        k=config.measured_places,
    )


def _check_same_trial(folder: Path, config: TrainConfig) -> None:
    stored, _ = run_folder.read_run(folder)
    if difference := config.difference(stored):
        raise UserError(f"{folder} is the run of another trial: {difference}.")


def _curve(folder: Path, config: TrainConfig) -> list[float]:
    """Returns the monitored value of each epoch."""
    rows = read_history(folder / run_folder.HISTORY)
    return [row[config.monitor] for row in rows]


def _value(folder: Path, config: TrainConfig) -> float:
    """Returns what a run is worth."""
    if values := _curve(folder, config):
        return values[best_epoch(values, config.mode)]
    # A model that counts has no epochs: its value is that of the evaluation.
    name = config.monitor.removeprefix("val_")
    metrics = Run(folder).metrics["validation"]
    if name not in metrics:
        raise UserError(
            f"{config.model} has no {config.monitor}, it counts instead of "
            "minimising a loss: give another `monitor`."
        )
    return metrics[name]


def trials_of(study: Any, folder: Path, config: TrainConfig) -> list[Trial]:
    """Returns the trials of a study that are done, in order.

    Args:
        study: the Optuna study.
        folder: the folder of the search.
        config: the recipe that is searched.
    """
    names = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    done: list[Trial] = []
    for one in study.get_trials(deepcopy=False):
        error = one.user_attrs.get(_ERROR, "")
        state = names.get(one.state.name)
        # One that failed without a reason was interrupted and made again.
        if state is None or (state == "failed" and not error):
            continue
        value, epochs = one.value, one.intermediate_values
        if state == "pruned":
            pick = max if config.mode == "max" else min
            value = pick(epochs.values())
        timing = trial_folder(folder, len(done)) / run_folder.TIMING
        done.append(
            Trial(
                number=len(done),
                state=state,
                value=math.nan if value is None else value,
                params=dict(one.params),
                epochs=len(epochs),
                seconds=read_json(timing)["seconds"]
                if timing.exists()
                else math.nan,
                error=error,
            )
        )
    return done


def keep_the_best(folder: Path, best: int | None, count: int) -> None:
    """Deletes weights and ranks of all trials but the best one.

    What tells how a trial went stays: configuration, recipe, history,
    metrics, timing.

    Args:
        folder: the folder of the search.
        best: the number of the best trial, if there is one.
        count: how many trials are done.
    """
    for number in range(count):
        if number != best:
            path = trial_folder(folder, number)
            (path / run_folder.MODEL).unlink(missing_ok=True)
            (path / run_folder.RANKS).unlink(missing_ok=True)
            shutil.rmtree(path / run_folder.STAGE, ignore_errors=True)


def write_table(
    folder: Path, done: list[Trial], monitor: str, keys: list[str]
) -> None:
    """Writes `trials.csv`.

    Args:
        folder: the folder of the search.
        done: the trials.
        monitor: what they are compared by; the name of a column.
        keys: the options that are searched, each a column.
    """
    rows = [
        {
            "trial": one.number,
            "state": one.state,
            monitor: one.value,
            "epochs": one.epochs,
            "seconds": round(one.seconds, 1),
            **{key: one.params.get(key) for key in keys},
            "error": one.error,
        }
        for one in done
    ]
    columns = ["trial", "state", monitor, "epochs", "seconds", *keys, "error"]
    text = pd.DataFrame(rows, columns=columns).to_csv(index=False)
    atomic_write(folder / TABLE, text)
