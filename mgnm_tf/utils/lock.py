"""The lock of a folder that one process may write."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mgnm_tf.errors import UserError

LOCK = "lock"
"""The file in the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder; the system frees it when a process dies.

    Args:
        folder: the folder that is written.

    Raises:
        UserError: another process holds it.
    """
    with open(folder / LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"Another process is writing {folder}; wait for it, or give "
                "another folder."
            ) from error
        yield
