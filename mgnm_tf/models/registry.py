"""Models by name, without importing the other models."""

import importlib.util
import inspect
import os
import sys
import typing
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.recipes.label import Label
from mgnm_tf.recipes.label import read_label
from mgnm_tf.recipes.merge import Layer
from mgnm_tf.recipes.merge import Merged
from mgnm_tf.recipes.merge import flat
from mgnm_tf.recipes.merge import given_layer
from mgnm_tf.recipes.merge import layers_of
from mgnm_tf.recipes.merge import merge
from mgnm_tf.recipes.merge import recipe_layer
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.recipe import Training
from mgnm_tf.recipes.toml import read_recipe
from mgnm_tf.recipes.toml import read_recipes
from mgnm_tf.utils.options import parse_options
from mgnm_tf.utils.validation import unknown_name

if typing.TYPE_CHECKING:
    from mgnm_tf.models.base import SequentialRecommender

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


def model_class(name: str) -> "type[SequentialRecommender]":
    """Returns the class of a model and imports no other one.

    Args:
        name: one of `model_names()`.

    Raises:
        UserError: there is no such model; the nearest name is suggested.
    """
    return _entry_point(name).load()


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


def recipes_of(name: str) -> dict[str, Recipe]:
    """Returns the recipes and parts of a model, without importing it.

    They stand in `<name>.toml` beside the module of the model, in whatever
    package that is.

    Args:
        name: one of `model_names()`.

    Returns:
        Name -> recipe; empty where there is no such file.

    Raises:
        UserError: there is no such model, or the file is refused.
    """
    module = _entry_point(name).module
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).with_name(f"{name}.toml")
    return read_recipes(path) if path.is_file() else {}


def resolve_recipe(
    recipe: str | os.PathLike | Recipe,
    options: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    further: Mapping[str, Recipe] | None = None,
) -> tuple[Label, Merged]:
    """Returns what a recipe says with all that is laid over it.

    Args:
        recipe: a label (`"mgnm"`, `"mgnm:paper+without_graph"`), the path of
            a TOML file, or a recipe; the last two name their model in
            `about`.
        options: constructor arguments that are given explicitly.
        settings: what else is given explicitly, see `given_layer`.
        further: recipes and parts besides those that stand with the model.

    Raises:
        UserError: a name is unknown, or a value is refused.
    """
    if isinstance(recipe, str) and not recipe.endswith(".toml"):
        label = read_label(recipe)
        known = {**recipes_of(label.model), **(further or {})}
        layers = layers_of(label, known)
    else:
        label, layers = _own_recipe(recipe)
    layers.append(given_layer(options or {}, settings or {}))
    return label, merge(layers, label.model)


def complete_recipe(
    recipe: str,
) -> tuple[dict[str, str], dict[str, Any], dict[str, str]]:
    """Returns a recipe with every value that it leaves to a default.

    Args:
        recipe: see `resolve_recipe`.

    Returns:
        What it is (`model`, `source`), key -> value, and key -> origin, keys
        as in `mgnm_tf.recipes.merge.Layer`.
    """
    label, merged = resolve_recipe(recipe)
    cls = model_class(label.model)
    parameters = inspect.signature(cls).parameters
    layer = {
        f"model.{name}": parameters[name].default
        for name in declared_options(cls)
        if name not in ("max_length", *cls.options_of_the_data)
    }
    origins = dict.fromkeys(layer, "constructor")
    training = flat(Recipe(training=_all_set(Training())))
    origins |= dict.fromkeys(training, "default")
    drawn = merged.recipe.training.drawn()
    for name, value in zip(
        ("negatives", "shared_negatives"), drawn, strict=True
    ):
        training[f"training.{name}"] = value
        origins[f"training.{name}"] = merged.recipe.training.objective
    values = {**layer, **training, **flat(merged.recipe)}
    return (
        merged.recipe.about.model_dump(include={"model", "source"}),
        values,
        {**origins, **merged.origins},
    )


def _all_set(training: Training) -> Training:
    """Returns the same values, all of them marked as set."""
    return Training.model_validate(training.model_dump())


def _own_recipe(recipe: os.PathLike | str | Recipe) -> tuple[Label, list]:
    """Returns the label and the layer of a recipe that no model lists."""
    origin = "the recipe given"
    if not isinstance(recipe, Recipe | str | os.PathLike):
        raise UserError(
            "A recipe is a name such as 'mgnm', the path of a TOML file or a "
            f"`Recipe`. Received: {recipe!r}"
        )
    if not isinstance(recipe, Recipe):
        origin, recipe = str(recipe), read_recipe(recipe)
    model = recipe.about.model
    if not model:
        raise UserError(
            f"{origin} does not say which model it is for: add "
            '[about] model = "mgnm", or name the model.'
        )
    _entry_point(model)
    layers: list[Layer] = [recipe_layer(origin, recipe)]
    return Label(model, None, ()), layers


def declared_options(cls: "type[SequentialRecommender]") -> dict[str, Any]:
    """Returns constructor argument -> declared type, sizes left out.

    Args:
        cls: the class of a model.
    """
    hints = typing.get_type_hints(cls.__init__)
    return {
        name: hints.get(name, str)
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
        and name not in ("num_users", "num_items")
    }


def read_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns constructor arguments, those given as text by their type.

    Args:
        name: one of `model_names()`.
        options: argument -> value.

    Raises:
        UserError: the model is unknown or has no such argument, or a text
            does not fit the type.
    """
    if "max_length" in options:
        raise UserError(
            "The history length is an option of the training, not of "
            f"{name} alone: give `max_length` there (`--max-length`)."
        )
    cls = model_class(name)
    for option, where in getattr(cls, "former_options", {}).items():
        if option in options:
            raise UserError(f"{name} has no option `{option}`: {where}")
    return parse_options(options, declared_options(cls), name)


def create_model(
    recipe: str,
    num_users: int,
    num_items: int,
    options: Mapping[str, Any] | None = None,
    max_length: int | None = None,
):
    """Creates a model from a recipe, without data.

    Args:
        recipe: a label, see `resolve_recipe`; the bare name of a model is
            its recommended recipe.
        num_users: number of known users, see `SequentialRecommender`.
        num_items: number of items, see `SequentialRecommender`.
        options: constructor arguments that win over the recipe. Text is read
            by the declared type of the argument.
        max_length: longest history; defaults to that of the recipe.

    Returns:
        A model with its weights made.

    Raises:
        UserError: unknown model, recipe or option, or a value that the
            model refuses.
    """
    given = {} if max_length is None else {"max_length": max_length}
    label, merged = resolve_recipe(recipe, options, given)
    cls = model_class(label.model)
    arguments = read_options(label.model, merged.recipe.model)
    if "max_length" in declared_options(cls):
        arguments["max_length"] = merged.recipe.training.max_length
    with refusals_of(label.model):
        return cls(num_users, num_items, **arguments)


@contextmanager
def refusals_of(name: str) -> Iterator[None]:
    """Turns what a constructor raises into an error of the user."""
    try:
        yield
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"Model {name}: {error}") from error


def _entry_point(name: str) -> metadata.EntryPoint:
    entry_points = _entry_points()
    if name not in entry_points:
        raise UserError(unknown_name("model", name, entry_points))
    return entry_points[name]


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
    found = metadata.entry_points(group=GROUP)
    # A distribution reads its name from a file, each time that it is asked.
    packages = {id(point.dist): point.dist for point in found}
    ours = {
        key
        for key, package in packages.items()
        if package is not None and package.name == _OURS
    }
    others = [point for point in found if id(point.dist) not in ours]
    return {point.name: point for point in [*own, *others]}
