"""Where a training starts from: an earlier stage, or another run."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import declared_options
from mgnm_tf.models.registry import model_class
from mgnm_tf.recipes.label import read_label
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.run import Run

logger = logging.getLogger(__name__)


def stages_of(config: TrainConfig) -> list[TrainConfig]:
    """Returns the stages that come before a run, the nearest one first.

    A stage has the seed, the cut-offs, the history length, the precision and
    the item features of the run, is a refit where that is one, and has the
    options of its model that make the layers which are taken over
    (`options_of_first_stage`); the rest is that of its own recipe.

    Args:
        config: the configuration of the run.

    Raises:
        UserError: a stage is unknown or comes before itself, or the run
            names another start as well.
    """
    if config.after and config.init_from:
        raise UserError(
            f"{config.recipe} starts from the stage {config.after}, and "
            f"`init_from` from {config.init_from}: give one of them."
        )
    labels, stages = [config.recipe], []
    while config.after:
        stage = configure(
            config.after,
            options=_options_of_stage(config),
            seed=config.seed,
            k=config.k,
            max_length=config.max_length,
            mixed_precision=config.mixed_precision,
            jit_compile=config.jit_compile,
            refit=config.refit,
            item_features=config.item_features,
            id_dropout=config.id_dropout,
        )
        labels.append(config.after)
        if config.after in labels[:-1] or len(labels) > _MOST_STAGES:
            raise UserError(
                f"The stages go round in a circle: {' after '.join(labels)}."
            )
        stages.append(stage)
        config = stage
    return stages


_MOST_STAGES = 20


def _options_of_stage(config: TrainConfig) -> dict[str, Any]:
    """Returns the options that a stage has of the run that comes after it."""
    cls = model_class(config.model)
    known = declared_options(model_class(read_label(config.after).model))
    return {
        name: config.options[name]
        for name in cls.options_of_first_stage(config.options)
        if name in config.options and name in known
    }


def made_stage(
    stage: TrainConfig, fingerprint: str, runs: Iterable[str | os.PathLike]
) -> Path | None:
    """Returns the run that is a stage already, if there is one.

    Args:
        stage: the configuration of the stage.
        fingerprint: that of the data.
        runs: finished runs; each, and the stage inside it, is looked at.
    """
    for run in runs:
        for folder in (Path(run), Path(run) / run_folder.STAGE):
            if not (folder / run_folder.MODEL).is_file():
                continue
            made = Run(folder)
            same_data = made.environment["data"]["fingerprint"] == fingerprint
            if same_data and not stage.difference(made.config):
                return folder
    return None


def start_of(config: TrainConfig, folder: Path) -> Path | None:
    """Returns the run that a run starts from, if any.

    Args:
        config: the configuration of the run.
        folder: the run folder, which holds the stage before it.
    """
    if config.after:
        return folder / run_folder.STAGE
    return Path(config.init_from) if config.init_from else None


def check_first_stage(
    model: SequentialRecommender, first: SequentialRecommender, name: str
) -> None:
    """Refuses a first stage that does not give a model what it needs.

    Args:
        model: a model with its weights made; without `first_stage` it needs
            nothing.
        first: the model of the stage before it.
        name: the recipe or the run folder of the stage.

    Raises:
        UserError: a weight of `first_stage` is missing or has another shape.
    """
    found = {weight.path: weight for weight in first.weights}
    needed = ", ".join(model.first_stage)
    for weight in model.weights:
        if weight.path.partition("/")[0] not in model.first_stage:
            continue
        if weight.path not in found:
            raise UserError(
                f"{type(model).__name__} takes {needed} from its first stage, "
                f"but {name} trains {type(first).__name__}, which has no "
                f"{weight.path}."
            )
        shape, given = tuple(weight.shape), tuple(found[weight.path].shape)
        if given != shape:
            raise UserError(
                f"{type(model).__name__} and its first stage need the same "
                f"sizes: {weight.path} is {shape} here and {given} in {name}."
            )


def start_from(model: SequentialRecommender, run: Path) -> None:
    """Gives a model the weights of a run, by path, where shapes agree.

    Args:
        model: a model with its weights made.
        run: a finished run folder.

    Raises:
        UserError: `run` is none, not one weight fits, or it lacks what a
            model with a `first_stage` needs of it: its layers, in the same
            sizes, trained on the same data.
    """
    first = Run(run)
    source = first.load_model()
    if model.first_stage:
        _check_data(model, first)
        check_first_stage(model, source, str(run))
    found = {weight.path: weight for weight in source.weights}
    taken = [
        weight
        for weight in model.weights
        if weight.path in found
        and tuple(found[weight.path].shape) == tuple(weight.shape)
    ]
    if not taken:
        raise UserError(
            f"Not one weight of {run} fits {type(model).__name__}, by path and "
            "shape."
        )
    for weight in taken:
        weight.assign(found[weight.path])
    logger.info(
        "Starting from %s: %d of %d weights.",
        run,
        len(taken),
        len(model.weights),
    )


def _check_data(model: SequentialRecommender, first: Run) -> None:
    """Refuses a first stage whose items have other rows."""
    data = first.environment["data"]
    if model.data_fingerprint not in (None, data["fingerprint"]):
        raise UserError(
            f"{type(model).__name__} and its first stage need the same data, "
            f"but {first.path} was trained on others, named {data['name']!r}."
        )
