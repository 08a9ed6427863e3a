"""Recipes as TOML."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from mgnm_tf.errors import UserError
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.sentences import validated
from mgnm_tf.utils.files import atomic_write

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_recipe(path: str | os.PathLike) -> Recipe:
    """Reads a file that holds one recipe: `[about] [model] [training]`.

    Args:
        path: the file.

    Raises:
        UserError: it cannot be read, is no TOML (the line is named), or a
            key or value is refused.
    """
    return validated(Recipe, read_toml(path), f"{path}: ")


def read_recipes(path: str | os.PathLike) -> dict[str, Recipe]:
    """Reads a file that holds several recipes: `[name.model]` and so on.

    Args:
        path: the file.

    Returns:
        Name -> recipe, in the order of the file.

    Raises:
        UserError: as `read_recipe`.
    """
    return {
        name: validated(Recipe, values, f"{path}, {name}: ")
        for name, values in read_toml(path).items()
    }


def write_recipe(path: str | os.PathLike, recipe: Recipe) -> None:
    """Writes a recipe so that `read_recipe` gives it back."""
    atomic_write(Path(path), format_recipe(recipe).encode())


def format_recipe(recipe: Recipe) -> str:
    """Returns the text of a file that holds a recipe: what was set in it."""
    return tomli_w.dumps(_without_none(recipe.model_dump(exclude_unset=True)))


def format_values(
    about: Mapping[str, Any],
    values: Mapping[str, Any],
    origins: Mapping[str, str],
) -> str:
    """Returns a recipe as TOML with an origin behind each value.

    Args:
        about: the table `[about]`.
        values: key (`"training.optimizer.name"`) -> value.
        origins: key -> where the value comes from.
    """
    tables: dict[str, list[str]] = {}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        line = tomli_w.dumps({name: _without_none(value)}).strip()
        tables.setdefault(table, []).append(f"{line}  # {origins[key]}")
    tables["about"] = [tomli_w.dumps(dict(about)).strip()]
    return (
        "\n\n".join(
            "\n".join([f"[{name}]", *tables[name]]) for name in sorted(tables)
        )
        + "\n"
    )


def read_toml(path: str | os.PathLike, kind: str = "recipe") -> dict[str, Any]:
    """Reads the tables of a file.

    Args:
        path: the file.
        kind: what it should be, for the message.

    Raises:
        UserError: it cannot be read or is no TOML (the line is named).
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"The {kind} {path} cannot be read: {error.strerror}."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"The {kind} {path} is no text in UTF-8.") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is no TOML: {error}.") from error


def _without_none(values: Any) -> Any:
    """Returns values with `"none"` for `None`, which TOML does not have."""
    if isinstance(values, dict):
        return {key: _without_none(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_without_none(value) for value in values]
    return "none" if values is None else values
