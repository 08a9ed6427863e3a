"""An export that is served: its versions one after another, its queue."""

import asyncio
import logging
import os
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.export import export_folder
from mgnm_tf.serving.answers import Answers
from mgnm_tf.serving.http.batcher import Batcher
from mgnm_tf.serving.http.event_log import log_event
from mgnm_tf.serving.http.item_list import Item
from mgnm_tf.serving.http.item_list import ItemList
from mgnm_tf.serving.http.metrics import Metrics
from mgnm_tf.serving.http.settings import Settings
from mgnm_tf.serving.http.signature_calls import SignatureCall
from mgnm_tf.serving.http.signature_calls import answer_calls
from mgnm_tf.serving.http.signature_defs import signature_defs
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests.query import Query
from mgnm_tf.serving.similar_items import SimilarItems


class Version:
    """One version of an export, loaded.

    Args:
        number: its number, from 1.
        recommender: the export.
        signatures: what `signature_defs` returned for it.
        items: how items are shown, see `ItemList`.
    """

    def __init__(
        self,
        number: int,
        recommender: Recommender,
        signatures: Mapping[str, Any],
        items: Mapping[str, Item],
    ):
        recommender.warns_of_unknown = False  # It would name the ids.
        self.number = number
        self.recommender = recommender
        self.signature_defs = signatures
        self.answers = Answers(recommender)
        self.similar = SimilarItems(recommender)
        self.items = ItemList(
            recommender.item_ids, recommender.vocabularies.item_counts, items
        )


Call = Callable[[Version], Any] | SignatureCall
"""A job besides a `Query`: it gets the version that answers."""


class ServedModel:
    """An export, and the thread that answers for it.

    The first version has the number 1, as the SavedModel in an export; each
    one that is found later in the same place has the next. A version answers
    until the next one is loaded and has answered a query; what cannot be
    loaded changes nothing.

    Args:
        name: of the model.
        path: the export folder.
        settings: the limits.
        metrics: what is counted.
        items: how items are shown.

    Raises:
        UserError: the export cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        settings: Settings,
        metrics: Metrics,
        items: Mapping[str, Item],
    ):
        self.name = name
        self._path = path
        self._metrics = metrics
        self._items = items
        self._seen = _state(path)
        self.current = self._load(1)
        metrics.version.labels(name).set(1)
        metrics.reloads.labels(name, "loaded")
        metrics.reloads.labels(name, "broken")
        self._batcher = Batcher(
            self._answer, settings.max_batch, settings.max_waiting, name
        )
        metrics.waiting.labels(name).set_function(lambda: self.waiting)

    def submit(
        self,
        job: Query | Call,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Future:
        """Puts a query, or a call, in the queue.

        Args:
            job: a query, whose result is a pair of the number of the version
                and its `Answer`; a call of a signature; or a function of the
                `Version`.
            loop: see `Batcher.submit`. Defaults to `None`.

        Raises:
            QueueFullError: too many wait.
        """
        return self._batcher.submit(job, loop)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._batcher)

    def close(self) -> None:
        """Takes nothing any more; returns when all is answered."""
        self._batcher.close()

    def look_for_new(self) -> bool:
        """Loads what stands in the place of the export, if it is new.

        Returns:
            Whether there is a new version.
        """
        state = _state(self._path)
        if not state or state == self._seen:
            return False
        self._seen = state
        number = self.current.number + 1
        try:
            self.current = self._load(number)
        except Exception as error:  # Whatever it is, the old one goes on.
            self._metrics.reloads.labels(self.name, "broken").inc()
            reason = str(error) if isinstance(error, UserError) else ""
            log_event(
                "version broken",
                logging.ERROR,
                model=self.name,
                kept=self.current.number,
                error=type(error).__name__,
                reason=reason,
            )
            return False
        self._metrics.reloads.labels(self.name, "loaded").inc()
        self._metrics.version.labels(self.name).set(number)
        log_event("version loaded", model=self.name, version=number)
        return True

    def _load(self, number):
        recommender = Recommender.load(self._path)
        signatures = signature_defs(self._path / export_folder.SAVED_MODEL)
        version = Version(number, recommender, signatures, self._items)
        # The first answers make graphs ready, and show that there are some.
        reads_times = recommender.metadata["reads_times"]
        item = str(recommender.item_ids[0])
        times = [0] if reads_times else None
        explained = Query([item], k=1, times=times, explain=True)
        scored = Query([item], k=1, times=times, allow=frozenset({item}))
        for found in version.answers.of([explained, scored]):
            if isinstance(found, Exception):
                raise found
        return version

    def _answer(self, jobs: Sequence[Query | Call]) -> list:
        version = self.current
        self._metrics.batches.labels(self.name).observe(len(jobs))
        queries = [job for job in jobs if isinstance(job, Query)]
        answers = iter(version.answers.of(queries))
        calls = [job for job in jobs if isinstance(job, SignatureCall)]
        called = iter(answer_calls(version.recommender, calls))
        results: list[Any] = []
        for job in jobs:
            if isinstance(job, Query):
                found = next(answers)
                if not isinstance(found, Exception):
                    found = version.number, found
                results.append(found)
                continue
            if isinstance(job, SignatureCall):
                results.append(next(called))
                continue
            try:
                results.append(job(version))
            except Exception as error:
                results.append(error)
        return results


def _state(path: Path) -> tuple:
    """Returns what tells an export folder from a later one."""
    found = []
    try:
        for folder, _, names in os.walk(path.resolve()):
            for name in names:
                one = os.stat(os.path.join(folder, name))
                found.append(
                    (folder, name, one.st_ino, one.st_size, one.st_mtime_ns)
                )
    except OSError:  # It is being replaced.
        return ()
    return tuple(sorted(found))
