"""How a model is made for data and from a recipe."""

import inspect
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import read_options
from mgnm_tf.models.registry import refusals_of
from mgnm_tf.models.registry import resolve_recipe
from mgnm_tf.recipes.recipe import Training


class MadeFromData:
    """Asks data for what the constructor of a model needs of them."""

    training_recipe: Training = Training()
    """How `compile` trains the model; by itself as in the MGNM paper."""

    options_of_the_data: tuple[str, ...] = ()
    """Arguments that `data_arguments` adds: they belong to no recipe."""

    @classmethod
    def data_arguments(cls, data) -> dict[str, Any]:
        """Returns the constructor arguments that follow from data.

        A model that needs more of the data than their sizes adds to them.

        Args:
            data: a `mgnm_tf.SequenceDataset`.
        """
        return {"num_users": data.num_users, "num_items": data.num_items}

    @classmethod
    def from_data(cls, data, max_length: int = 100, **options):
        """Makes a model for data, with the tables that it holds of them.

        Args:
            data: a `mgnm_tf.SequenceDataset`.
            max_length: longest history, for models that must know it.
            **options: constructor arguments.

        Raises:
            ValueError: an argument is refused.
            DataError: the data lack what the model reads.
        """
        arguments = cls.data_arguments(data)
        if "max_length" in inspect.signature(cls).parameters:
            arguments["max_length"] = max_length
        model = cls(**{**arguments, **options})
        if model.required_tables:
            model.load_tables(data.tables(model.required_tables))
        model.data_fingerprint = data.fingerprint
        return model

    @classmethod
    def from_recipe(cls, data, recipe, max_length=None, **options):
        """Makes a model for data from a recipe; it is not trained.

        Args:
            data: a `mgnm_tf.SequenceDataset`.
            recipe: `"mgnm"`, the recipe that is recommended, `"mgnm:paper"`,
                `"mgnm:paper+without_graph"`, the path of a TOML file, or a
                `Recipe`.
            max_length: longest history. `None` is that of the recipe.
            **options: constructor arguments that win over the recipe.

        Raises:
            UserError: a name is unknown, the recipe is another model's, or
                an argument is refused.
        """
        label, merged = resolve_recipe(recipe, options)
        if not issubclass(cls, model_class(label.model)):
            raise UserError(
                f"{label} is a recipe of {model_class(label.model).__name__}, "
                f"not of {cls.__name__}."
            )
        arguments = read_options(label.model, merged.recipe.model)
        training = merged.recipe.training
        with refusals_of(label.model):
            model = cls.from_data(
                data, max_length or training.max_length, **arguments
            )
        model.training_recipe = training
        return model
