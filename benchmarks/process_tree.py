"""Processor time of a process and of all that it starts."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def cpu_seconds(pid: int) -> Iterator[dict[int, tuple[str, float]]]:
    """Watches a process and its descendants, also those nobody waits for.

    Args:
        pid: the process.

    Returns:
        A context manager over a dict: process -> its command, and the seconds
        of processor time that it has used, when it was last seen.
    """
    used: dict[int, tuple[str, float]] = {}
    ended = threading.Event()

    def watch():
        while not ended.wait(_SECONDS):
            used.update(_tree(pid))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield used
    finally:
        ended.set()
        thread.join()


def _tree(pid: int) -> dict[int, tuple[str, float]]:
    """Returns command and processor time of each process of a tree."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold blanks.
            fields = path.read_text().rpartition(")")[2].split()
            command = path.with_name("cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # It has ended.
        number = int(path.parent.name)
        parents[number] = int(fields[1])
        seconds = (int(fields[11]) + int(fields[12])) / _TICKS
        used[number] = (command, seconds)
    return {one: used[one] for one in used if _below(one, pid, parents)}


def _below(one: int, root: int, parents: dict[int, int]) -> bool:
    while one != root and one in parents:
        one = parents[one]
    return one == root
