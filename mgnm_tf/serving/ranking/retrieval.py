"""Recommends from the candidates of an index instead of all items."""

import os
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mgnm_tf.errors import UserError
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.index.interest_index import InterestIndex
from mgnm_tf.index.make_index import ADDED
from mgnm_tf.index.make_index import FOLDER
from mgnm_tf.index.make_index import write_added
from mgnm_tf.serving.ranking.bounded_ranking import BoundedRanking
from mgnm_tf.serving.ranking.candidates import best_of
from mgnm_tf.serving.ranking.candidates import rows_of
from mgnm_tf.serving.ranking.candidates import seen_rows
from mgnm_tf.serving.ranking.candidates import without
from mgnm_tf.serving.ranking.catalogue_ranking import MANY
from mgnm_tf.serving.ranking.onnx_reader import Reader
from mgnm_tf.serving.ranking.onnx_reader import make_reader
from mgnm_tf.serving.requests.request_blocks import text_ids
from mgnm_tf.utils.files import atomic_folder

_LEAST = 50
"""How many candidates are looked for with an interest, at least."""
_SEEN = 256
"""For how many items of a history more candidates are looked for, at most."""
_FLOATS = 1 << 24
"""Size of the candidates' vectors that are in memory at a time."""


class Retrieval:
    """Finds the best items of a catalogue without scoring all of it.

    All interests of a user ask the index at once. What they find is merged
    and scored exactly, by the score of the model itself: what is lost is
    only what no interest has found.

    Items can be added and removed. An added item is scored by its vector; in
    a history it counts as unknown, and an empty history is not served it.

    Letters in shapes: B users, n interests, C candidates, d width, m the
    longest history, M items of the model.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        reader: reads requests.
        vocabularies: the ids of the model.
        index: the vectors of the items; its ids are rows of the model from 1
            on, and behind them those of added items.
        added: ids of the items that were added. Defaults to `()`.
        folder: the export folder. Defaults to `None`: what is added or
            removed is not written down.
        together: whether no score is above all products of the interests,
            so that they can ask as one. Defaults to `False`.
    """

    def __init__(
        self,
        served: Any,
        reader: Reader,
        vocabularies: Vocabularies,
        index: InterestIndex,
        added: Sequence[str] = (),
        folder: str | os.PathLike | None = None,
        together: bool = False,
    ):
        self.index = index
        self.added = list(added)
        self._read = reader
        self._together = together
        self._folder = None if folder is None else Path(folder)
        self._vocabularies = vocabularies
        counts = vocabularies.item_counts
        self._shares = (counts / max(1, counts.sum())).astype(np.float32)
        self._popular = np.argsort(-counts, kind="stable") + 1
        self._update()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        served: Any,
        metadata: Mapping[str, Any],
        vocabularies: Vocabularies,
    ) -> "Retrieval | None":
        """Reads the index of an export folder.

        Args:
            path: the export folder.
            served: what `tf.saved_model.load` returned for it.
            metadata: the content of `export.json`.
            vocabularies: the ids of the model.

        Returns:
            `None` where the folder has no index.

        Raises:
            UserError: the index is damaged, is not that of the model, or
                faiss is not installed.
        """
        folder = Path(path) / FOLDER
        if not folder.exists():
            return None
        index = InterestIndex.load(folder)
        try:
            text = (folder / ADDED).read_bytes().decode("utf-8")
        except (OSError, ValueError) as error:
            raise UserError(
                f"{folder / ADDED} cannot be read: {error}."
            ) from error
        added = text.split("\n")[:-1]
        items = len(vocabularies.item_ids)
        width = (
            served.item_table.shape[1]
            if hasattr(served, "score_each")
            else None
        )
        if index.dim != width or index.ids.max(initial=1) > items + len(added):
            raise UserError(f"{folder} is not the index of this model.")
        reader = make_reader(served, metadata, vocabularies, path)
        # Exports of earlier versions do not say so.
        together = metadata.get("scores_within_products", False)
        return cls(
            served, reader, vocabularies, index, added, path, bool(together)
        )

    # === Recommendations ===

    @property
    def rows_at_a_time(self) -> int:
        """How many users had better be ranked at a time."""
        return MANY

    @property
    def threads(self) -> int:
        """By how many threads many users are ranked soonest."""
        return self._read.threads

    def best(
        self, inputs: Mapping[str, np.ndarray], k: int, exclude_seen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the best items of each user.

        Args:
            inputs: a request: `user_id` str (B,), `history` str (B, m), ...
            k: number of items.
            exclude_seen: whether items of the history are left out.

        Returns:
            `ids` object (B, k) and `scores` float32 (B, k), best first; ""
            and -inf where fewer are left.
        """
        encoded, interests, seen, empty = self._read(inputs)
        seen = self._seen(seen, inputs["history"], exclude_seen)
        rows = np.full((len(empty), k), -1, np.int64)
        scores = np.full((len(empty), k), -np.inf, np.float32)
        lists = self.index.lists if self._together else None
        if lists is not None:
            ranking = BoundedRanking(self._read, lists, lists.vectors)
            best = ranking(encoded, interests, seen, empty, k)
            if best is not None:
                return self._named(encoded, *best, seen, empty, k)
        depth = max(_LEAST, 2 * k) + min(_SEEN, seen.shape[1])
        everything = interests.shape[1] * depth >= len(self.index)
        floats = interests.shape[1] * depth * interests.shape[2]
        size = max(1, _FLOATS // max(1, floats))
        for start in range(0, len(empty), size):
            part = slice(start, start + size)
            if everything:
                found = self._everything(len(interests[part]))
            else:
                found = self.index.search(
                    interests[part], depth, together=self._together
                )
            rows[part], scores[part] = self._rank(
                rows_of(encoded, part, len(empty)),
                without(found, seen[part]),
                k,
            )
        return self._named(
            encoded, rows, scores, seen, empty, k, complete=everything
        )

    def _named(self, encoded, rows, scores, seen, empty, k, complete=False):
        """Completes what was found; returns ids and scores."""
        short = ~empty & (rows[:, -1] < 0) & (not complete)
        for user in np.flatnonzero(short):  # Too little was looked through.
            part = slice(user, user + 1)
            found = without(self._everything(1), seen[part])
            rows[part], scores[part] = self._rank(
                rows_of(encoded, part, len(empty)), found, k
            )
        if empty.any():
            rows[empty], scores[empty] = self._most_popular(k)
        return self._item_ids[rows], scores

    def _seen(self, seen, history, exclude_seen):
        """Returns int64 (B, s), the rows to leave out, 0 for none."""
        if not exclude_seen:
            return np.zeros((len(seen), 0), np.int64)
        if self.added:
            rows = [self._row_of.get(_text(x), 0) for x in history.flat]
            seen = np.maximum(seen, np.reshape(rows, seen.shape))
        return seen_rows(seen)

    def _everything(self, count):
        return np.tile(np.sort(self.index.ids), (count, 1))

    def _rank(self, encoded, candidates, k):
        """Scores candidates (B, C) exactly; returns the best k."""
        vectors = self._vectors(candidates)
        return best_of(self._read, encoded, candidates, vectors, k)

    def _most_popular(self, k):
        """Returns the most frequent items that were not removed."""
        popular = self._popular_now[:k]
        rows = np.full(k, -1, np.int64)
        scores = np.full(k, -np.inf, np.float32)
        rows[: len(popular)] = popular
        scores[: len(popular)] = self._shares[popular - 1]
        return rows, scores

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Returns the vectors (..., d) of raw ids (...), zeros for ""."""
        rows = np.array([self._row_of[one] for one in ids.flat], np.int64)
        return self._vectors(rows.reshape(ids.shape))

    def has(self, ids: np.ndarray) -> np.ndarray:
        """Returns which of some raw ids (C,) can be found, bool (C,)."""
        return np.array(
            [self._row_of.get(one, -1) in self.index for one in ids], bool
        )

    def items(self) -> np.ndarray:
        """Returns the ids of all items that can be found, str (C,)."""
        return self._item_ids[np.sort(self.index.ids)]

    def _vectors(self, rows):
        """Returns the vectors of rows, zeros for -1."""
        vectors = np.zeros((*rows.shape, self.index.dim), np.float32)
        vectors[rows >= 0] = self.index.vectors(rows[rows >= 0])
        return vectors

    # === Items come and go ===

    def add_items(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Adds items that the model does not know, or that were removed.

        Args:
            ids: their raw ids.
            vectors: float32 (N, d), like the rows of `item_vectors()`.

        Raises:
            UserError: an id is there already or cannot be written, or the
                vectors do not fit; nothing is added.
        """
        ids = text_ids(ids, "`ids`").tolist()
        if len(set(ids)) < len(ids):
            raise UserError("`ids` must be different from each other.")
        rows, new = [], []
        for one in ids:
            if not one or "\n" in one or "\r" in one:
                raise UserError(
                    "`ids` must be text that is not empty and has no line "
                    f"break. Received: {one!r}"
                )
            row = self._row_of.get(one)
            if row is None:
                row = len(self._vocabularies.item_ids) + 1
                row += len(self.added) + len(new)
                new.append(one)
            elif row in self.index:
                raise UserError(f"The item {one!r} is there already.")
            rows.append(row)
        try:
            self.index.add(np.asarray(rows, np.int64), vectors)
        except ValueError as error:
            raise UserError(str(error)) from error
        self.added += new
        self._update()
        self._save()

    def remove_items(self, ids: Sequence[str]) -> None:
        """Removes items: they are not recommended any more.

        In histories they still count.

        Args:
            ids: their raw ids.

        Raises:
            UserError: an id is not there; nothing is removed.
        """
        rows = []
        for one in text_ids(ids, "`ids`").tolist():
            row = self._row_of.get(one, -1)
            if row not in self.index:
                raise UserError(f"There is no item {one!r}.")
            rows.append(row)
        self.index.remove(np.asarray(rows, np.int64))
        self._update()
        self._save()

    def _update(self):
        names = ["", *self._vocabularies.item_ids, *self.added]
        self._row_of = {name: row for row, name in enumerate(names)}
        self._row_of[""] = -1
        # Row -1, nothing, has the last entry.
        self._item_ids = np.array([*names, ""], object)
        self._popular_now = self._popular[
            np.isin(self._popular, self.index.ids)
        ]

    def _save(self):
        if self._folder is None:
            return
        with atomic_folder(self._folder / FOLDER, overwrite=True) as folder:
            self.index.write(folder)
            write_added(folder, self.added)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value
