"""How many threads a piece of work is worth."""

import time
from collections.abc import Callable

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
