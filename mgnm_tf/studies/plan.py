"""Which runs a comparison is made of."""

import typing
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import keras

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import create_model
from mgnm_tf.models.registry import model_class
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.training.build import arguments_of_the_run
from mgnm_tf.utils.options import parse_options
from mgnm_tf.utils.validation import unknown_name

_OF_THE_PLAN = ("model", "preset", "options", "seed")


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison.

    Args:
        label: the model as it was named, `model` or `model:preset`.
        config: the configuration of the run.
    """

    label: str
    config: TrainConfig

    @property
    def folder(self) -> str:
        """Where the run stands in the folder of the comparison."""
        return f"{self.label.replace(':', '-')}/seed-{self.config.seed}"


def plan_runs(
    models: Sequence[str],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]],
) -> list[PlannedRun]:
    """Lists the runs, all models of a seed before the next seed.

    Args:
        models: labels, each `model` or `model:preset`.
        seeds: the seeds of each model.
        settings: fields of `TrainConfig` that all runs share.
        options: label -> fields of `TrainConfig` or constructor arguments of
            the model, for the runs of that label; text is read by the
            declared type.

    Raises:
        UserError: a name is unknown or stands twice, or a value is refused.
    """
    for name, values in (("model", models), ("seed", seeds)):
        if not values:
            raise UserError(f"A comparison needs at least one {name}.")
        if len(set(values)) < len(values):
            raise UserError(
                f"A comparison takes each {name} once. Received: "
                f"{', '.join(map(str, values))}"
            )
    for label in options:
        if label not in models:
            raise UserError(unknown_name("model of an option", label, models))
    configs = {
        label: _config(label, settings, options.get(label, {}))
        for label in models
    }
    return [
        PlannedRun(label, replace(configs[label], seed=seed))
        for seed in seeds
        for label in models
    ]


def with_preset(models: Sequence[str], preset: str) -> list[str]:
    """Returns labels with a preset, where a model names none and has it.

    Args:
        models: labels, each `model` or `model:preset`.
        preset: the preset.

    Raises:
        UserError: a model is unknown, or none of them has the preset.
    """
    plain = [label for label in models if ":" not in label]
    having = [name for name in plain if preset in model_class(name).presets]
    if not having:
        raise UserError(
            f"None of the models has a preset {preset!r}. Received: "
            f"{', '.join(models)}"
        )
    return [
        f"{label}:{preset}" if label in having else label for label in models
    ]


def check_models(runs: Sequence[PlannedRun], data: SequenceDataset) -> None:
    """Makes each model once, tiny, to find wrong names before any training.

    Args:
        runs: the runs.
        data: the data set that they are for.

    Raises:
        UserError: a model, a preset or an option cannot be used.
    """
    for config in {run.label: run.config for run in runs}.values():
        create_model(
            config.model,
            config.preset,
            1,
            2,
            config.options,
            arguments_of_the_run(data, config),
        )
    keras.backend.clear_session()


def _config(
    label: str, settings: Mapping[str, Any], options: Mapping[str, Any]
) -> TrainConfig:
    """Returns the configuration of a label, without its seed."""
    model, _, preset = label.partition(":")
    declared = typing.get_type_hints(TrainConfig)
    for name in _OF_THE_PLAN:
        declared.pop(name)
    own = {name: options[name] for name in options if name in declared}
    return TrainConfig.from_dict(
        {
            **settings,
            **parse_options(own, declared, label),
            "model": model,
            "preset": preset or None,
            "options": {
                name: options[name] for name in options if name not in own
            },
        }
    )
