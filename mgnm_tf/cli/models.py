"""The command that lists models and their recipes."""

from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import print_rows
from mgnm_tf.errors import UserError


@command()
def models(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A model, model:recipe or model:recipe+part: prints it whole, "
            "as TOML, with where each value comes from."
        ),
    ] = None,
) -> None:
    """List the models and their recipes, or print one recipe."""
    load_tensorflow()
    if recipe is None:
        _print_models()
    else:
        _print_recipe(recipe)


def recipe_of(model: str | None, path: Path | None) -> Any:
    """Returns the recipe that a command line names.

    Args:
        model: a label, or `None`.
        path: a TOML file, or `None`.

    Raises:
        UserError: neither is given, or both name a recipe, or the file is
            for another model.
    """
    from mgnm_tf.recipes.label import read_label
    from mgnm_tf.recipes.toml import read_recipe

    if path is None:
        if model is None:
            raise UserError(
                "Name a model, see `mgnm models`, or a recipe: --recipe FILE."
            )
        return model
    recipe = read_recipe(path)
    if model is None:
        return path if str(path).endswith(".toml") else recipe
    label = read_label(model)
    if label.recipe is not None or label.parts:
        raise UserError(
            f"{model} names a recipe and --recipe {path} another one: give one "
            "of them."
        )
    if recipe.about.model not in ("", label.model):
        raise UserError(
            f"{path} is a recipe of {recipe.about.model}, not of {label.model}."
        )
    about = recipe.about.model_copy(update={"model": label.model})
    return recipe.model_copy(update={"about": about})


def _print_models() -> None:
    """Prints a row for each model."""
    from mgnm_tf.models.registry import model_class
    from mgnm_tf.models.registry import model_names
    from mgnm_tf.models.registry import recipes_of
    from mgnm_tf.recipes.label import RECOMMENDED

    rows = []
    for name in model_names():
        recipes = recipes_of(name)
        names = [
            f"+{key}" if recipes[key].about.part else key for key in recipes
        ]
        tuned = RECOMMENDED in recipes and recipes[RECOMMENDED].about.tuned
        purpose = (model_class(name).__doc__ or "").strip().partition("\n")[0]
        rows.append((name, ", ".join(names), "yes" if tuned else "no", purpose))
    print_rows(("model", "recipes", "tuned", "what it does"), rows)
    console.print(
        "A model alone is its recipe `recommended`; where that is not tuned, "
        "its results say little of the model. `mgnm models NAME` prints it."
    )


def _print_recipe(text: str) -> None:
    """Prints a recipe as TOML, each value with its origin as a comment."""
    from mgnm_tf.models.registry import complete_recipe
    from mgnm_tf.recipes.toml import format_values

    console.print(format_values(*complete_recipe(text)), end="")
