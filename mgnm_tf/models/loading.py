"""Loading a saved model by its path alone."""

import json
import os
from importlib import import_module
from pathlib import Path
from zipfile import BadZipFile
from zipfile import ZipFile

import keras

from mgnm_tf.errors import UserError
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import import_class

_COMPILED = ("mgnm_tf.losses", "mgnm_tf.metrics", "mgnm_tf.optimizers")
"""Modules whose classes stand in the configuration of a compiled model."""


def load_model(path: str | os.PathLike) -> SequentialRecommender:
    """Loads a model that `model.save` wrote, compiled as it was.

    Keras knows a class of this package only once its module is imported;
    this finds the class among the installed models and imports it first.

    Args:
        path: a `.keras` file, for example `model.keras` of a run folder.

    Returns:
        The model with its weights, optimizer, loss and metrics.

    Raises:
        UserError: there is no such file, it is damaged, or no installed
            package has its model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; expected a .keras file.")
    for module in _COMPILED:
        import_module(module)
    try:
        with ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        name = config["registered_name"] or config["class_name"]
        if keras.saving.get_registered_object(name) is None:
            import_class(config["class_name"])
        return keras.saving.load_model(path)
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise UserError(f"{path} cannot be loaded: {error}") from error
