"""The neighbours that a node of a temporal graph had before some time."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.types import Tensor
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int

SAMPLINGS = ("uniform", "recent")
INTEGER = "int"
"""int64 on TensorFlow, which keeps int32 variables and the arithmetic of
int32 on the CPU even where there is a GPU, and int32 on other backends."""


@register
class TemporalNeighbors(keras.layers.Layer):
    """Picks S of the events that a node took part in before a time.

    The layer holds the graph: for each node its events, sorted by time, in
    weights that do not train. How many of them are strictly earlier than the
    query is found by a binary search for all queries at once. All numbers fit
    into int32.

    Which S of the n earlier events are picked:

    - `"uniform"`, in training: S uniform draws with replacement;
    - `"uniform"`, in inference: all of them if n <= S, otherwise S that stand
      evenly spread over the past, the newest among them, without random
      numbers;
    - `"recent"`: the newest S, in training and in inference.

    Args:
        num_nodes: number of nodes; node 0 is nobody and has no events.
        num_events: number of events N of the graph. Each stands in two
            lists.
        num_neighbors: number of events S that are picked. Defaults to `20`.
        sampling: `"uniform"` or `"recent"`. Defaults to `"uniform"`.
        seed: seed of the draws. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        nodes: int, (...).
        times: int, (...), seconds since the origin of the graph.
        training: whether to draw.

    Returns:
        neighbors: int, (..., S), nodes; 0 where there is none.
        gaps: int, (..., S), seconds from the event to the query, above 0;
            0 where there is none.
        valid_mask: bool, (..., S).

    Raises:
        ValueError: `sampling` is unknown, or a size is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.tgsrec.temporal_neighbors import TemporalNeighbors
    >>> layer = TemporalNeighbors(4, num_events=2, num_neighbors=3)
    >>> layer.assign({  # node 1 met node 2 at 0 and node 3 at 10
    ...     "offsets": np.array([0, 0, 2, 3, 4]),
    ...     "neighbors": np.array([2, 3, 1, 1]),
    ...     "times": np.array([0, 10, 0, 10]),
    ...     "origin": np.array(1_600_000_000),
    ... })
    >>> neighbors, gaps, _ = layer(np.array([1, 1]), np.array([10, 11]))
    >>> np.asarray(neighbors).tolist(), np.asarray(gaps).tolist()
    ([[2, 0, 0], [2, 3, 0]], [[10, 0, 0], [11, 1, 0]])

    Reference: Fan et al., "Continuous-Time Sequential Recommendation with
    Temporal Graph Collaborative Transformer", CIKM 2021,
    https://arxiv.org/abs/2108.06625.

    Differences: the published code searches node by node in Python, loses the
    newest earlier event, takes the oldest events where it should take the
    newest, keeps times in float32, which rounds them to 128 seconds, and
    draws anew in evaluation, so that scores differ from call to call.
    """

    def __init__(
        self,
        num_nodes: int,
        num_events: int,
        num_neighbors: int = 20,
        sampling: str = "uniform",
        seed: int | None = None,
        **kwargs,
    ):
        check_positive_int(num_nodes, "num_nodes")
        check_positive_int(num_events, "num_events", 0)
        check_positive_int(num_neighbors, "num_neighbors")
        check_choice(sampling, "sampling", SAMPLINGS)
        super().__init__(**kwargs)
        self.num_nodes = num_nodes
        self.num_events = num_events
        self.num_neighbors = num_neighbors
        self.sampling = sampling
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.build()

    def build(self, nodes_shape=None):
        # One row at least, because nothing can be read from an empty table.
        rows = max(2 * self.num_events, 1)
        self.offsets = self._table("offsets", (self.num_nodes + 1,))
        self.neighbors = self._table("neighbors", (rows,))
        self.times = self._table("times", (rows,))
        self.origin = self._table("origin", ())
        self.built = True

    def _table(self, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=INTEGER,
            initializer="zeros",
            trainable=False,
        )

    def assign(self, graph: Mapping[str, Any]) -> None:
        """Takes the graph.

        Args:
            graph: arrays `offsets`, `neighbors`, `times` and `origin`, see
                `mgnm_tf.data.tables.temporal_graph`.

        Raises:
            ValueError: an array is missing or of another size.
        """
        events = (2 * self.num_events,)
        expected = {
            "offsets": (self.num_nodes + 1,),
            "neighbors": events,
            "times": events,
            "origin": (),
        }
        for name, shape in expected.items():
            if name not in graph:
                raise ValueError(f"The temporal graph lacks {name!r}.")
            if tuple(graph[name].shape) != shape:
                raise ValueError(
                    f"`{name}` of the temporal graph must have the shape "
                    f"{shape}, with {self.num_nodes} nodes and "
                    f"num_events={self.num_events}. Received: shape "
                    f"{tuple(graph[name].shape)}"
                )
        for name in expected:
            if self.num_events or name in ("offsets", "origin"):
                getattr(self, name).assign(graph[name])

    def relative(self, times: Tensor) -> Tensor:
        """Turns seconds since 1970 into seconds since the origin."""
        return ops.cast(times, INTEGER) - ops.convert_to_tensor(self.origin)

    def call(self, nodes, times, training=False):
        nodes, times = ops.cast(nodes, INTEGER), ops.cast(times, INTEGER)
        first = ops.take(self.offsets, nodes, axis=0)
        count = self._count_before(first, nodes, times)
        places, valid_mask = self.sample(count, training)
        places = ops.where(valid_mask, ops.expand_dims(first, -1) + places, 0)
        neighbors = ops.take(self.neighbors, places, axis=0)
        gaps = ops.expand_dims(times, -1) - ops.take(self.times, places, axis=0)
        return (
            ops.where(valid_mask, neighbors, 0),
            ops.where(valid_mask, gaps, 0),
            valid_mask,
        )

    def _count_before(self, first, nodes, times):
        """Returns how many events of each node are earlier, int (...)."""
        end = ops.take(self.offsets, nodes + 1, axis=0)
        newest = first - 1  # the newest event that is known to be earlier
        for power in reversed(range((2 * self.num_events).bit_length())):
            probe = newest + 2**power
            inside = probe < end
            time = ops.take(self.times, ops.where(inside, probe, 0), axis=0)
            earlier = ops.logical_and(inside, time < times)
            newest = ops.where(earlier, probe, newest)
        return newest - first + 1

    def sample(self, count: Tensor, training: bool = False):
        """Picks S places among the first `count` of a list.

        Args:
            count: int, (...).
            training: whether to draw.

        Returns:
            places: int, (..., S), from 0 to `count` - 1 where valid.
            valid_mask: bool, (..., S).
        """
        size = self.num_neighbors
        column = ops.arange(size, dtype=INTEGER)
        count = ops.expand_dims(ops.cast(count, INTEGER), -1)
        if self.sampling == "uniform" and training:
            drawn = keras.random.uniform(
                (*ops.shape(count)[:-1], size),
                dtype="float32",
                seed=self.seed_generator,
            )
            places = ops.floor(drawn * ops.cast(count, "float32"))
            # Rounding may reach the end.
            places = ops.minimum(ops.cast(places, INTEGER), count - 1)
            return places, ops.broadcast_to(count > 0, ops.shape(places))
        if self.sampling == "uniform":
            # In two terms, because (column + 1) * count may overflow.
            spread = (column + 1) * (count // size) - 1
            spread = spread + (column + 1) * (count % size) // size
        else:
            spread = count - size + column
        return ops.where(count > size, spread, column), column < count

    def compute_output_spec(self, nodes, times, training=False):
        shape = (*nodes.shape, self.num_neighbors)
        return tuple(
            keras.KerasTensor(shape, dtype=dtype)
            for dtype in (INTEGER, INTEGER, "bool")
        )

    def get_config(self):
        return {
            **super().get_config(),
            "num_nodes": self.num_nodes,
            "num_events": self.num_events,
            "num_neighbors": self.num_neighbors,
            "sampling": self.sampling,
            "seed": self.seed,
        }
