"""A model with its ids, as the functions of a SavedModel."""

from typing import Any

import numpy as np
import tensorflow as tf

from mgnm_tf.errors import UserError
from mgnm_tf.export.graph_functions import is_read
from mgnm_tf.export.graph_functions import named
from mgnm_tf.export.graph_functions import specs_of
from mgnm_tf.export.graph_functions import traced
from mgnm_tf.export.histories_in_graph import compact
from mgnm_tf.export.histories_in_graph import expand
from mgnm_tf.export.histories_in_graph import scatter
from mgnm_tf.export.scorer import Scorer
from mgnm_tf.export.scorer import cut
from mgnm_tf.export.scorer import in_blocks
from mgnm_tf.export.single_value import single_value
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.models.base import SequentialRecommender

NOTHING = float("-inf")
"""The score of what cannot be recommended."""

_PARALLEL_FROM = 16384
"""From how many items on two parts of the catalogue are scored side by side."""
_KNOWN_FEATURES = ("history_time", "candidate_time", "history_category")


class ServedModel(tf.Module):
    """Functions from raw ids to raw ids.

    Letters in shapes: B users, m history length as given, w as the model
    sees it, C candidates, M items, n interests, d width.

    `read`, `encode`, `score_parts` and `best` are the steps of `recommend`;
    who compiles them anew finds them here. `score_each` scores the candidates
    of an index.

    Args:
        model: the trained model.
        vocabularies: its raw ids.
        max_length: the longest history that the model reads.

    Raises:
        UserError: the vocabularies do not fit the model, or the model reads
            what a request does not hold.
    """

    def __init__(
        self,
        model: SequentialRecommender,
        vocabularies: Vocabularies,
        max_length: int,
    ):
        super().__init__()
        _check(model, vocabularies)
        self._names = tuple(model.required_features)
        self._max_length = max_length
        self._num_items = model.num_items
        # The model itself is not tracked: of it only weights are saved.
        self._scorer = _Hidden(Scorer(model))
        self.weights = [variable.value for variable in model.variables]
        self.item_table = self._scorer.value.table
        with tf.device("/cpu:0"):
            self.user_rows = _rows_of(vocabularies.user_ids)
            self.item_rows = _rows_of(vocabularies.item_ids)
            self._item_ids = tf.constant(["", *vocabularies.item_ids])
            counts = np.asarray(vocabularies.item_counts, np.float64)
            share = counts / max(1.0, counts.sum())
            self._share = tf.constant([0.0, *share], tf.float32)
            order = np.argsort(-counts, kind="stable") + 1
            self._popular = tf.constant(order.astype(np.int32))
            if vocabularies.item_categories is not None:
                categories = [0, *vocabularies.item_categories]
                self._categories = tf.constant(categories, tf.int32)
        self._make_functions()

    # === Functions with signatures ===

    def _make_functions(self):
        request = self._request()
        self.read = traced(self._read, request)
        features = self.read.get_concrete_function().structured_outputs
        features = specs_of(features["features"])
        self.encode = traced(self._scorer.value.encode, features)
        self.reads_users = is_read("user", features, self.encode)
        if not self.reads_users:
            # Ids of persons have no business in a file that is passed on.
            with tf.device("/cpu:0"):
                self.user_rows = _rows_of(np.array([], object))
            self.read = traced(self._read, request)
        encode = self.encode.get_concrete_function()
        encoded = specs_of(encode.structured_outputs)
        self.score_parts = [
            traced(self._part(*bounds), encoded) for bounds in self._bounds()
        ]
        if self.item_table is not None:
            width = self.item_table.shape[1]
            self.score_each = traced(
                self._scorer.value.score_each,
                encoded,
                tf.TensorSpec([None, None, width], tf.float32, "vectors"),
            )
        integers = tf.TensorSpec([None, None], tf.int32)
        self.best = traced(
            self._best,
            tf.TensorSpec([None, None], tf.float32, "scores"),
            integers,
            tf.TensorSpec([None], tf.bool, "empty"),
            tf.TensorSpec([], tf.int32, "k"),
            tf.TensorSpec([], tf.bool, "exclude_seen"),
        )

    @property
    def fixed_shapes(self) -> bool:
        """Whether what is scored by has the same size for all histories.

        Then it pays to compile the scoring of the whole catalogue.
        """
        if self.item_table is None:
            return False
        (part,) = self.score_parts[:1]
        specs = tf.nest.flatten(part.input_signature)
        return all(spec.shape[1:].is_fully_defined() for spec in specs)

    @property
    def rows_at_a_time(self) -> int:
        """How many histories are ranked over the whole catalogue at a time."""
        return self._scorer.value.rows_at_a_time

    def signatures(self) -> dict[str, Any]:
        """Returns the functions that a server offers, by name."""
        request = self._request()
        # Of any shape, as servers that know rows alone repeat them for each.
        k = tf.TensorSpec(None, tf.int32, "k")
        exclude_seen = tf.TensorSpec(None, tf.bool, "exclude_seen")
        candidates = tf.TensorSpec([None, None], tf.string, "candidates")
        found = {
            "recommend": named(
                self._recommend, request, k=k, exclude_seen=exclude_seen
            ),
            "score": named(self._score, request, candidates=candidates),
        }
        found["serving_default"] = found["recommend"]
        scorer = self._scorer.value
        if self.item_table is not None:
            width = self.item_table.shape[1]
            vectors = tf.TensorSpec([None, width], tf.float32, "vectors")
            found["score_vectors"] = named(
                self._score_vectors, request, vectors=vectors
            )
        if "interests" in scorer.model.capabilities:
            found["interests"] = named(self._interests, request)
        if "interest_distribution" in scorer.model.capabilities:
            found["interest_distribution"] = named(
                self._interest_distribution, request
            )
        return found

    def _request(self) -> dict[str, tf.TensorSpec]:
        """Returns what each function is given."""
        request = {
            "user_id": tf.TensorSpec([None], tf.string, "user_id"),
            "history": tf.TensorSpec([None, None], tf.string, "history"),
        }
        if "history_time" in self._names:
            request["history_time"] = tf.TensorSpec(
                [None, None], tf.int64, "history_time"
            )
        if {"history_time", "candidate_time"} & set(self._names):
            request["time"] = tf.TensorSpec([None], tf.int64, "time")
        return request

    # === Steps ===

    def _read(self, request):
        """Turns a request into what the model reads.

        Returns:
            dict of `features`, a batch without candidates; `seen` int32
            (B, m), the rows of the items, 0 for none; `empty` bool (B,), who
            has no history; `place` and `kept`, see `compact`.
        """
        seen = self.item_rows.lookup(request["history"])
        same = "`user_id` and `history` must have the same number of rows."
        count = tf.shape(request["user_id"])[:1]
        given = [request[key] for key in request if key != "user_id"]
        checks = [
            tf.debugging.assert_equal(tf.shape(x)[:1], count, same)
            for x in given
        ]
        with tf.control_dependencies(checks):
            history, place, kept = compact(seen, self._max_length)
        features = {
            "user": self.user_rows.lookup(request["user_id"]),
            "history": history,
        }
        if "history_time" in self._names:
            features["history_time"] = scatter(
                request["history_time"], place, kept, tf.shape(history)[1]
            )
        if "candidate_time" in self._names:
            features["candidate_time"] = request["time"][:, None]
        if "history_category" in self._names:
            features["history_category"] = tf.gather(self._categories, history)
        return {
            "features": features,
            "seen": seen,
            "empty": tf.equal(history[:, 0], 0),
            "place": place,
            "kept": kept,
        }

    def _bounds(self):
        """Returns the first and last row of each part of the catalogue."""
        stop = self._num_items + 1
        if self._num_items < _PARALLEL_FROM:
            return [(1, stop)]
        return [(1, stop // 2), (stop // 2, stop)]

    def _part(self, start, stop):
        return lambda encoded: self._scorer.value.score_range(
            encoded, start, stop
        )

    def _best(self, scores, seen, empty, k, exclude_seen):
        """Returns ids (B, k) and scores (B, k) of the best items.

        Args:
            scores: float32 (B, M).
            seen: int32 (B, m), see `_read`.
            empty: bool (B,), see `_read`.
            k: int32 (), number of items.
            exclude_seen: bool (), whether `seen` is left out.
        """
        check = tf.debugging.assert_positive(k, "`k` must be at least 1.")
        with tf.control_dependencies([check]):
            count = tf.minimum(k, self._num_items)
        where = tf.cast(
            tf.where(tf.logical_and(seen > 0, exclude_seen)), "int32"
        )
        columns = tf.gather_nd(seen, where) - 1
        where = tf.stack([where[:, 0], columns], axis=1)
        nothing = tf.fill(tf.shape(columns), NOTHING)
        scores = tf.tensor_scatter_nd_update(scores, where, nothing)
        values, rows = tf.math.top_k(scores, count)
        popular = self._popular[:count]
        rows = tf.where(empty[:, None], popular, rows + 1)
        shares = tf.gather(self._share, popular)
        values = tf.where(empty[:, None], shares, values)
        rows = tf.where(values > NOTHING, rows, 0)
        missing = [[0, 0], [0, k - count]]
        return {
            "item_ids": tf.pad(tf.gather(self._item_ids, rows), missing),
            "scores": tf.pad(values, missing, constant_values=NOTHING),
        }

    # === What is offered ===

    def _recommend(self, request, k, exclude_seen):
        k = single_value(k, "k")
        exclude_seen = single_value(exclude_seen, "exclude_seen")
        read = self.read(request)

        def rows(start, stop):
            encoded = self.encode(cut(read["features"], start, stop))
            scores = [part(encoded) for part in self.score_parts]
            best = self.best(
                tf.concat(scores, axis=1),
                *(read[key][start:stop] for key in ("seen", "empty")),
                k,
                exclude_seen,
            )
            return [best["item_ids"], best["scores"]]

        ids, scores = in_blocks(
            rows,
            tf.shape(request["user_id"])[0],
            self.rows_at_a_time,
            [[None, None]] * 2,
            [tf.string, tf.float32],
        )
        return {"item_ids": ids, "scores": scores}

    def _score(self, request, candidates):
        read = self.read(request)
        same = "`candidates` must have as many rows as `history`."
        check = tf.debugging.assert_equal(
            tf.shape(candidates)[0], tf.shape(request["history"])[0], same
        )
        with tf.control_dependencies([check]):
            rows = self.item_rows.lookup(candidates)
        encoded = self.encode(read["features"])
        scores = self._scorer.value.score(encoded, rows)
        scores = tf.where(
            read["empty"][:, None], tf.gather(self._share, rows), scores
        )
        return {"scores": tf.where(rows > 0, scores, NOTHING)}

    def _score_vectors(self, request, vectors):
        read = self.read(request)
        encoded = self.encode(read["features"])
        scores = self._scorer.value.score_vectors(encoded, vectors)
        return {"scores": tf.where(read["empty"][:, None], 0.0, scores)}

    def _interests(self, request):
        read = self.read(request)
        scorer, features = self._scorer.value, read["features"]
        interests = scorer.run(scorer.model.interests, features)
        found = {"interests": tf.cast(interests, tf.float32)}
        capabilities = scorer.model.capabilities
        # A model that mixes interests has attention for those it mixes.
        if "interest_distribution" in capabilities:
            return found
        if "attention" not in capabilities:
            return found
        return {**found, **self._attention(read)}

    def _interest_distribution(self, request):
        read = self.read(request)
        scorer, features = self._scorer.value, read["features"]
        found = {
            name: tf.cast(scorer.run(function, features), tf.float32)
            for name, function in (
                ("distribution", scorer.model.interest_distribution),
                ("interests", scorer.model.mixed_interests),
            )
        }
        if "attention" not in scorer.model.capabilities:
            return found
        return {**found, **self._attention(read)}

    def _attention(self, read):
        """Returns what feeds each interest, and level and number of it."""
        scorer, features = self._scorer.value, read["features"]
        attention = scorer.run(scorer.model.history_attention, features)
        level, number = zip(*scorer.model.interest_labels(), strict=True)
        return {
            "level": tf.constant(level, tf.int32),
            "interest": tf.constant(number, tf.int32),
            "attention": expand(
                tf.cast(attention, tf.float32), read["place"], read["kept"]
            ),
        }


class _Hidden:
    """Holds what `tf.Module` is not to look into."""

    def __init__(self, value):
        self.value = value


def _check(model: SequentialRecommender, vocabularies: Vocabularies) -> None:
    """Refuses vocabularies of other sizes and features that are not known."""
    for name in ("users", "items"):
        expected = getattr(model, f"num_{name}")
        found = len(getattr(vocabularies, f"{name[:-1]}_ids"))
        if expected != found:
            raise UserError(
                f"The model was made for {expected} {name}, but the "
                f"vocabularies hold {found}; export it with those of the data "
                "that it was trained on."
            )
    for name in model.required_features:
        if name not in _KNOWN_FEATURES:
            raise UserError(
                f"{type(model).__name__} reads `{name}`, which a request for "
                "recommendations does not hold, so it cannot be exported."
            )
        if name == "history_category" and vocabularies.item_categories is None:
            raise UserError(
                f"{type(model).__name__} reads categories, but the "
                "vocabularies have none."
            )


def _rows_of(ids: np.ndarray) -> tf.lookup.StaticHashTable:
    """Returns the table from raw id to row; 0 for every other text."""
    # A table has at least one entry, hence that of padding.
    keys = tf.constant(["", *ids], tf.string)
    rows = tf.range(len(ids) + 1, dtype=tf.int32)
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, rows), 0
    )
