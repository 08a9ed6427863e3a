"""Runs of a comparison side by side, each process on its share of the cores."""

import logging
import multiprocessing
import traceback
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from mgnm_tf.utils.cores import keep_to
from mgnm_tf.utils.cores import usable_cores
from mgnm_tf.utils.quiet import load_tensorflow

_ENDED = (
    "A process of these runs was ended from outside, perhaps for lack of "
    "memory; the same command goes on, with fewer jobs if need be."
)


def share_cores(jobs: int) -> list[set[int]]:
    """Returns a share of the cores of this process for each job.

    Args:
        jobs: number of jobs; with more jobs than cores they have one each
            and share it.
    """
    cores = usable_cores()
    if jobs >= len(cores):
        return [{cores[job % len(cores)]} for job in range(jobs)]
    return [set(cores[job::jobs]) for job in range(jobs)]


def in_workers(
    tasks: Sequence[Any], function: str, jobs: int
) -> Iterator[tuple[Any, tuple[str, str] | None]]:
    """Runs a function for every task, `jobs` of them at a time.

    Args:
        tasks: tuples of its arguments, which can be pickled.
        function: `"module:name"`; the module is imported in the workers,
            after they have got their cores.
        jobs: number of processes.

    Yields:
        Each task as soon as it ended, with `None`, or the message and the
        traceback of its error.
    """
    context = multiprocessing.get_context("spawn")
    shares = context.Queue()
    for share in share_cores(jobs):
        shares.put(share)
    executor = ProcessPoolExecutor(jobs, context, _take_cores, (shares,))
    try:
        futures = {
            executor.submit(_call, function, task): task for task in tasks
        }
        for future in as_completed(futures):
            try:
                error = future.result()
            except BrokenProcessPool as broken:
                error = (_ENDED, str(broken))
            yield futures[future], error
    finally:
        # What runs has had the same signal; its folder goes on later.
        executor.shutdown(wait=False, cancel_futures=True)


def _take_cores(shares) -> None:
    """Keeps a new worker to its share; libraries size their threads by it."""
    keep_to(shares.get())
    logging.getLogger("mgnm_tf").setLevel(logging.ERROR)
    load_tensorflow()


def _call(function: str, task: Sequence[Any]) -> tuple[str, str] | None:
    from importlib import import_module

    module, _, name = function.partition(":")
    try:
        getattr(import_module(module), name)(*task)
    except Exception as error:
        # Not every exception can be pickled. Whoever waits tells it.
        text = str(error) or type(error).__name__
        return text, traceback.format_exc()
    return None
