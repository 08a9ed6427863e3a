"""A search space for one recipe: what its options may be, and are."""

import inspect
import typing
from collections.abc import Mapping
from typing import Annotated
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import declared_options
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.recipes.merge import SHORT
from mgnm_tf.recipes.recipe import Optimizer
from mgnm_tf.recipes.recipe import Training
from mgnm_tf.recipes.space import DEFAULT
from mgnm_tf.recipes.space import Choices
from mgnm_tf.recipes.space import Range
from mgnm_tf.recipes.space import Space
from mgnm_tf.recipes.space import make_space
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.utils.validation import unknown_name

_MEASURE = (
    *("monitor", "validation_negatives", "validation_exclude", "max_length"),
)
"""What trials are compared by: with another one they rank other lists."""

_BUDGET = ("epochs", "least_steps", "patience", "batch_size", "objective")
"""What says how much a trial trains, which is the same for all of them."""


def space_for(
    config: TrainConfig, space: Mapping[str, Any] | None = None
) -> Space:
    """Returns the search space of a recipe.

    Args:
        config: the recipe, as a configuration.
        space: what is searched, see `make_space`. `None` is `DEFAULT`
            without the options that the model lacks or that the recipe does
            without.

    Raises:
        UserError: nothing is searched, a key is no option of the model or of
            the training, or it takes no range.
    """
    values = values_of(config)
    if space is not None:
        made = make_space(space)
        for key, one in made.items():
            _check(key, one, config.model, values)
        return made
    made = {
        key: one
        for key, one in DEFAULT.items()
        if values.get(key) is not None
        and (
            key in declared_options(model_class(config.model))
            or _by_gradient(config)
        )
    }
    if not made:
        raise UserError(
            f"The default search space has nothing for {config.model}; give "
            "one of your own by `space` (`--space`)."
        )
    return made


def split_by_owner(
    values: Mapping[str, Any], model: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the options of the model, and those of the training.

    Args:
        values: option -> value.
        model: the name of the model.
    """
    declared = declared_options(model_class(model))
    options = {key: one for key, one in values.items() if key in declared}
    settings = {key: one for key, one in values.items() if key not in options}
    return options, settings


def values_of(config: TrainConfig) -> dict[str, Any]:
    """Returns each option that can be searched with its value in a recipe.

    Args:
        config: the recipe, as a configuration.
    """
    cls = model_class(config.model)
    parameters = inspect.signature(cls).parameters
    # What the constructor and the recipe share is the training's: max_length.
    training = {
        name: getattr(config, name)
        for name in Training.model_fields
        if name not in ("optimizer", "after", *_MEASURE, *_BUDGET)
    }
    optimizer = {
        name: getattr(config.optimizer, field) for name, field in SHORT.items()
    }
    model = {
        name: config.options.get(name, parameters[name].default)
        for name in declared_options(cls)
        if name not in (*_MEASURE, *cls.options_of_the_data)
    }
    return {**training, **optimizer, **model}


def is_inside(value: Any, one: Range | Choices) -> bool:
    """Whether a search space has a value.

    Args:
        value: the value.
        one: what the search space has for its option.
    """
    if isinstance(one, Range):
        number = type(value) in (int, float)
        return number and one.low <= value <= one.high
    return any(type(value) is type(item) and value == item for item in one)


def is_whole(key: str, one: Range, model: str) -> bool:
    """Whether a range is of whole numbers.

    Args:
        key: the option that it is for.
        one: the range.
        model: the name of the model.
    """
    bounds = (type(one.low), type(one.high))
    return bounds == (int, int) and float not in _kinds(key, model)


def extremes(one: Range | Choices) -> tuple:
    """Returns the values that are checked before anything is trained."""
    return (one.low, one.high) if isinstance(one, Range) else one


def _check(
    key: str, one: Range | Choices, model: str, values: Mapping[str, Any]
) -> None:
    """Refuses an option that cannot be searched."""
    if key in _MEASURE:
        raise UserError(
            f"`{key}` cannot be searched: trials that differ in it are not "
            "measured alike. Give it beside the space."
        )
    if key in _BUDGET:
        raise UserError(
            f"`{key}` cannot be searched: every trial has the same budget. "
            "Give it beside the space."
        )
    if key not in values:
        raise UserError(
            unknown_name(f"key of the search space of {model}", key, values)
        )
    if isinstance(one, Range) and not {int, float} & _kinds(key, model):
        raise UserError(
            f"`{key}` is no number: its search space must be a list. "
            f"Received: {key}={one.model_dump()}"
        )


def _kinds(key: str, model: str) -> set:
    """Returns the types that an option is declared with."""
    declared = declared_options(model_class(model)).get(key)
    if declared is None and key in SHORT:
        declared = Optimizer.model_fields[SHORT[key]].annotation
    elif declared is None:
        declared = Training.model_fields[key].annotation
    return set(_members(declared))


def _members(declared: Any) -> list:
    """Returns the types of a union, however it is annotated."""
    if typing.get_origin(declared) is Annotated:
        return _members(typing.get_args(declared)[0])
    if typing.get_origin(declared) in (typing.Union, type(int | None)):
        return [
            kind
            for member in typing.get_args(declared)
            for kind in _members(member)
        ]
    return [declared]


def _by_gradient(config: TrainConfig) -> bool:
    """Whether the model is trained by an optimizer."""
    return not issubclass(model_class(config.model), StatisticalRecommender)
