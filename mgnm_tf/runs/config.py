"""What a training run is made of."""

import os
from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import BeforeValidator
from pydantic import Field
from pydantic import model_validator

from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import read_options
from mgnm_tf.models.registry import resolve_recipe
from mgnm_tf.recipes.label import Label
from mgnm_tf.recipes.label import read_label
from mgnm_tf.recipes.merge import SHORT
from mgnm_tf.recipes.recipe import OBJECTIVES
from mgnm_tf.recipes.recipe import OLD_NAMES
from mgnm_tf.recipes.recipe import About
from mgnm_tf.recipes.recipe import Count
from mgnm_tf.recipes.recipe import Positive
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.recipe import Training
from mgnm_tf.recipes.recipe import default_draws
from mgnm_tf.recipes.recipe import places_of
from mgnm_tf.recipes.sentences import validated
from mgnm_tf.utils.validation import unknown_name


def _as_places(value: Any) -> Any:
    """Returns one number of places as several."""
    return (value,) if isinstance(value, int) else value


class TrainConfig(Training):
    """One training run: a merged recipe, a seed, and how it is computed.

    What else it holds is that of `Training`.

    Two runs with equal configurations on the same data are the same run: on
    a CPU they end with the same weights. `configure` makes one from a recipe.

    Args:
        model: the name of a model, see `mgnm models`.
        recipe: how the recipe was named; changes nothing.
        options: constructor arguments of the model.
        seed: seed of the weights, of the order and of the negatives.
        k: the cut-offs of HIT, NDCG and MRR that training and evaluation
            measure; training measures that of `monitor`, too. Without one it
            is that of `monitor`, or 5.
        init_from: a run folder whose weights this run starts from, by path
            and shape; `""` for none.
        continue_from: a run folder whose training goes on, on data that
            grew, see `mgnm_tf.training.continued`; `""` for none.
        item_features: a Parquet file with `item_id` and what is known of the
            items, which the item table is made of, too, see
            `mgnm_tf.training.item_inputs`; `""` for none.
        steps_per_execution: steps between two returns to Python. `None`
            chooses by the length of an epoch.
        mixed_precision: whether to compute in float16 with float32 weights.
        jit_compile: whether XLA compiles the step.
        watch_test: whether the test part is ranked after each epoch, too,
            and written to the history; it decides nothing. A model that
            counts has no epochs, and is not watched.
        refit: whether, when validation has chosen the number of epochs, the
            model is trained anew for as many on the training and the
            validation part together; that model is kept. The run without
            the validation part stands in the folder `choice`.

    Raises:
        pydantic.ValidationError: a value is outside its range, or a name is
            unknown; `configure` and `from_dict` turn it into a `UserError`.
    """

    # With the values of the objective in the place of `None`.
    negatives: Count | Literal["all"] = 5
    shared_negatives: Count = 0
    model: str
    recipe: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    seed: Count = 0
    k: Annotated[
        tuple[Positive, ...], BeforeValidator(_as_places), Field(min_length=1)
    ] = (5,)
    init_from: str = ""
    continue_from: str = ""
    item_features: str = ""
    steps_per_execution: Positive | None = None
    mixed_precision: bool = False
    jit_compile: bool = False
    watch_test: bool = False
    refit: bool = False

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if "k" not in values:
            places = places_of(str(values.get("monitor", "")))
            values = {**values, "k": places or (5,)}
        objective = values.get("objective", "bce")
        if objective not in OBJECTIVES:
            return values
        drawn = default_draws(objective, values.get("negatives"))
        given = {key: one for key, one in values.items() if one is not None}
        return {**drawn, **given}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Makes a configuration from `to_dict`'s result, also an older one.

        Raises:
            UserError: a key is unknown or a value cannot be used.
        """
        return validated(cls, _renewed(dict(values)))

    def to_dict(self) -> dict[str, Any]:
        """Returns all values, as JSON types."""
        return self.model_dump(mode="json")

    def to_recipe(self) -> Recipe:
        """Returns the recipe that makes this run, given back with its seed."""
        names = list(Training.model_fields)
        training = {name: getattr(self, name) for name in names}
        training["optimizer"] = self.optimizer.model_dump()
        return Recipe(
            about=About(model=self.model, source=f"merged from {self.recipe}"),
            model=self.options,
            training=Training(**training),
        )

    @property
    def measured_places(self) -> tuple[int, ...]:
        """The cut-offs that training measures."""
        return tuple(dict.fromkeys((*self.k, *self.monitored_places)))

    def difference(self, other: "TrainConfig") -> str:
        """Returns "name is a, was b" of what differs in `other`, or ""."""
        mine, theirs = self.to_dict(), other.to_dict()
        return ", ".join(
            f"{key} is {mine[key]!r}, was {theirs[key]!r}"
            for key in mine
            if mine[key] != theirs[key] and key != "recipe"
        )


OF_THE_RUN = tuple(
    name
    for name in TrainConfig.model_fields
    if name not in Training.model_fields
)
"""The fields that no recipe has."""


def configure(
    recipe: "str | os.PathLike | Recipe | TrainConfig",
    *,
    options: Mapping[str, Any] | None = None,
    further: Mapping[str, Recipe] | None = None,
    **settings: Any,
) -> TrainConfig:
    """Makes the configuration of a run from a recipe.

    Args:
        recipe: `"mgnm"`, the recipe that is recommended, `"mgnm:paper"`,
            `"mgnm:paper+without_graph"`, the path of a TOML file, a `Recipe`,
            or a configuration, which comes back as it is and alone.
        options: constructor arguments of the model that win over the recipe;
            text is read by their declared type.
        further: recipes and parts besides those that stand with the model.
        **settings: fields of `TrainConfig` that win over the recipe; those
            of its optimizer have the names in `mgnm_tf.recipes.merge.SHORT`:
            `optimizer` (the name), `learning_rate`,
            `learning_rate_schedule`, `weight_decay`, `optimizer_l2`, ...
            `None` leaves the recipe its value.

    Raises:
        UserError: a name is unknown, or a value is refused.
    """
    given = {key: one for key, one in settings.items() if one is not None}
    if isinstance(recipe, TrainConfig):
        if options or further or given:
            raise UserError(
                "A configuration is complete: what differs is given where it "
                "is made, not beside it."
            )
        return recipe
    known = [*Training.model_fields, *SHORT, *OF_THE_RUN, *OLD_NAMES["key"]]
    for key in given:
        if key not in known:
            raise UserError(unknown_name("training option", key, known))
    of_the_run = {key: given.pop(key) for key in [*given] if key in OF_THE_RUN}
    label, merged = resolve_recipe(recipe, options, given, further)
    training = merged.recipe.training.model_dump(exclude_none=True)
    values = {
        **training,
        **of_the_run,
        "model": label.model,
        "recipe": _name_of(recipe, label),
        "options": read_options(label.model, merged.recipe.model),
    }
    if after := training["after"]:
        values["after"] = stage_label(label.model, after)
    return validated(TrainConfig, values)


def _name_of(recipe: "str | os.PathLike | Recipe", label: Label) -> str:
    """Returns how a recipe was named: a label, or what stands for one."""
    if isinstance(recipe, Recipe):
        return f"{label.model}, a recipe of its own"
    if str(recipe).endswith(".toml") or not isinstance(recipe, str):
        return f"{label.model}, {recipe}"
    return str(label)


def stage_label(model: str, after: str) -> str:
    """Returns the label of the stage that `after` names in a recipe."""
    if ":" in after or "+" in after:
        return str(read_label(after))
    return f"{model}:{after}"


def _renewed(values: dict[str, Any]) -> dict[str, Any]:
    """Returns a stored configuration with the names of today."""
    if "preset" not in values:
        return values
    preset = values.pop("preset")
    values["recipe"] = f"{values['model']}:{preset or 'defaults'}"
    if values.get("objective") == "paper":
        values["objective"] = "bce"
    if "correct_sampling" in values:
        values["logq_correction"] = values.pop("correct_sampling")
    optimizer = {
        SHORT[name]: values.pop(name) for name in SHORT if name in values
    }
    return {**values, "optimizer": optimizer}
