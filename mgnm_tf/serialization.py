"""One name under which Keras finds our classes in saved files."""

import keras

PACKAGE = "mgnm_tf"


def register(cls):
    """Registers a class with Keras under the package name `mgnm_tf`.

    The name in a saved file is `mgnm_tf>ClassName`, so moving a module does
    not break old files. Models of other packages use it, too.

    Args:
        cls: a Keras layer, loss, metric, model or optimizer class.

    Returns:
        The class itself.
    """
    return keras.saving.register_keras_serializable(package=PACKAGE)(cls)
