"""What is said to somebody whose recipe is not the one for their data."""

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.steps.session_splits import WHOLE_SESSIONS
from mgnm_tf.models.registry import recipes_of
from mgnm_tf.runs.config import TrainConfig

LONG_HISTORIES = 50
"""Median events of a user from which MGNM gets its part for long ones."""

_FOR_SESSIONS, _FOR_LONG = "sessions", "long_history"


def remarks_on(config: TrainConfig, data: SequenceDataset) -> list[str]:
    """Returns sentences on a recipe and the data that it is trained on.

    Args:
        config: the configuration of a run.
        data: what it is trained on.

    Returns:
        The sentences; none where there is nothing to say, as of a recipe
        that somebody has put together.
    """
    if config.recipe != config.model:
        return []
    parts = recipes_of(config.model)
    if data.metadata.get("split", {}).get("method") in WHOLE_SESSIONS:
        if config.validation_exclude == "none":
            return []
        remedy = "--validation-exclude none --validation-negatives all"
        if _FOR_SESSIONS in parts:
            remedy = f"{config.model}+{_FOR_SESSIONS}, or {remedy}"
        return [
            "The data are whole sessions, and the next click of one is often "
            f"an item of it: {config.model} is validated and tested without "
            f"those. Asked as sessions are: {remedy}."
        ]
    events = np.diff(np.asarray(data.offsets[1:]))
    median = float(np.median(events)) if len(events) else 0.0
    if median >= LONG_HISTORIES and _FOR_LONG in parts:
        return [
            f"Half of the users have {median:.0f} events or more: "
            f"{config.model}+{_FOR_LONG} is the recipe for long histories."
        ]
    return []
