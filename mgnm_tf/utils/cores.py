"""The cores of this process."""

import os


def usable_cores() -> list[int]:
    """Returns the numbers of the cores that this process may use.

    Where the system does not say (anywhere but on Linux), all are.
    """
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def keep_to(cores: set[int]) -> None:
    """Keeps this process to some cores, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
