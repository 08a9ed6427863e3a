"""Layers of recipes, laid over each other."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.recipes.label import RECOMMENDED
from mgnm_tf.recipes.label import Label
from mgnm_tf.recipes.recipe import About
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.sentences import validated
from mgnm_tf.utils.validation import unknown_name

_DRAWS = ("negatives", "shared_negatives", "sampling", "logq_correction")

RENAMED = {
    "dense_log": "+long_history",
    "recent": "recommended, the name of the model alone,",
    "default": "mgnm_paper",
}
"""Recipes that had another name, and the one that they have."""

SHORT = {
    "optimizer": "name",
    "learning_rate": "learning_rate",
    "learning_rate_schedule": "schedule",
    "step_epochs": "step_epochs",
    "schedule_decay": "decay",
    "schedule_shift": "shift",
    "optimizer_l2": "l2",
    "weight_decay": "weight_decay",
    "decay_exclude": "decay_exclude",
    "amsgrad": "amsgrad",
    "optimizer_epsilon": "epsilon",
}
"""What a command line calls the fields of `Optimizer`."""


@dataclass(frozen=True)
class Layer:
    """What one recipe, or a user, sets.

    Args:
        origin: what its values are said to come from.
        values: key (`"model.dropout"`, `"training.optimizer.name"`) -> value.
        about: where the values come from, if it is a recipe.
    """

    origin: str
    values: Mapping[str, Any]
    about: About = About()


@dataclass(frozen=True)
class Merged:
    """A stack of layers as one recipe.

    Args:
        recipe: what they say together; the later one wins.
        origins: key, as in `Layer` -> the origin of the layer that its value
            comes from.
    """

    recipe: Recipe
    origins: dict[str, str]


def layers_of(label: Label, known: Mapping[str, Recipe]) -> list[Layer]:
    """Returns the layers that a label names.

    Args:
        label: the label.
        known: the recipes and parts of its model.

    Raises:
        UserError: a name is unknown, a part stands for a recipe or the
            other way round, or two parts contradict each other.
    """
    layers = []
    name = label.recipe
    if name is None and RECOMMENDED in known:
        name = RECOMMENDED
    if name is not None:
        layers.append(_layer(label, name, known, part=False))
    parts = [_layer(label, part, known, part=True) for part in label.parts]
    _check_contradictions(parts)
    return [*layers, *parts]


def _layer(
    label: Label, name: str, known: Mapping[str, Recipe], part: bool
) -> Layer:
    if name not in known:
        if name in RENAMED:
            raise UserError(
                f"{name!r} of {label.model} is called {RENAMED[name]} now."
            )
        names = [key for key in known if known[key].about.part is part]
        kind = "part" if part else "recipe"
        if not names:
            raise UserError(
                f"{label.model} has no {kind} {name!r}, nor any other one."
            )
        raise UserError(unknown_name(f"{kind} of {label.model}", name, names))
    if known[name].about.part is not part:
        remedy = f"add it to one: {label.model}+{name}"
        if part:
            remedy = f"name it in its place: {label.model}:{name}"
        raise UserError(
            f"{name!r} is a {'recipe' if part else 'part of a recipe'}; "
            f"{remedy}."
        )
    return recipe_layer(
        f"{label.model}{'+' if part else ':'}{name}", known[name]
    )


def recipe_layer(origin: str, recipe: Recipe) -> Layer:
    """Returns what a recipe sets as a layer."""
    return Layer(origin, flat(recipe), recipe.about)


def _check_contradictions(parts: Sequence[Layer]) -> None:
    """Refuses two parts that set a key differently, unless one says so."""
    seen: dict[str, tuple[str, Any]] = {}
    for layer in parts:
        for key, value in layer.values.items():
            before, old = seen.get(key, (layer.origin, value))
            if old != value and key not in layer.about.replaces:
                raise UserError(
                    f"{before} sets {key} to {old!r} and {layer.origin} to "
                    f"{value!r}: they cannot be added to each other."
                )
            seen[key] = (layer.origin, value)


def merge(layers: Sequence[Layer], model: str) -> Merged:
    """Lays recipes over each other; the later one wins.

    A layer that changes the objective, or takes all items for negatives, draws
    as it says alone: the draws of the layers below belong to another objective.
    One that sets `epochs` means as many: the `least_steps` below it go.

    Args:
        layers: the layers, the lowest first.
        model: the model that they are for.

    Raises:
        UserError: a layer is for another model, or the result is refused.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        _check_model(layer, model)
        objective = layer.values.get("training.objective")
        changes = objective not in (None, values.get("training.objective"))
        if changes or layer.values.get("training.negatives") == "all":
            for name in _DRAWS:
                values.pop(f"training.{name}", None)
                origins.pop(f"training.{name}", None)
        if "training.epochs" in layer.values:
            values.pop("training.least_steps", None)
            origins.pop("training.least_steps", None)
        values.update(layer.values)
        origins.update(dict.fromkeys(layer.values, layer.origin))
    sources = [layer.about.source for layer in layers if layer.about.source]
    about = {"model": model, "source": "; ".join(sources)}
    return Merged(
        validated(Recipe, {"about": about, **nested(values)}), origins
    )


def _check_model(layer: Layer, model: str) -> None:
    of = layer.about.model
    if of not in ("", model):
        raise UserError(f"{layer.origin} is a recipe of {of}, not of {model}.")


def flat(recipe: Recipe) -> dict[str, Any]:
    """Returns key -> value of what a recipe sets, `about` left out."""
    values = recipe.model_dump(exclude_unset=True)
    found = {f"model.{key}": value for key, value in recipe.model.items()}
    for key, value in values.get("training", {}).items():
        if isinstance(value, dict):
            for name, inner in value.items():
                found[f"training.{key}.{name}"] = inner
        else:
            found[f"training.{key}"] = value
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `flat`'s result as the tables that it was made from."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        *tables, name = key.split(".")
        table = found
        for one in tables:
            table = table.setdefault(one, {})
        table[name] = value
    return found


def given_layer(
    options: Mapping[str, Any], settings: Mapping[str, Any]
) -> Layer:
    """Returns what a user gave by name as a layer.

    Args:
        options: constructor arguments of the model.
        settings: fields of `Training`, those of `Optimizer` by their names
            in `SHORT`.
    """
    values = {f"model.{name}": value for name, value in options.items()}
    for name, value in settings.items():
        if name in SHORT:
            name = f"optimizer.{SHORT[name]}"
        values[f"training.{name}"] = value
    return Layer("given", values)
