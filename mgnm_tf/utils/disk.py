"""Full disks, which libraries report each in its own way."""

import errno
import os
import re
import tempfile
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SHORT = re.compile(r"^\d+ requested and \d+ written$")
"""NumPy's word for it."""


def reserve(folder: str | os.PathLike, size: int) -> None:
    """Makes sure that a folder has room for some bytes more.

    HDF5 crashes the process when the disk is full in the middle of a file,
    so this is asked before one is written.

    Args:
        folder: where something will be written.
        size: how many bytes.

    Raises:
        OSError: there is no room.
    """
    with tempfile.TemporaryFile(dir=Path(folder)) as file:
        os.posix_fallocate(file.fileno(), 0, size)


def disk_error(error: BaseException) -> OSError | None:
    """Returns what an error says of the disk.

    Args:
        error: of any library.

    Returns:
        An `OSError` with the reason in words: `error` itself, or one for
        what HDF5, TensorFlow and NumPy report in a text; `None` for an error of
        another kind.
    """
    for number in _FULL:
        if os.strerror(number) in str(error):
            return OSError(number, os.strerror(number))
    if _SHORT.search(str(error)):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return error if isinstance(error, OSError) else None
