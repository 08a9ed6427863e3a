"""What a model says of blocks of users, as if they were one."""

from collections.abc import Iterable
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

_OF_THE_MODEL = ("level", "interest")
"""What has no axis of users, and is the same in each block."""


def join_blocks(
    blocks: Iterable[Mapping[str, tf.Tensor]], longest: int
) -> dict[str, np.ndarray]:
    """Joins what the signatures on interests return for blocks of users.

    Args:
        blocks: for each block, tensors by name; see `Recommender.interests`
            and `Recommender.interest_distribution`.
        longest: the longest history of all blocks, up to which `attention`
            is filled with 0.
    """
    parts: dict[str, list] = {}
    for block in blocks:
        for name, tensor in block.items():
            value = tensor.numpy()
            if name == "attention":
                missing = longest - value.shape[2]
                value = np.pad(value, [(0, 0), (0, 0), (0, missing)])
            parts.setdefault(name, []).append(value)
    return {
        name: values[0] if name in _OF_THE_MODEL else np.concatenate(values)
        for name, values in parts.items()
    }
