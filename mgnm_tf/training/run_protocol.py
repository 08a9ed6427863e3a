"""How a run is evaluated where nothing else is asked for."""

from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.config import TrainConfig


def protocol_of_run(config: TrainConfig, part: str = "test") -> Protocol:
    """Returns `Protocol()` with what the recipe says of the task.

    What is tested is what chose the epoch: a recipe that validates among all
    items (the session models) is tested among all, and `exclude` is that of
    its validation. Fewer negatives in the validation, which only save time,
    do not make the test easier.

    Args:
        config: the configuration of the run.
        part: "validation" or "test". Defaults to `"test"`.
    """
    negatives = Protocol().negatives
    if config.validation_negatives == "all":
        negatives = "all"
    return Protocol(
        part=part,
        negatives=negatives,
        exclude=config.validation_exclude,
        max_length=config.max_length,
        k=config.k,
    )
