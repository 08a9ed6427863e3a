"""The whole catalogue, scored by compiled functions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

WORTH_COMPILING = 16384
"""From how many items on the scoring of the catalogue is compiled."""


class CompiledRanking:
    """The signature `recommend`, made of its steps, the scoring by XLA.

    XLA scores a chunk of items in one pass over their vectors, where
    TensorFlow writes each step to memory. It compiles for each number of
    users, which is why these are filled up to a power of two. The SavedModel
    is not compiled itself: servers may refuse that.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        metadata: the content of `export.json`.
    """

    def __init__(self, served: Any, metadata: Mapping[str, Any]):
        parts = [
            tf.function(part, jit_compile=True, autograph=False)
            for part in served.score_parts
        ]

        def ranked(request, k, exclude_seen):
            read = served.read(request)
            encoded = served.encode(read["features"])
            scores = tf.concat([part(encoded) for part in parts], axis=1)
            return served.best(
                scores, read["seen"], read["empty"], k, exclude_seen
            )

        specs = request_specs(metadata)
        k = tf.TensorSpec([], tf.int32, "k")
        exclude_seen = tf.TensorSpec([], tf.bool, "exclude_seen")
        self._ranked = tf.function(
            ranked, input_signature=[specs, k, exclude_seen], autograph=False
        )

    @staticmethod
    def pays(metadata: Mapping[str, Any]) -> bool:
        """Whether a model is of the kind and size to compile it."""
        fixed = metadata["fixed_shapes"]
        return fixed and metadata["num_items"] >= WORTH_COMPILING

    def __call__(
        self, inputs: Mapping[str, np.ndarray], k: int, exclude_seen: bool
    ) -> dict[str, tf.Tensor]:
        """Returns `item_ids` (B, k) and `scores` (B, k).

        Args:
            inputs: the arrays of a request, see `export`.
            k: number of items.
            exclude_seen: whether items of the history are left out.
        """
        count = len(inputs["user_id"])
        found = self._ranked(_padded(inputs), np.int32(k), exclude_seen)
        return {name: value[:count] for name, value in found.items()}


def request_specs(metadata: Mapping[str, Any]) -> dict[str, tf.TensorSpec]:
    """Returns what the functions of an export are given, by name.

    Args:
        metadata: the content of `export.json`.
    """
    inputs = metadata["signatures"]["recommend"]["inputs"]
    return {
        name: tf.TensorSpec(one["shape"], one["dtype"], name)
        for name, one in inputs.items()
        if name not in ("k", "exclude_seen")
    }


def _padded(inputs: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """Fills a block up to a power of two rows."""
    count = len(inputs["user_id"])
    missing = (1 << (count - 1).bit_length()) - count
    filled = {}
    for name, values in inputs.items():
        if missing:
            nothing = "" if values.dtype == object else 0
            more = np.full((missing, *values.shape[1:]), nothing, values.dtype)
            values = np.concatenate([values, more])
        filled[name] = tf.convert_to_tensor(values)
    return filled
