"""A part of the data of which only some samples are left."""

import dataclasses

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS


def with_selected(
    data: SequenceDataset, part: str, positions: np.ndarray
) -> SequenceDataset:
    """Returns the data with fewer samples of a part.

    All events stay where they are, in histories too; those of the part that
    are not selected are no targets.

    Args:
        data: the split data.
        part: "train", "validation" or "test".
        positions: int64 (n,), the samples that are left.
    """
    parts = np.array(data.parts)
    parts[parts == PARTS.index(part)] = len(PARTS)  # Of no part.
    parts[positions] = PARTS.index(part)
    return dataclasses.replace(data, parts=parts)
