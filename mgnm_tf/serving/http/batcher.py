"""Answers concurrent requests together, in one thread."""

import queue
import threading
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any


class QueueFullError(Exception):
    """As many requests wait as may wait."""


class Batcher:
    """A bounded queue, and a thread that takes what waits in it at once.

    Nothing is waited for: while one batch is answered, the next one gathers,
    so a single caller is answered at once and many callers share the work.

    Args:
        answer: takes a list of jobs, returns as many results; a result that
            is an exception is raised for its job alone.
        max_batch: the most jobs of a batch.
        max_waiting: the most jobs that wait.
        name: of the thread. Defaults to `"batcher"`.
    """

    def __init__(
        self,
        answer: Callable[[list], Sequence[Any]],
        max_batch: int,
        max_waiting: int,
        name: str = "batcher",
    ):
        self._answer = answer
        self._max_batch = max_batch
        self._queue: queue.Queue = queue.Queue(max_waiting)
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name=name, daemon=True
        )
        self._thread.start()

    def __len__(self):
        return self._queue.qsize()

    def submit(self, job: Any) -> Future:
        """Puts a job in the queue; cancel the future to give it up.

        Args:
            job: one of what `answer` takes a list of.

        Raises:
            QueueFullError: too many wait, or the batcher is closed.
        """
        future: Future = Future()
        if self._closed.is_set():
            raise QueueFullError
        try:
            self._queue.put_nowait((job, future))
        except queue.Full:
            raise QueueFullError from None
        return future

    def close(self) -> None:
        """Takes nothing any more; returns when all is answered."""
        self._closed.set()
        self._thread.join()

    def _work(self):
        while True:
            batch = self._next()
            if batch is None:
                return
            # A caller that has gone costs nothing.
            batch = [
                (job, future)
                for job, future in batch
                if future.set_running_or_notify_cancel()
            ]
            if batch:
                self._settle(batch)

    def _next(self):
        """Returns what waits, at least one job; `None` at the end."""
        while True:
            try:
                batch = [self._queue.get(timeout=0.1)]
                break
            except queue.Empty:
                if self._closed.is_set():
                    return None
        while len(batch) < self._max_batch:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _settle(self, batch):
        try:
            results = self._answer([job for job, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            # One of them is to blame; the others shall not pay for it.
            for one in batch:
                self._settle([one])
            return
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
