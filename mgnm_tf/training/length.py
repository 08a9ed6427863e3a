"""How many epochs a recipe has on a log that is smaller than its own."""

import math

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.training.build import training_batches

MOST_TIMES = 10
"""The most that the epochs are multiplied by.

An epoch takes a while, however small the log: it is validated and written.
"""


def for_data(config: TrainConfig, data: SequenceDataset) -> TrainConfig:
    """Returns a configuration with the epochs that its `least_steps` ask for.

    A recipe that was chosen on a large log learns little in as many passes
    over a small one, which are fewer steps. Where they are fewer than
    `least_steps`, the epochs, the patience and the epochs between two falls
    of the schedule `"step"` are multiplied by what is missing, at most by
    `MOST_TIMES`.

    Args:
        config: the configuration of a run.
        data: what it is trained on, without the validation part of a refit.

    Returns:
        The configuration that trains so, with `least_steps` 0.
    """
    if not config.least_steps:
        return config
    steps = config.epochs * max(training_batches(data, config), 1)
    times = min(max(config.least_steps / steps, 1.0), MOST_TIMES)
    falls = math.ceil(config.optimizer.step_epochs * times)
    return config.model_copy(
        update={
            "epochs": math.ceil(config.epochs * times),
            "patience": math.ceil(config.patience * times),
            "least_steps": 0,
            "optimizer": config.optimizer.model_copy(
                update={"step_epochs": falls}
            ),
        }
    )
