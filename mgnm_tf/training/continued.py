"""A run that goes on from another one, on data that grew."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.growth import Growth
from mgnm_tf.data.growth import growth_of
from mgnm_tf.data.growth import without_old_targets
from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.runs.config import OF_THE_RUN
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.run import Run
from mgnm_tf.training.evaluate_run import same_data
from mgnm_tf.training.refit import with_validation

logger = logging.getLogger(__name__)

EPOCHS = 5
"""Epochs of a continued run, unless others are given: on Toys and Games more
did not help, see `benchmarks/studies/slices.py`."""

_KEPT = (
    "objective",
    "negatives",
    "shared_negatives",
    "sampling",
    "logq_correction",
    "max_length",
    "mixed_precision",
)
"""What a run has to have of the run that it continues, besides its model."""


@dataclass(frozen=True, eq=False)
class Continuation:
    """What a run goes on from.

    Args:
        run: the earlier run.
        growth: where its rows stand in the new data.
        samples: the new data, whose training part has new targets alone.
    """

    run: Run
    growth: Growth
    samples: SequenceDataset

    def describe(self) -> dict[str, Any]:
        """Returns what `environment.json` says of it."""
        data = self.run.environment["data"]
        return {
            "run": str(Path(self.run.path).absolute()),
            "date": self.run.environment["date"],
            "data": {key: data[key] for key in ("name", "path", "fingerprint")},
            "new_users": len(self.growth.new_users),
            "new_items": len(self.growth.new_items),
            "new_samples": len(self.samples.positions("train")),
        }


def configure_continued(
    run: str | os.PathLike,
    recipe: str | os.PathLike | Recipe | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> TrainConfig:
    """Makes the configuration of a run that continues another one.

    It is that of the earlier run, with `EPOCHS` epochs and what is given.

    Args:
        run: the run folder to go on from.
        recipe: what the earlier run trained, which it is compared with.
            Defaults to `None`: whatever it trained.
        options: constructor arguments of the model; those of the earlier run
            alone will do.
        **settings: what wins over the earlier run, see `configure`: `epochs`,
            `seed`, `learning_rate`, `refit`, ...

    Raises:
        UserError: the run is not there, or the model, an option of it or
            what it is trained for differs.
    """
    run = os.fspath(run)
    base = Run(run).config
    if settings.get("init_from"):
        raise UserError(
            f"`continue_from` names {run} and `init_from` "
            f"{settings['init_from']}: give one of them."
        )
    if recipe is not None:
        named = configure(
            recipe, options=options, mixed_precision=base.mixed_precision
        )
        _check_same(named, base, run)
    stored = base.to_recipe()
    training = stored.training.model_copy(update={"after": ""})
    stored = stored.model_copy(update={"training": training})
    given = {key: one for key, one in settings.items() if one is not None}
    of_the_run = {
        name: getattr(base, name)
        for name in OF_THE_RUN
        if name not in ("model", "recipe", "options", "init_from")
    }
    values = {**of_the_run, "epochs": EPOCHS, **given}
    values["continue_from"] = run
    config = configure(stored, options=options, **values)
    config = config.model_copy(update={"recipe": base.recipe})
    _check_same(config, base, run)
    return config


def _check_same(config: TrainConfig, base: TrainConfig, run: str) -> None:
    """Refuses another model, other options or another objective."""
    if config.model != base.model:
        raise UserError(
            f"{run} trained the model {base.model}, which cannot go on as "
            f"{config.model}; leave the model out, or train {config.model} "
            "anew."
        )
    ours = {name: getattr(config, name) for name in _KEPT}
    theirs = {name: getattr(base, name) for name in _KEPT}
    ours |= {"optimizer": config.optimizer.name, **config.options}
    theirs |= {"optimizer": base.optimizer.name, **base.options}
    if differing := [
        f"{name} is {ours.get(name, 'not given')!r}, was "
        f"{theirs.get(name, 'not given')!r}"
        for name in {**ours, **theirs}
        if ours.get(name) != theirs.get(name)
    ]:
        raise UserError(
            f"{run} was trained with other options, which it has to keep: "
            f"{', '.join(differing)}. Leave out the recipe and them, or train "
            "anew."
        )


def continuation_of(
    config: TrainConfig,
    data: SequenceDataset,
    old: SequenceDataset | None = None,
) -> Continuation | None:
    """Returns what a run goes on from, if it continues another one.

    Args:
        config: the configuration of the run.
        data: the new data; with the validation part as training for a refit.
        old: the data of the earlier run. Defaults to `None`: the data folder
            noted in that run.

    Raises:
        UserError: the earlier run is not there, or is of another model or
            other options, or one of the two alone has item features, or its
            data are not there, or the new data hold nothing new or lack some
            of the ids of the earlier ones.
    """
    if not config.continue_from:
        return None
    run = Run(config.continue_from)
    _check_same(config, run.config, config.continue_from)
    if issubclass(model_class(config.model), StatisticalRecommender):
        raise UserError(
            f"{config.model} counts events and has no training that could go "
            "on; train it anew, which takes no longer."
        )
    if bool(config.item_features) != bool(run.config.item_features):
        without, other = "without", "leave them out"
        if run.config.item_features:
            without, other = "with", "name a file of them"
        raise UserError(
            f"{run.path} was trained {without} item features and goes on "
            f"likewise; {other}, or train anew."
        )
    old = same_data(Path(run.path), old, run.environment["data"])
    if old.fingerprint == data.fingerprint:
        raise UserError(
            f"The data are those that {run.path} was trained on, so there is "
            "nothing to go on with; prepare data with later events."
        )
    if run.config.refit:
        old = with_validation(old)
    growth = growth_of(old, data, config.continue_from)
    samples = without_old_targets(old, data, growth)
    count = len(samples.positions("train"))
    if not count:
        raise UserError(
            f"{run.path} has seen all training events of the data that have "
            "a history, so there is nothing to go on with; prepare data with "
            "later events."
        )
    logger.info(
        "Going on from %s: %s new samples, %s new items, %s new users.",
        run.path,
        f"{count:,}",
        f"{len(growth.new_items):,}",
        f"{len(growth.new_users):,}",
    )
    return Continuation(run, growth, samples)
