"""Answers concurrent requests together, in one thread."""

import asyncio
import queue
import threading
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from typing import NamedTuple


class QueueFullError(Exception):
    """As many requests wait as may wait."""


class _Waiting(NamedTuple):
    job: Any
    future: Future
    loop: asyncio.AbstractEventLoop | None


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

    def submit(
        self, job: Any, loop: asyncio.AbstractEventLoop | None = None
    ) -> Future:
        """Puts a job in the queue; cancel the future to give it up.

        Args:
            job: one of what `answer` takes a list of.
            loop: the loop whose thread settles the future, woken once for
                all of a batch: waking is a system call, for which this thread
                gives the processor away. Defaults to `None`: the batcher's
                thread settles it.

        Raises:
            QueueFullError: too many wait, or the batcher is closed.
        """
        future: Future = Future()
        if self._closed.is_set():
            raise QueueFullError
        try:
            self._queue.put_nowait(_Waiting(job, future, loop))
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
                one
                for one in batch
                if one.future.set_running_or_notify_cancel()
            ]
            by_loop: dict[Any, list] = {}
            for one, result in zip(batch, self._results(batch), strict=True):
                by_loop.setdefault(one.loop, []).append((one.future, result))
            for loop, settled in by_loop.items():
                if loop is None:
                    _settle(settled)
                    continue
                # A loop that was closed has nobody who waits.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(_settle, settled)

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

    def _results(self, batch):
        """Returns the result of each job; an exception is one, too."""
        if not batch:
            return []
        try:
            return list(self._answer([one.job for one in batch]))
        except Exception as error:
            if len(batch) == 1:
                return [error]
            # One of them is to blame; the others shall not pay for it.
            return [self._results([one])[0] for one in batch]


def _settle(settled: list[tuple[Future, Any]]) -> None:
    for future, result in settled:
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
