"""Windows of time, their medians, and memory."""

import gc
import statistics
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager

Figure = dict[str, float]
"""A measured quantity: `median`, `least` and `most` of its windows."""


def seconds_of(function: Callable, *arguments) -> float:
    """Returns how long a call takes."""
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


def figure(values: Iterable[float], digits: int = 4) -> Figure:
    """Returns median, least and most of a quantity.

    Args:
        values: one for each window.
        digits: significant digits that are kept.
    """
    values = list(values)
    found = {
        "median": statistics.median(values),
        "least": min(values),
        "most": max(values),
    }
    return {name: significant(value, digits) for name, value in found.items()}


def significant(value: float, digits: int = 4) -> float:
    """Returns a number with as many significant digits."""
    return float(f"{value:.{digits}g}")


def steps_for(call: Callable[[int], object], seconds: float) -> int:
    """Returns with how many steps `call(steps)` lasts about `seconds`.

    The first call compiles and is not counted.
    """
    call(1)
    one = seconds_of(call, 1)
    if one < seconds / 8:  # Too short to tell: what a call costs counts too.
        one = seconds_of(call, 8) / 8
    return max(1, round(seconds / one))


def speeds(
    call: Callable[[int], object], rows: int, windows: int, seconds: float
) -> Figure:
    """Measures the rows per second of `call(steps)`.

    Args:
        call: does a number of steps.
        rows: rows of a step.
        windows: how often it is measured.
        seconds: about how long a window lasts.
    """
    steps = steps_for(call, seconds)
    return figure(
        steps * rows / seconds_of(call, steps) for _ in range(windows)
    )


@contextmanager
def memory_into(report: dict) -> Iterator[None]:
    """Notes the peak memory of the block, in MiB, in `report`.

    `peak_memory_mib` is that of the process (of the GPU where there is one),
    `memory_above_start_mib` the part that was not held before.
    """
    # Here, so that what needs no TensorFlow can be measured without it.
    from mgnm_tf.training.memory import peak_memory
    from mgnm_tf.training.memory import reset_peak_memory

    gc.collect()
    reset_peak_memory()
    before = peak_memory()
    yield
    peak = peak_memory()
    report["peak_memory_mib"] = round(peak)
    report["memory_above_start_mib"] = round(peak - before)
