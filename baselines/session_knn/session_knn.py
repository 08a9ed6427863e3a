"""The search of similar training sessions that S-kNN and V-S-kNN share."""

import numpy as np
from keras import ops

from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.types import Tensor
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int

LARGEST = 2**31 - 1
"""Rows times sessions must stay below: they number the pairs in int32."""

PRECISION = 2.0**20
"""Similarities that differ by less than the inverse are equal."""


class SessionKNNRecommender(StatisticalRecommender):
    """Scores an item by the similar training sessions that hold it.

    ```
    candidates  the `sample_size` most recent sessions that share an item
                with the history
    N           the `num_neighbors` most similar candidates
    score(j) = sum of weight(s) over the sessions s in N that hold j
    ```

    A session is the set of its items. Equally similar sessions are taken the
    most recent one first. A subclass writes `similarity`, and, where it
    differs from that of S-kNN, `position_weights`, `decay` and
    `item_factors`.

    The sessions are those of the table `training_sessions`; `fit` has nothing
    to add to them. The work depends on how many sessions the items of a batch
    have, so the graph has dynamic shapes, and XLA does not compile it.

    Args:
        num_users: number of training sessions S; ids are not used.
        num_items: number of items M; item 0 is padding.
        num_events: number of training events, which bounds the size of the
            table. Defaults to `0`.
        num_neighbors: most similar sessions that count. Defaults to `100`.
        sample_size: most recent sessions that are compared. Defaults to
            `500`.
        similarity: see the subclass.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: a size is out of its range, or the similarity is unknown.
    """

    required_tables = ("training_sessions",)
    options_of_the_data = ("num_events",)
    similarities: tuple[str, ...] = ()
    """What a subclass knows as `similarity`."""

    last: int | None = None
    """How many of the newest items are compared; `None` for all."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        num_events: int = 0,
        num_neighbors: int = 100,
        sample_size: int = 500,
        similarity: str = "cosine",
        **kwargs,
    ):
        check_positive_int(num_events, "num_events", 0)
        check_positive_int(num_neighbors, "num_neighbors")
        check_positive_int(sample_size, "sample_size")
        check_choice(similarity, "similarity", self.similarities)
        super().__init__(num_users, num_items, **kwargs)
        # Keras compiles on JAX and TensorFlow what has static shapes alone.
        self.supports_jit = False
        self.num_events = num_events
        self.num_neighbors = num_neighbors
        self.sample_size = sample_size
        self.similarity = similarity
        sizes = {
            "session_offsets": num_users + 1,
            "session_items": num_events,
            "item_offsets": num_items + 2,
            "item_sessions": num_events,
            "item_counts": num_items + 1,
        }
        for name, size in sizes.items():
            weight = self.add_weight(
                name=name,
                # A row is looked up even where there is nothing to find.
                shape=(max(size, 1),),
                dtype="int32",
                initializer="zeros",
                trainable=False,
                autocast=False,
            )
            setattr(self, name, weight)
        self.built = True

    @classmethod
    def data_arguments(cls, data):
        return {
            **super().data_arguments(data),
            "num_events": data.num_training_events,
        }

    def load_tables(self, tables):
        """Takes `training_sessions`, see `mgnm_tf.make_tables`.

        Raises:
            ValueError: it is missing or not of the size of the model.
        """
        if "training_sessions" not in tables:
            raise ValueError(
                f"{type(self).__name__} reads the table 'training_sessions'. "
                f"Received: {', '.join(map(repr, tables)) or 'none'}"
            )
        table = tables["training_sessions"]
        offsets = np.asarray(table["offsets"])
        items = np.asarray(table["items"])
        counts = np.asarray(table["item_counts"])
        found = (len(offsets) - 1, len(counts) - 1, int(counts.sum()))
        wanted = (self.num_users, self.num_items, self.num_events)
        if found != wanted:
            raise ValueError(
                "'training_sessions' must hold as many sessions, items and "
                f"events as the model was made for, {wanted}. Received: "
                f"{found}"
            )
        sessions = np.repeat(np.arange(self.num_users), np.diff(offsets))
        # Stable, so that the sessions of an item stay in their order.
        order = np.argsort(items, kind="stable")
        lengths = np.bincount(items, minlength=self.num_items + 1)
        self.session_offsets.assign(offsets)
        self.session_items.assign(_filled(items, self.session_items))
        self.item_offsets.assign(np.concatenate([[0], np.cumsum(lengths)]))
        self.item_sessions.assign(_filled(sessions[order], self.item_sessions))
        self.item_counts.assign(counts)

    def has_tables(self):
        return self.num_events == 0 or int(self.session_offsets[-1]) > 0

    def learn(self, batches):
        """Reads nothing: all that is to be known stands in the table.

        Raises:
            ValueError: the model has not got its table yet.
        """
        if not self.has_tables():
            raise ValueError(
                f"{type(self).__name__} reads tables of the data; before "
                "`fit` give it them: model.load_tables(mgnm_tf.make_tables("
                "data, model.required_tables))"
            )
        for _ in batches:
            pass

    def max_batch_size(self, batch_size, candidates):
        return min(batch_size, max(1, LARGEST // (self.num_users + 1) - 1))

    # === What a subclass may write ===

    def position_weights(self, places: Tensor, lengths: Tensor) -> Tensor:
        """Returns the weight of each history item in the similarity.

        Args:
            places: int32 (B, m), 0 for the newest item, then 1, ...
            lengths: int32 (B, 1), items of the history.

        Returns:
            float32 (B, m).
        """
        return ops.ones_like(places, dtype="float32")

    def compare(
        self, overlap: Tensor, size: Tensor, squares: Tensor, other: Tensor
    ) -> Tensor:
        """Returns how similar sessions are to the history, all float32 (n,).

        Args:
            overlap: sum of the position weights of the common items.
            size: distinct items of the history.
            squares: sum of the squared position weights of the history.
            other: distinct items of the session.
        """
        raise NotImplementedError

    def decay(self, steps: Tensor) -> Tensor:
        """Returns the factor of a neighbour, float32, the shape of `steps`.

        Args:
            steps: float32, 1 where the newest item of the history is common,
                2 where it is the one before, ...
        """
        return ops.ones_like(steps)

    def item_factors(self) -> Tensor | None:
        """Returns the factor of each item (M + 1,), `None` for 1."""
        return None

    # === Shared ===

    def encode(self, features, training=False):
        """Returns the scores of the whole catalogue, (B, M + 1)."""
        history = ops.cast(ops.convert_to_tensor(features["history"]), "int32")
        ranks, similarities, steps = self._candidates(history)
        # Sums in another order differ in their last bits and are still ties.
        _, index = ops.top_k(
            ops.round(similarities * PRECISION),
            min(self.num_neighbors, self.sample_size),
        )
        best = ops.take_along_axis(similarities, index, axis=1)
        ranks = ops.take_along_axis(ranks, index, axis=1)
        steps = ops.take_along_axis(steps, index, axis=1)
        found = best > 0
        weights = ops.where(found, best * self.decay(steps), 0.0)
        return self._item_scores(ops.where(found, ranks, -1), weights)

    def _candidates(self, history: Tensor):
        """Finds the candidates of each history.

        Returns:
            ranks (int32), similarities and steps, all (B, `sample_size`), the
            most recent first; a similarity of 0 stands for "none".
        """
        batch = ops.shape(history)[0]
        width, size = self.num_users + 1, self.sample_size
        valid_mask = valid_positions(history)
        places = places_from_newest(valid_mask)
        lengths = ops.sum(ops.cast(valid_mask, "int32"), axis=-1, keepdims=True)
        # An item counts once, where it stands last.
        last = ops.logical_and(valid_mask, ops.logical_not(_again(history)))
        compared = last
        if self.last is not None:
            compared = ops.logical_and(last, places < self.last)
        weights = self.position_weights(places, lengths)
        weights = ops.where(compared, weights, 0.0)
        # No session is cut off that counts: what is among the most recent
        # ones of all items is so among those of each item.
        starts = ops.take(self.item_offsets, history, axis=0)
        counts = ops.take(self.item_offsets, history + 1, axis=0) - starts
        counts = ops.where(last, ops.minimum(counts, size), 0)
        slots, offsets, real = expand(ops.reshape(counts, (-1,)))
        ranks = ops.take(
            self.item_sessions,
            ops.where(real, ops.take(_flat(starts), slots) + offsets, 0),
        )
        rows = slots // ops.maximum(ops.shape(history)[1], 1)
        # One run of equal numbers for each pair of a history and a session.
        pairs = ops.where(real, rows * width + ranks, batch * width)
        order = ops.argsort(pairs)
        pairs = ops.take(pairs, order)
        slots = ops.take(slots, order)
        is_first = ops.concatenate(
            [ops.ones_like(pairs[:1], dtype="bool"), pairs[1:] != pairs[:-1]],
            axis=0,
        )
        runs = ops.cumsum(ops.cast(is_first, "int32")) - 1
        total = ops.shape(pairs)[0]
        overlap = ops.segment_sum(
            ops.take(_flat(weights), slots), runs, num_segments=total
        )
        nearest = ops.segment_max(
            -ops.take(_flat(places), slots), runs, num_segments=total
        )
        # A run begins where its rank does; the numbers within a row ascend.
        rows, ranks = pairs // width, pairs % width
        real = ops.logical_and(is_first, rows < batch)
        row_starts = ops.searchsorted(pairs, rows * width, side="left")
        numbers = runs - ops.take(runs, ops.cast(row_starts, "int32"))
        real = ops.logical_and(real, numbers < size)
        rows = ops.where(real, rows, 0)
        ranks = ops.where(real, ranks, 0)
        similarities = self.compare(
            ops.take(overlap, runs),
            ops.take(ops.sum(ops.cast(compared, "float32"), axis=1), rows),
            ops.take(ops.sum(ops.square(weights), axis=1), rows),
            ops.cast(
                ops.take(self.session_offsets, ranks + 1)
                - ops.take(self.session_offsets, ranks),
                "float32",
            ),
        )
        cells = ops.where(real, rows * size + numbers, batch * size)

        def spread(values):
            table = ops.segment_sum(
                values, cells, num_segments=batch * size + 1
            )
            return ops.reshape(table[:-1], (-1, size))

        steps = 1 - ops.take(nearest, runs)
        return (
            spread(ops.where(real, ranks, 0)),
            spread(ops.where(real, similarities, 0.0)),
            spread(ops.where(real, ops.cast(steps, "float32"), 0.0)),
        )

    def _item_scores(self, ranks: Tensor, weights: Tensor) -> Tensor:
        """Adds the weights (B, k) up over the items of the sessions.

        Args:
            ranks: int32 (B, k), -1 for "none".
            weights: float32 (B, k).
        """
        batch, width = ops.shape(ranks)[0], self.num_items + 1
        real = ranks >= 0
        ranks = ops.where(real, ranks, 0)
        starts = ops.take(self.session_offsets, ranks)
        counts = ops.take(
            self.session_offsets, ops.minimum(ranks + 1, self.num_users)
        )
        counts = ops.where(real, counts - starts, 0)
        slots, offsets, real = expand(_flat(counts))
        items = ops.take(
            self.session_items,
            ops.where(real, ops.take(_flat(starts), slots) + offsets, 0),
        )
        scores = ops.segment_sum(
            ops.where(real, ops.take(_flat(weights), slots), 0.0),
            ops.where(real, slots // ranks.shape[1] * width + items, 0),
            num_segments=batch * width,
        )
        scores = ops.reshape(scores, (-1, width))
        factors = self.item_factors()
        return scores if factors is None else scores * factors

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        if len(candidates.shape) == 1:
            return ops.take(encoded, candidates, axis=1)
        return ops.take_along_axis(encoded, candidates, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_events": self.num_events,
            "num_neighbors": self.num_neighbors,
            "sample_size": self.sample_size,
            "similarity": self.similarity,
        }


def expand(counts: Tensor):
    """Writes slot i `counts[i]` times, and one more entry at the end.

    Args:
        counts: int32 (n,), n at least 1.

    Returns:
        slots int32 (sum of counts + 1,), offsets within the slot, and
        whether the entry is real: the last one is not, so that there is
        always one.
    """
    ends = ops.cumsum(counts)
    total = ends[-1]
    entries = ops.arange(total + 1, dtype="int32")
    slots = ops.cast(ops.searchsorted(ends, entries, side="right"), "int32")
    slots = ops.minimum(slots, ops.shape(counts)[0] - 1)
    return (
        slots,
        entries - ops.take(ends - counts, slots),
        entries < total,
    )


def _again(history: Tensor) -> Tensor:
    """Marks the items (B, m) that stand in their history later, too."""
    places = ops.arange(ops.shape(history)[1])
    later = places[None, :] > places[:, None]
    equal = ops.equal(history[:, :, None], history[:, None, :])
    return ops.any(ops.logical_and(equal, later), axis=-1)


def _flat(values: Tensor) -> Tensor:
    return ops.reshape(values, (-1,))


def _filled(values: np.ndarray, weight) -> np.ndarray:
    """Returns `values` with zeros behind them, as long as the weight."""
    result = np.zeros(weight.shape, "int32")
    result[: len(values)] = values
    return result
