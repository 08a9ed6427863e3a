"""From a request to the interests of its users, without TensorFlow."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mgnm_tf.export.export_folder import ONNX
from mgnm_tf.export.onnx_steps import OnnxSteps
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.serving.ranking.compiled_ranking import CompiledRanking
from mgnm_tf.serving.ranking.compiled_ranking import request_specs
from mgnm_tf.serving.ranking.interest_reader import InterestReader
from mgnm_tf.serving.ranking.side_by_side import side_by_side
from mgnm_tf.utils.cores import usable_cores
from mgnm_tf.utils.threads import fastest_threads

TOGETHER = 16
"""Users who are encoded at once ..."""
_EVENTS = 320
"""... and events of theirs: what is computed stays in the cache."""
_MEASURED = 10
"""The length of the histories by which threads are chosen ..."""
_BLOCKS = 8
"""... and how many blocks a core has: threads wake up late for a few."""


class OnnxReader:
    """Does what an `InterestReader` does by ONNX Runtime.

    Its LSTM is one step where that of TensorFlow is a loop of many, and a
    call of it costs microseconds. Many users are encoded a few at a time, in
    the order of their lengths.

    Letters in shapes: B users, n interests, d width, m the longest history
    given.

    Args:
        steps: the graphs.
        vocabularies: the ids of the model.
        max_length: the longest history that the model reads.
    """

    def __init__(
        self, steps: OnnxSteps, vocabularies: Vocabularies, max_length: int
    ):
        self._steps = steps
        self._max_length = max_length
        self._users, self._items = (
            {one: row for row, one in enumerate(ids, 1)}
            for ids in (vocabularies.user_ids, vocabularies.item_ids)
        )
        self.score_each = steps.score_each

    def __call__(
        self, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Encodes the histories of a request, see `InterestReader`."""
        users = _rows(self._users, inputs["user_id"])
        seen = _rows(self._items, inputs["history"])
        history = compact(seen, self._max_length)
        encoded, interests = self._encode(users, history)
        return encoded, interests, seen, history[:, 0] == 0

    def _encode(self, users, history):
        if history.size <= _EVENTS and len(users) <= TOGETHER:
            return self._steps.encode({"user": users, "history": history})
        lengths = np.maximum((history > 0).sum(axis=1), 1)
        order = np.argsort(lengths, kind="stable")
        parts, stop = [], len(order)
        while stop:  # The longest first, which say how many go together.
            longest = lengths[order[stop - 1]]
            start = max(0, stop - min(TOGETHER, max(1, _EVENTS // longest)))
            block = order[start:stop]
            parts.append(
                self._steps.encode(
                    {"user": users[block], "history": history[block, :longest]}
                )
            )
            stop = start
        parts.reverse()
        back = np.argsort(order)
        encoded = {
            name: np.concatenate([one[name] for one, _ in parts])[back]
            for name in parts[0][0]
        }
        return encoded, np.concatenate([one for _, one in parts])[back]

    @cached_property
    def threads(self) -> int:
        """By how many threads many users are read soonest.

        Measured when it is asked for first, in a fraction of a second.
        """
        length = min(_MEASURED, self._max_length)
        block = {
            "user": np.zeros(TOGETHER, np.int32),
            "history": np.ones((TOGETHER, length), np.int32),
        }

        def work(threads):
            blocks = [block] * (_BLOCKS * cores)
            return list(side_by_side(self._steps.encode, blocks, threads))

        cores = len(usable_cores())
        return fastest_threads(work, cores)


Reader = InterestReader | OnnxReader


def make_reader(
    served: Any,
    metadata: Mapping[str, Any],
    vocabularies: Vocabularies,
    path: str | os.PathLike | None,
) -> Reader:
    """Makes the fastest reader that an export has.

    Args:
        served: what `tf.saved_model.load` returned for the export.
        metadata: the content of `export.json`.
        vocabularies: the ids of the model.
        path: the export folder; `None` where there is none.
    """
    length = metadata["max_length"]
    if path is not None and OnnxSteps.there(Path(path) / ONNX):
        try:
            steps = OnnxSteps(Path(path) / ONNX)
            return OnnxReader(steps, vocabularies, length)
        except ImportError:  # TensorFlow gives the same, more slowly.
            pass
    return InterestReader(
        served,
        request_specs(metadata),
        length,
        compiled=CompiledRanking.pays(metadata),
    )


def compact(rows: np.ndarray, max_length: int) -> np.ndarray:
    """Moves the known items of each history together, at the left.

    Args:
        rows: int32 (B, m), oldest first; 0 is padding or an unknown item.
        max_length: the most items kept of a history, the last ones.

    Returns:
        int32 (B, w), 0 at the end; w is the longest, but at least 1.
    """
    known = rows > 0
    counts = known.sum(axis=1, keepdims=True)
    place = known.cumsum(axis=1) - 1 - np.maximum(counts - max_length, 0)
    kept = known & (place >= 0)
    width = int(np.clip(counts.max(initial=0), 1, max_length))
    history = np.zeros((len(rows), width), np.int32)
    user, column = np.nonzero(kept)
    history[user, place[user, column]] = rows[user, column]
    return history


def _rows(known, ids):
    """Returns the rows of ids, text or bytes, 0 for unknown ones, int32."""
    found = (known.get(_text(one), 0) for one in ids.flat)
    return np.fromiter(found, np.int32, ids.size).reshape(ids.shape)


def _text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value
