"""How many threads a piece of work is worth, and a product of matrices."""

import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

_TIMES = 3
_GAIN = 0.9
"""What more threads must come down to, so that chance does not decide."""


def fastest_threads(work: Callable[[int], object], most: int) -> int:
    """Measures with how many threads a piece of work is done soonest.

    Args:
        work: does it with a number of threads.
        most: the most threads; 1, 2, 4, ... and this are tried.

    Returns:
        The number; more threads that gain less than a tenth are not taken.
    """
    tried = sorted({*(1 << n for n in range(most.bit_length())), most})
    best, least = 1, float("inf")
    for threads in tried:
        work(threads)
        seconds = min(_seconds(work, threads) for _ in range(_TIMES))
        if seconds < _GAIN * least:
            best, least = threads, seconds
    return best


def _seconds(work, threads):
    begin = time.perf_counter()
    work(threads)
    return time.perf_counter() - begin


class _OneThread:
    """The limit of the whole process, as long as anybody wants it."""

    def __init__(self):
        self._lock, self._wanted = Lock(), 0
        self._libraries = ThreadpoolController()  # It looks for them, in ms.

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._wanted:
                self._limit = self._libraries.limit(limits=1, user_api="blas")
            self._wanted += 1
        try:
            yield
        finally:
            with self._lock:
                self._wanted -= 1
                if not self._wanted:
                    self._limit.restore_original_limits()


_one_thread = cache(_OneThread)


def one_thread_a_product() -> AbstractContextManager[None]:
    """Lets NumPy multiply with one thread, in the whole process.

    Where several ask at once, the last of them gives the other threads back.
    """
    return _one_thread()()
