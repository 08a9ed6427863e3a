"""From a request to the interests of its users, fast for a single one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

_SHORTEST = 32
"""The least length to which a history is padded where it is compiled."""


class InterestReader:
    """Reads requests and encodes their histories once.

    For a single user the steps of a small model are too many for their work.
    Then XLA makes one of them, which halves the time, but takes seconds for
    each new length; so histories are padded to 32, 64, ... items, and the
    first request of a length waits.

    Letters in shapes: B users, n interests, d width, m the longest history
    given.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        request: specifications of the tensors of a request, by name.
        max_length: the longest history that the model reads.
        compiled: whether requests of one user are compiled. Defaults to
            `False`.
    """

    threads = 1
    """By how many threads users are read: TensorFlow has its own."""

    def __init__(
        self,
        served: Any,
        request: Mapping[str, tf.TensorSpec],
        max_length: int,
        compiled: bool = False,
    ):
        self._served = served
        self._max_length = max_length
        self._compiled_encode = tf.function(
            served.encode, jit_compile=True, autograph=False
        )
        signature = {"input_signature": [dict(request)], "autograph": False}
        self._many = tf.function(self._read, **signature)
        self._one = self._many
        if compiled:
            self._one = tf.function(self._read_one, **signature)

    def __call__(
        self, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Encodes the histories of a request.

        Args:
            inputs: the arrays of the request, see `export`.

        Returns:
            What the model scores by; `interests` float32 (B, n, d); `seen`
            int32 (B, m), the rows of the items, 0 for none; `empty` bool
            (B,), who has no history.
        """
        tensors = {key: tf.convert_to_tensor(x) for key, x in inputs.items()}
        read = self._one if len(inputs["user_id"]) == 1 else self._many
        encoded, *others = read(tensors)
        return encoded, *(tensor.numpy() for tensor in others)

    def score_each(self, encoded: Any, vectors: np.ndarray) -> np.ndarray:
        """Scores items by their vectors.

        Args:
            encoded: what the model scores by, of B users.
            vectors: float32 (B, C, d).

        Returns:
            float32 (B, C).
        """
        return self._served.score_each(encoded, vectors).numpy()

    def _read(self, request):
        read = self._served.read(request)
        return _with_interests(self._served.encode(read["features"]), read)

    def _read_one(self, request):
        read = self._served.read(request)
        features = _padded(read["features"], self._max_length)
        return _with_interests(self._compiled_encode(features), read)


def _with_interests(encoded, read):
    # `encode` returns the interests alone, or a dict with them.
    interests = encoded
    if isinstance(encoded, Mapping):
        interests = encoded["interests"]
    shape = tf.shape(interests)
    count = tf.reduce_prod(shape[1:-1])
    interests = tf.reshape(
        tf.cast(interests, tf.float32), [shape[0], count, shape[-1]]
    )
    return encoded, interests, read["seen"], read["empty"]


def _padded(features, max_length):
    """Pads what runs along the history to one of few lengths."""
    length = tf.shape(features["history"])[1]
    lengths, target = [max_length], _SHORTEST
    while target < max_length:
        lengths.insert(-1, target)
        target *= 2
    lengths = tf.constant(lengths)
    target = tf.reduce_min(tf.boolean_mask(lengths, lengths >= length))
    return {
        name: tf.pad(values, [[0, 0], [0, target - length]])
        if name.startswith("history")
        else values
        for name, values in features.items()
    }
