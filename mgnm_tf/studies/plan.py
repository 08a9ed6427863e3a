"""Which runs a comparison is made of."""

import logging
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import keras

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.models.registry import declared_options
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import refusals_of
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.recipes.merge import SHORT
from mgnm_tf.recipes.recipe import OLD_NAMES
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.training.run_protocol import protocol_of_run
from mgnm_tf.utils.validation import unknown_name

logger = logging.getLogger(__name__)

_OF_THE_TRAINING = {
    *TrainConfig.model_fields,
    *SHORT,
    *OLD_NAMES["key"],
} - {"model", "recipe", "options", "seed"}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison.

    Args:
        label: the model as it was named, `model:recipe+part`.
        config: the configuration of the run.
    """

    label: str
    config: TrainConfig

    @property
    def folder(self) -> str:
        """Where the run stands in the folder of the comparison."""
        words = self.label.replace(":", "-").replace(" ", "_")
        return f"{words.replace('=', '-')}/seed-{self.config.seed}"

    def measuring(self, k: tuple[int, ...]) -> "PlannedRun":
        """Returns the run with other cut-offs that training measures."""
        config = self.config.model_copy(update={"k": k})
        return replace(self, config=config)

    def protocol(self, shared: Protocol) -> Protocol:
        """Returns the protocol of the run: histories are as long as its own.

        Args:
            shared: that of the comparison, see `longest_history`.
        """
        return replace(shared, max_length=self.config.max_length)


def plan_runs(
    models: Sequence[str],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]],
    further: Mapping[str, Recipe] | None = None,
    axis: Mapping[str, Sequence[Any]] | None = None,
) -> list[PlannedRun]:
    """Lists the runs, all models of a seed before the next seed.

    Args:
        models: labels, each `model`, `model:recipe` or `model:recipe+part`.
        seeds: the seeds of each model.
        settings: what wins over the recipes of all models, see `configure`.
        options: label -> settings or constructor arguments of the model, for
            the runs of that label; text is read by the declared type.
        further: recipes and parts besides those that stand with the models;
            each goes to the model that its `about` names.
        axis: a setting or constructor argument -> its values: every model is
            run with each, as `"<label> <name>=<value>"`. Defaults to `None`.

    Raises:
        UserError: a name is unknown or stands twice, or a value is refused.
    """
    check_once("model", models)
    check_once("seed", seeds)
    for label in options:
        if label not in models:
            raise UserError(unknown_name("model of an option", label, models))
    configs = {
        label_of(label, point): _config(
            label, settings, {**options.get(label, {}), **point}, further or {}
        )
        for label in models
        for point in points_of(axis)
    }
    return [
        PlannedRun(label, config.model_copy(update={"seed": seed}))
        for seed in seeds
        for label, config in configs.items()
    ]


def check_once(name: str, values: Sequence) -> None:
    """Refuses none, and one that stands twice.

    Args:
        name: what they are, in the singular.
        values: the models or seeds of a comparison.
    """
    if isinstance(values, str | int):
        raise UserError(
            f"A comparison takes a list of {name}s. Received: {values!r}"
        )
    if not values:
        raise UserError(f"A comparison needs at least one {name}.")
    if len(set(values)) < len(values):
        raise UserError(
            f"A comparison takes each {name} once. Received: "
            f"{', '.join(map(str, values))}"
        )


def points_of(axis: Mapping[str, Sequence[Any]] | None) -> list[dict[str, Any]]:
    """Returns what each point of an axis sets; one that sets nothing of none.

    Args:
        axis: see `plan_runs`.
    """
    if not axis:
        return [{}]
    ((name, values),) = axis.items()
    return [{name: value} for value in values]


def label_of(model: str, point: Mapping[str, Any]) -> str:
    """Returns the label of a model at a point of an axis."""
    return " ".join([model, *(f"{key}={one}" for key, one in point.items())])


def protocol_of_runs(
    runs: Sequence[PlannedRun], asked: Mapping[str, Any]
) -> Protocol:
    """Returns how runs are evaluated where nothing else is asked for.

    As each is by itself, see `protocol_of_run`, where that is the same task
    for all; else as `Protocol()` says. The cut-offs are those of all. Models
    that count have no validation, and no say where others have.

    Args:
        runs: the runs.
        asked: fields of `Protocol` that are asked for.

    Raises:
        UserError: a field is unknown, or its value is refused.
    """
    trained = [
        run.config
        for run in runs
        if not issubclass(model_class(run.config.model), StatisticalRecommender)
    ]
    configs = trained or [run.config for run in runs]
    own = [protocol_of_run(config) for config in configs]
    places = sorted({k for one in own for k in one.places})
    tasks = {(one.negatives, one.exclude) for one in own}
    if len(tasks) > 1:
        tasks = {(Protocol().negatives, Protocol().exclude)}
        if not {"negatives", "exclude"} <= asked.keys():
            logger.info(
                "The recipes are validated in different ways; all models are "
                "tested among %s items, without the %s, unless "
                "--test-negatives and --test-exclude say otherwise.",
                *next(iter(tasks)),
            )
    ((negatives, exclude),) = tasks
    values = {"k": places, "negatives": negatives, "exclude": exclude}
    try:
        return Protocol.from_dict({**values, **asked})
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


def longest_history(runs: Sequence[PlannedRun], exclude: str) -> int:
    """Returns the history length of the protocol of runs.

    Args:
        runs: the runs.
        exclude: what is no negative, see `Protocol`. With "history" models
            that read histories of different lengths would rank other lists.

    Raises:
        UserError: the lengths differ, and they must not.
    """
    lengths = {run.config.max_length: run.label for run in runs}
    if len(lengths) > 1 and Protocol(exclude=exclude).depends_on_length:
        (one, first), (two, second) = list(lengths.items())[:2]
        raise UserError(
            f"{first} reads histories of {one} events and {second} of {two}, "
            "so that they would not rank the same lists: give the comparison "
            f"one length, for example --max-length {min(one, two)}, or "
            'exclude "user" in place of "history".'
        )
    return max(lengths)


def check_models(
    runs: Sequence[PlannedRun],
    data: SequenceDataset,
    needed: Mapping[str, str] | None = None,
) -> None:
    """Makes each model once, tiny, to find wrong values before any training.

    Args:
        runs: the runs.
        data: the data set that they are for.
        needed: the capabilities that each model must have, see
            `mgnm_tf.models.base.CAPABILITIES`, each with what is said of one
            that lacks it. Defaults to `None`.

    Raises:
        UserError: a value cannot be used, or a model cannot do what is
            needed.
    """
    for label, config in {run.label: run.config for run in runs}.items():
        cls = model_class(config.model)
        arguments = {**cls.data_arguments(data), **config.options}
        if "max_length" in declared_options(cls):
            arguments["max_length"] = config.max_length
        with refusals_of(config.model):
            model = cls(**{**arguments, "num_users": 1, "num_items": 2})
        for capability, words in (needed or {}).items():
            if capability not in model.capabilities:
                raise UserError(f"{label} {words}.")
    keras.backend.clear_session()


def _config(
    label: str,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    further: Mapping[str, Recipe],
) -> TrainConfig:
    """Returns the configuration of a label, without its seed."""
    own = {
        name: value
        for name, value in options.items()
        if name in _OF_THE_TRAINING
    }
    model = label.partition(":")[0].partition("+")[0]
    return configure(
        label,
        options={
            name: value for name, value in options.items() if name not in own
        },
        further={
            name: recipe
            for name, recipe in further.items()
            if recipe.about.model in ("", model)
        },
        **{**settings, **own},
    )
