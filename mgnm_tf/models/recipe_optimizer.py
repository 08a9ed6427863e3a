"""The optimizer that a recipe asks for."""

from typing import Any

import keras

from mgnm_tf.optimizers import L2Adam
from mgnm_tf.optimizers import LazyAdam
from mgnm_tf.recipes.recipe import Optimizer

OPTIMIZERS = {
    "lazy_adam": LazyAdam,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adagrad": keras.optimizers.Adagrad,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def recipe_optimizer(
    chosen: Optimizer, model: keras.Model, rate=None
) -> keras.optimizers.Optimizer:
    """Returns a new optimizer.

    Args:
        chosen: what the recipe says.
        model: whose variables it is to change; those of `decay_exclude` are
            found among them by their names.
        rate: a learning rate or schedule in place of the constant
            `chosen.learning_rate`. Defaults to `None`.
    """
    options: dict[str, Any] = {"weight_decay": chosen.weight_decay or None}
    if chosen.epsilon is not None:
        options["epsilon"] = chosen.epsilon
    if chosen.amsgrad:
        options["amsgrad"] = True
    kind = OPTIMIZERS[chosen.name]
    if chosen.l2:
        kind = L2Adam
        options.update(l2=chosen.l2, exclude=chosen.decay_exclude)
    optimizer = kind(chosen.learning_rate if rate is None else rate, **options)
    spared = [
        variable
        for variable in model.trainable_variables
        if variable.name in chosen.decay_exclude
    ]
    if spared and chosen.weight_decay:
        optimizer.exclude_from_weight_decay(spared)
    return optimizer
