"""The lines of a file, read when somebody asks for one."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np


def split_lines(content: bytes) -> list[str]:
    """Returns the lines of a text in UTF-8, each ended by "\\n" alone."""
    # Not splitlines(), which also splits at other characters of an id.
    return content.decode("utf-8").split("\n")[:-1]


class Lines(Sequence):
    """The lines of a text file in UTF-8, each ended by "\\n" alone.

    The file is mapped at once, so that its text stays what it was even if
    another stands in its place by then; it becomes a list with the first line
    that is asked for.

    Args:
        path: the file.
        count: how many lines it has.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path, count: int):
        empty = not path.stat().st_size
        self._bytes = b"" if empty else np.memmap(path, np.uint8, "r")
        self._count = count

    @cached_property
    def _lines(self) -> list[str]:
        return split_lines(bytes(self._bytes))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        return self._lines[place]

    def __iter__(self):
        return iter(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._lines == list(other)

    __hash__ = None  # type: ignore[assignment]
