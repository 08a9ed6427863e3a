"""The search for the values of a recipe, on the validation part alone."""

import gc
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import declared_options
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import refusals_of
from mgnm_tf.recipes.recipe import About
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.space import Range
from mgnm_tf.recipes.space import Space
from mgnm_tf.recipes.space import read_space
from mgnm_tf.recipes.toml import write_recipe
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.training.search_journal import check_folder
from mgnm_tf.training.search_journal import open_study
from mgnm_tf.training.search_journal import optuna_or_sentence
from mgnm_tf.training.search_space import extremes
from mgnm_tf.training.search_space import is_inside
from mgnm_tf.training.search_space import is_whole
from mgnm_tf.training.search_space import space_for
from mgnm_tf.training.search_space import split_by_owner
from mgnm_tf.training.search_space import values_of
from mgnm_tf.training.trials import Trial
from mgnm_tf.training.trials import keep_the_best
from mgnm_tf.training.trials import run_trial
from mgnm_tf.training.trials import trial_folder
from mgnm_tf.training.trials import trials_of
from mgnm_tf.training.trials import write_table

logger = logging.getLogger(__name__)

START = 5
"""Trials before the sampler learns and the pruner prunes: the recipe itself,
and four drawn at random."""

WARM_UP = 2
"""Epochs of a trial that are never pruned."""


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Args:
        folder: where it stands: `recipe.toml`, `trials.csv`, the journal of
            Optuna and the folder `trials`.
        recipe: the recipe of the best trial, for `mgnm_tf.train`.
        best: the best trial; `trials[0]` is the recipe as it was given.
        trials: all trials, in order.
        monitor: what they are compared by.
    """

    folder: Path
    recipe: Recipe
    best: Trial
    trials: list[Trial]
    monitor: str


def tune(
    data: SequenceDataset | str | os.PathLike,
    recipe: str | os.PathLike | Recipe,
    out: str | os.PathLike,
    *,
    trials: int,
    timeout_minutes: float | None = None,
    space: Mapping[str, Any] | str | os.PathLike | None = None,
    options: Mapping[str, Any] | None = None,
    verbose: int = 0,
    **settings: Any,
) -> Tuning:
    """Searches for the values of a recipe that are best in validation.

    The budget is the same for every model: `trials` trainings, the first one
    with the recipe as it is, the others chosen by Optuna's TPE and ended
    early by its median pruner. A trial is worth its best epoch in
    `monitor`. The test part is never evaluated.

    Each trial is a run folder, `<out>/trials/0007`, whose evaluation is on
    the validation part. Weights and ranks are kept of the best trial alone,
    so a search needs the disk of two runs, however long it is. After an
    interruption the same call goes on, until there are `trials` of them, and
    on a CPU finds what an uninterrupted one finds.

    Args:
        data: a data set, or the folder of one.
        recipe: where the search starts, see `configure`.
        out: the folder of the search; `recipe.toml` in it is the recipe of
            the best trial, `trials.csv` has a row for each.
        trials: how many trials are made in all, those made before included.
            One whose training diverges counts.
        timeout_minutes: minutes after which no further trial begins. `None`
            sets no limit.
        space: what is searched: the path of a TOML file, see
            `mgnm_tf.recipes.space.read_space`, or option -> `{"low": 0.0,
            "high": 0.5, "log": False}` or a list of values. `None` is
            `mgnm_tf.recipes.space.DEFAULT`.
        options: constructor arguments of the model that win over the recipe.
        verbose: of each training, see `mgnm_tf.train`.
        **settings: what else wins over the recipe, see `configure`; `seed`
            is that of the search as well.

    Returns:
        What was found.

    Raises:
        UserError: Optuna is not installed, a value is refused, the space
            has an unknown key, `out` holds another search or something
            else, or no trial has a value.
    """
    if trials < 1:
        raise UserError(
            f"`trials` (`--trials`) must be at least 1. Received: {trials}"
        )
    if timeout_minutes is not None and not timeout_minutes > 0:
        raise UserError(
            "`timeout_minutes` (`--timeout-minutes`) must be above 0. "
            f"Received: {timeout_minutes}"
        )
    optuna = optuna_or_sentence()
    end = np.inf
    if timeout_minutes is not None:
        end = time.monotonic() + 60 * timeout_minutes
    if isinstance(space, (str, os.PathLike)):
        space = read_space(space)
    config = configure(recipe, options=options, **settings)
    given = (recipe, dict(options or {}), settings)
    searched = space_for(config, space)
    check_folder(out)
    path = None if isinstance(data, SequenceDataset) else data
    if not isinstance(data, SequenceDataset):
        data = SequenceDataset.load(data)
    folder = Path(out)
    _check_values(searched, given, config.model, data)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with run_folder.locked(folder):
            search = _Search(folder, config, given, searched, data, path)
            search.open()
            while search.count() < trials:
                if time.monotonic() >= end and search.count():
                    logger.info("The time is up.")
                    break
                search.step(trials, verbose)
            return search.write()
    except OSError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{folder} could not be written: {error.strerror or error}; the "
            "same call continues it."
        ) from error
    finally:
        optuna.logging.set_verbosity(level)


@dataclass
class _Search:
    """A search that goes on one trial at a time."""

    folder: Path
    config: TrainConfig
    given: tuple[Any, dict[str, Any], dict[str, Any]]
    space: Space
    data: SequenceDataset
    path: str | os.PathLike | None
    study: Any = field(init=False, default=None)

    def open(self) -> None:
        """Opens the study, and frees the trial that a kill left open."""
        self.study = open_study(
            self.folder, self._identity(), f"{self.config.mode}imize"
        )
        optuna = optuna_or_sentence()
        states = optuna.trial.TrialState
        for trial in self.study.get_trials(states=(states.RUNNING,)):
            # The next one takes its place, its values and its folder.
            if not self.study.get_trials(states=(states.WAITING,)):
                self.study.enqueue_trial(trial.params)
            self.study.tell(trial.number, state=states.FAIL)
        self._keep()

    def count(self) -> int:
        """Returns how many trials are done."""
        return len(trials_of(self.study, self.folder, self.config))

    def step(self, trials: int, verbose: int) -> None:
        """Makes one trial."""
        optuna = optuna_or_sentence()
        number = self.count()
        # A sampler for each trial: a search that goes on draws what one that
        # was not interrupted draws.
        seeds = np.random.SeedSequence([self.config.seed, number])
        self.study.sampler = optuna.samplers.TPESampler(
            seed=int(seeds.generate_state(1)[0]), n_startup_trials=START
        )
        self.study.pruner = optuna.pruners.MedianPruner(
            n_startup_trials=START, n_warmup_steps=WARM_UP
        )
        distributions = self._distributions(number == 0)
        states = optuna.trial.TrialState
        if number == 0 and not self.study.get_trials(states=(states.WAITING,)):
            values = values_of(self.config)
            self.study.enqueue_trial(
                {key: values[key] for key in distributions}
            )
        trial = self.study.ask(fixed_distributions=distributions)
        config = self.config
        if number:
            config = _configure(self.given, trial.params, self.config.model)
        run_trial(
            self.study,
            trial,
            self.path or self.data,
            config,
            trial_folder(self.folder, number),
            verbose,
        )
        self._keep()
        done = trials_of(self.study, self.folder, self.config)
        best = _best(done, self.config.mode)
        logger.info(
            "Trial %d (%d of %d): %s%s",
            number,
            number + 1,
            trials,
            done[-1].describe(self.config.monitor),
            f"; best: {best.value:.4f}, trial {best.number}" if best else "",
        )
        keras.backend.clear_session()
        gc.collect()

    def write(self) -> Tuning:
        """Writes the recipe of the best trial."""
        done = trials_of(self.study, self.folder, self.config)
        best = _best(done, self.config.mode)
        if best is None:
            raise UserError(
                f"None of the {len(done)} trials has a value; the last one: "
                f"{done[-1].error or done[-1].state}"
            )
        config = self.config
        if best.number:
            config = _configure(self.given, best.params, config.model)
        about = About(
            model=config.model, source=self._source(done, best), tuned=True
        )
        recipe = config.to_recipe().model_copy(update={"about": about})
        write_recipe(self.folder / run_folder.RECIPE, recipe)
        return Tuning(self.folder, recipe, best, done, self.config.monitor)

    def _keep(self) -> None:
        """Keeps the weights of the best trial alone, and writes the table."""
        done = trials_of(self.study, self.folder, self.config)
        best = _best(done, self.config.mode)
        keep_the_best(self.folder, best.number if best else None, len(done))
        write_table(self.folder, done, self.config.monitor, list(self.space))

    def _distributions(self, start: bool) -> dict[str, Any]:
        """Returns what Optuna is asked for.

        Args:
            start: whether it is for the recipe itself, of which Optuna learns
                the values that lie in the space.
        """
        kinds = optuna_or_sentence().distributions
        values = values_of(self.config)
        found: dict[str, Any] = {}
        for key, one in self.space.items():
            if start and not is_inside(values[key], one):
                continue
            if not isinstance(one, Range):
                found[key] = kinds.CategoricalDistribution(one)
            elif is_whole(key, one, self.config.model):
                found[key] = kinds.IntDistribution(one.low, one.high, one.log)
            else:
                found[key] = kinds.FloatDistribution(
                    float(one.low), float(one.high), one.log
                )
        return found

    def _identity(self) -> dict[str, Any]:
        """Returns what makes a search this one."""
        return {
            "config": self.config.to_dict(),
            "space": {
                key: one.model_dump() if isinstance(one, Range) else list(one)
                for key, one in self.space.items()
            },
            "data": {
                "name": self.data.metadata.get("name") or "unnamed",
                "fingerprint": self.data.fingerprint,
            },
        }

    def _source(self, done: list[Trial], best: Trial) -> str:
        """Returns what the recipe says of the search."""
        data = self._identity()["data"]
        return (
            f"mgnm tune from {self.config.recipe}: trial {best.number}, the "
            f"best of {len(done)} by {self.config.monitor} "
            f"({best.value:.4f}), seed {self.config.seed}; validation part of "
            f"{data['name']}, fingerprint {data['fingerprint']}"
        )


def _best(done: list[Trial], mode: str) -> Trial | None:
    """Returns the first of the best trials that were not ended early."""
    sign = 1 if mode == "max" else -1
    whole = [one for one in done if one.state == "finished"]
    return max(whole, key=lambda one: sign * one.value, default=None)


def _configure(
    given: tuple[Any, dict[str, Any], dict[str, Any]],
    values: Mapping[str, Any],
    model: str,
) -> TrainConfig:
    """Returns the recipe with other values, as a configuration."""
    recipe, options, settings = given
    of_model, of_training = split_by_owner(values, model)
    return configure(
        recipe,
        options={**options, **of_model},
        **{**settings, **of_training},
    )


def _check_values(
    space: Space,
    given: tuple[Any, dict[str, Any], dict[str, Any]],
    model: str,
    data: SequenceDataset,
) -> None:
    """Makes tiny models with the extremes of a space, before any training."""
    cls = model_class(model)
    declared = declared_options(cls)
    for key, one in space.items():
        for value in extremes(one):
            config = _configure(given, {key: value}, model)
            if key not in declared:
                continue
            arguments = {**cls.data_arguments(data), **config.options}
            if "max_length" in declared:
                arguments["max_length"] = config.max_length
            with refusals_of(model):
                cls(**{**arguments, "num_users": 1, "num_items": 2})
    keras.backend.clear_session()
