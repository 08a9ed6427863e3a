"""A second training, on the validation part as well."""

from dataclasses import replace

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.config import TrainConfig


def with_validation(data: SequenceDataset) -> SequenceDataset:
    """Returns a data set whose training part holds the validation part, too.

    Rows of users and items stay, so what is trained on it can be evaluated
    and served on `data`: a user without an event in the training part keeps
    row 0, and an item that only validation has stays out. The fingerprint is
    that of `data`, as it is the rows that it stands for.

    Args:
        data: the data set.
    """
    parts = np.array(data.parts)
    parts[parts == PARTS.index("validation")] = PARTS.index("train")
    joined = replace(data, parts=parts)
    vars(joined)["fingerprint"] = data.fingerprint
    return joined


def check_unseen(config: TrainConfig, protocol: Protocol, what: str) -> None:
    """Refuses to evaluate a model on the validation part it was trained on.

    Args:
        config: the configuration of the run.
        protocol: how it is to be evaluated.
        what: the run, the first words of the sentence.

    Raises:
        UserError: the run is a refit, and the part is "validation".
    """
    if config.refit and protocol.part == "validation":
        raise UserError(
            f"{what} is trained on the validation part, too (refit), so that "
            "part cannot tell what it is worth; evaluate the run in its "
            "folder `choice`, or the part 'test'."
        )
