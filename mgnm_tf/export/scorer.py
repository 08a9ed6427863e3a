"""A model's scores of any part of the catalogue, for a graph."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mgnm_tf.models.base import SequentialRecommender

_CHUNK = 4096
"""Items scored at a time: what is computed of them stays in the cache."""
_CHUNK_OF_PAIRS = 1024
"""The same for models with `max_pairs`."""
_SCORES = 1 << 22
"""Scores of the whole catalogue that are in memory at a time."""
_PAIRS = 1 << 20
"""Pairs of history and candidate whose item vectors are in memory at a time."""

_PAIRS_AT_ONCE = 1 << 15
"""Pairs that are scored by vectors at a time, which the cache holds."""


class Scorer:
    """Calls the methods of a model and cuts their work into pieces.

    Args:
        model: the trained model.
    """

    def __init__(self, model: SequentialRecommender):
        self.model = model
        self.under_policy = _UnderPolicy(
            dtype=model.dtype_policy, name="served"
        )
        self.table = _item_table(model)

    @property
    def rows_at_a_time(self) -> int:
        """How many histories are ranked over the whole catalogue at a time."""
        rows = max(1, min(256, _SCORES // self.model.num_items))
        return self.model.max_batch_size(rows, self.chunk)

    @property
    def chunk(self) -> int:
        """How many items are scored at a time."""
        if self.model.max_pairs is None:
            return _CHUNK
        return min(_CHUNK_OF_PAIRS, self.model.max_pairs)

    def run(self, function: Callable, *arguments):
        """Calls a function of the model under its dtype policy."""
        return self.under_policy(
            tf.constant(0), call_this=lambda: function(*arguments)
        )

    def encode(self, features: dict[str, tf.Tensor]):
        """Returns what the model computes once for a history."""
        return self.run(self.model.encode, features)

    def score(self, encoded: Any, candidates: tf.Tensor) -> tf.Tensor:
        """Scores candidates (B, C) int32 in pieces; float32 (B, C)."""
        count, width = tf.unstack(tf.shape(candidates))
        limit = self.model.max_pairs or _PAIRS

        def score_rows(start, stop):
            rows, listed = cut(encoded, start, stop), candidates[start:stop]

            def score_columns(start, stop):
                part = listed[:, start:stop]
                scores = self.run(self.model.score, rows, part)
                return tf.transpose(tf.cast(scores, tf.float32))

            columns = in_blocks(
                score_columns, width, limit, [[None, None]], [tf.float32]
            )
            return tf.transpose(columns[0])

        size = tf.maximum(1, limit // tf.maximum(1, width))
        return in_blocks(score_rows, count, size, [[None, None]], [tf.float32])[
            0
        ]

    def score_vectors(self, encoded: Any, vectors: tf.Tensor) -> tf.Tensor:
        """Scores items given by their vectors; float32 (B, C).

        Args:
            encoded: of B histories.
            vectors: float32 (C, d), or (B, C, d), others for each history.
        """
        scores = self.run(self.model.score_vectors, encoded, vectors)
        return tf.cast(scores, tf.float32)

    def score_each(self, encoded: Any, vectors: tf.Tensor) -> tf.Tensor:
        """Scores items of each history by their vectors.

        Args:
            encoded: of B histories.
            vectors: float32 (B, C, d), other items for each history.

        Returns:
            float32 (B, C).
        """
        count, width = tf.unstack(tf.shape(vectors)[:2])
        return in_blocks(
            lambda start, stop: self.score_vectors(
                cut(encoded, start, stop), vectors[start:stop]
            ),
            count,
            tf.maximum(1, _PAIRS_AT_ONCE // tf.maximum(1, width)),
            [[None, None]],
            [tf.float32],
        )[0]

    def score_range(self, encoded: Any, start: int, stop: int) -> tf.Tensor:
        """Scores the items of rows start to stop - 1; float32 (B, C)."""
        size, chunk = stop - start, self.chunk
        table = None if self.table is None else self.table.read_value()

        def part(first, count):
            if table is None:
                rows = first + tf.range(count)
                scores = self.run(self.model.score, encoded, rows)
            else:
                vectors = tf.slice(table, [first, 0], [count, table.shape[1]])
                scores = self.score_vectors(encoded, vectors)
            return tf.cast(scores, tf.float32)

        whole, rest = divmod(size, chunk)
        parts = []
        if whole:
            _, chunks = tf.while_loop(
                lambda index, _: index < whole,
                lambda index, chunks: (
                    index + 1,
                    chunks.write(index, part(start + index * chunk, chunk)),
                ),
                (0, tf.TensorArray(tf.float32, whole)),
                parallel_iterations=1,
            )
            chunks = tf.transpose(chunks.stack(), (1, 0, 2))
            parts.append(tf.reshape(chunks, (-1, whole * chunk)))
        if rest:
            parts.append(part(tf.constant(stop - rest), rest))
        return tf.concat(parts, axis=1)


def in_blocks(
    function: Callable,
    count: tf.Tensor,
    size: tf.Tensor | int,
    shapes: list,
    dtypes: list,
) -> list[tf.Tensor]:
    """Calls a function of (start, stop) on blocks and joins the results.

    Args:
        function: returns a tensor or a list of tensors, rows first.
        count: int32 (), number of rows.
        size: the most rows of a block.
        shapes: of each result.
        dtypes: of each result.

    Returns:
        The list of joined results.
    """
    blocks = tf.maximum(1, (count + size - 1) // size)
    arrays = [
        tf.TensorArray(dtype, blocks, infer_shape=False, element_shape=shape)
        for dtype, shape in zip(dtypes, shapes, strict=True)
    ]

    def body(index, arrays):
        start = index * size
        results = function(start, tf.minimum(count, start + size))
        results = tf.nest.flatten(results)
        return index + 1, [
            array.write(index, result)
            for array, result in zip(arrays, results, strict=True)
        ]

    _, arrays = tf.while_loop(
        lambda index, _: index < blocks,
        body,
        (0, arrays),
        parallel_iterations=1,
    )
    return [array.concat() for array in arrays]


def cut(structure: Any, start: tf.Tensor, stop: tf.Tensor) -> Any:
    """Takes rows out of every tensor of a structure."""
    return tf.nest.map_structure(lambda x: x[start:stop], structure)


class _UnderPolicy(keras.layers.Layer):
    """Runs what a model computes outside of its `call` under its policy."""

    def call(self, _, call_this):
        return call_this()


def _item_table(model: SequentialRecommender) -> tf.Variable | None:
    """Returns the item vectors (M + 1, d), for models scored by them.

    It is the variable of the model where there is one with these values.
    """
    if not {"score_vectors", "item_vectors"} <= model.capabilities:
        return None
    vectors = ops.convert_to_numpy(model.item_vectors())
    for variable in model.variables:
        same = variable.shape == vectors.shape
        if same and np.array_equal(variable.numpy()[1:], vectors[1:]):
            return variable.value
    return tf.Variable(vectors, trainable=False, name="item_vectors")
