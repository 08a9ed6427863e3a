"""Models by name, without importing the other models."""

import inspect
import sys
import typing
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.utils.options import merge_presets
from mgnm_tf.utils.options import parse_options
from mgnm_tf.utils.validation import unknown_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GROUP = "mgnm_tf.models"
"""The entry-point group in which any package can list a model."""

_OURS = "mgnm-tf"
"""The name of our own distribution."""


def model_names() -> list[str]:
    """Returns the names of all models: our own first, then those added."""
    return list(_entry_points())


def model_class(name: str) -> type:
    """Returns the class of a model and imports no other one.

    Args:
        name: one of `model_names()`.

    Raises:
        UserError: there is no such model; the nearest name is suggested.
    """
    entry_points = _entry_points()
    if name not in entry_points:
        raise UserError(unknown_name("model", name, entry_points))
    return entry_points[name].load()


def import_class(class_name: str) -> None:
    """Imports the model of a class name, which registers it with Keras.

    Args:
        class_name: the name of a class, for example `"MGNM"`.

    Raises:
        UserError: no installed model has a class of this name.
    """
    classes = {entry.attr: entry for entry in _entry_points().values()}
    if class_name not in classes:
        raise UserError(unknown_name("class of a model", class_name, classes))
    classes[class_name].load()


def create_model(
    name: str,
    preset: str | None,
    num_users: int,
    num_items: int,
    options: Mapping[str, Any] | None = None,
    of_the_data: Mapping[str, Any] | None = None,
):
    """Creates a model from its name, a preset and options.

    Args:
        name: one of `model_names()`.
        preset: see `merge_presets`, or `None` for the
            defaults of its constructor.
        num_users: number of known users, see `SequentialRecommender`.
        num_items: number of items, see `SequentialRecommender`.
        options: constructor arguments that win over the preset. Text is read
            by the declared type of the argument.
        of_the_data: constructor arguments that follow from the data or the
            run, such as `num_categories`; a model gets those that it takes.

    Returns:
        A model with its weights made.

    Raises:
        UserError: unknown model, preset or option, or a value that the
            model refuses.
    """
    cls = model_class(name)
    try:
        chosen = merge_presets(cls.presets, preset, name) if preset else {}
    except ValueError as error:
        raise UserError(str(error)) from error
    declared = _declared_options(cls)
    given = parse_options(options or {}, declared, name)
    derived = {
        key: value
        for key, value in (of_the_data or {}).items()
        if key in declared
    }
    try:
        return cls(num_users, num_items, **{**derived, **chosen, **given})
    except (TypeError, ValueError) as error:
        raise UserError(f"Model {name}: {error}") from error


def _entry_points() -> dict[str, metadata.EntryPoint]:
    """Returns name -> entry point: the list of this project, then the rest.

    The list is read from the file, because a checkout that is not installed
    has no entry points, and an editable installation keeps those of the day
    that it was made.
    """
    text = Path(__file__).with_name("models.toml").read_text(encoding="utf-8")
    own = [
        metadata.EntryPoint(name=name, value=value, group=GROUP)
        for name, value in tomllib.loads(text).items()
    ]
    others = [
        point
        for point in metadata.entry_points(group=GROUP)
        if point.dist is None or point.dist.name != _OURS
    ]
    return {point.name: point for point in [*own, *others]}


def _declared_options(cls: type) -> dict[str, Any]:
    """Returns constructor argument -> declared type, sizes left out."""
    hints = typing.get_type_hints(cls.__init__)
    return {
        name: hints.get(name, str)
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
        and name not in ("num_users", "num_items")
    }
