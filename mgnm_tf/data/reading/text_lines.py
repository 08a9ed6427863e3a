"""Lines of a text file: how many there are, and which make up a row.

The parser of a table takes whatever stands between two quotation marks for
one field, line breaks too. So a mark that is but a character of a title, and
is never closed, swallows the rows after it. What is here counts lines without
the parser, and tells such marks from quoted text with line breaks.
"""

import io
import re
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mgnm_tf.errors import DataError

_NUMBER_OR_DATE = re.compile(r'\s*"?[-+]?\.?\d')
_CURE = (
    "If the quotation marks of this file are plain characters, read it with "
    "`quotes=False` (`--no-quotes`)."
)


class LineCounter(io.RawIOBase):
    """A file that counts its lines while it is read; blank ones do not count.

    Lines end in CR, LF or CRLF.

    Args:
        file: the file to read.
    """

    def __init__(self, file: BinaryIO):
        super().__init__()
        self.lines = 0
        self._file = file
        self._fresh = True

    def readable(self):
        return True

    def read(self, size=-1):
        content = self._file.read(size)
        codes = np.frombuffer(content, np.uint8)
        if len(codes):
            ends = (codes == ord("\n")) | (codes == ord("\r"))
            starts = np.count_nonzero(ends[:-1] & ~ends[1:])
            self.lines += int(starts) + bool(self._fresh and not ends[0])
            self._fresh = ends[-1]
        return content

    def close(self):
        self._file.close()
        super().close()


@dataclass(frozen=True)
class RowShape:
    """What a line that is a row of its own looks like.

    Args:
        separator: what stands between the fields.
        columns: the names of the columns.
        ids: the names of the columns of ids that are wanted.
        numbers: the names of the columns of numbers or dates.
    """

    separator: str
    columns: Sequence[str]
    ids: Sequence[str]
    numbers: Sequence[str]

    def fits(self, line: str, example: str | None) -> bool:
        """Returns whether a line looks like a row.

        A line of prose with as many separators differs: where rows have a
        time it has no number, or a short one, or a blank before it.

        Args:
            line: the line, without its end.
            example: a row, if one is known.
        """
        fields = line.split(self.separator)
        examples = (example or line).split(self.separator)
        if len(fields) != len(self.columns):
            return False
        for name in (*self.ids, *self.numbers):
            place = self.columns.index(name)
            field, other = fields[place], examples[place]
            if field[:1].isspace() != other[:1].isspace():
                return False
            if name in self.numbers and not (
                _NUMBER_OR_DATE.match(field)
                and 2 * len(field) >= (len(other) if len(other) > 7 else 0)
            ):
                return False
        return True


def count_rows(
    lines: Iterator[str], path: Path, shape: RowShape, has_header: bool
) -> tuple[int, bool]:
    """Counts the rows of a text file, some of which may span lines.

    Args:
        lines: the lines with their ends, decoded as Latin-1, which takes any
            byte and leaves quotation marks and line ends as they are.
        path: the file, for messages.
        shape: what rows look like; its separator decoded likewise.
        has_header: whether the first line names the columns.

    Returns:
        The number of rows, and whether one of them spans lines.

    Raises:
        DataError: a quotation mark is never closed, or closes inside a
            field, or encloses lines half of which look like rows.
    """
    head = list(islice(lines, 1000))
    rows = [line for line in head if shape.fits(line, None)]
    example = min(rows, key=lambda line: '"' in line, default=None)
    row, inside, spans, fault = 0, False, False, ""
    like_rows = unlike_rows = 0
    for line in islice(chain(head, lines), int(has_header), None):
        line = line.rstrip("\r\n")
        if not inside:
            row += bool(line)
            if '"' in line:
                inside, _ = _scan(line, shape.separator, False)
            like_rows = unlike_rows = 0
            continue
        spans = True
        fits = shape.fits(line, example)
        like_rows += fits
        unlike_rows += bool(line) and not fits
        inside, tidy = _scan(line, shape.separator, True)
        if not tidy:
            fault = "text follows the mark that would close it"
        elif not inside and like_rows >= unlike_rows:
            fault = "the lines up to the mark that would close it are like rows"
        if fault:
            break
    if inside and not fault:
        fault = "no mark closes it"
    if fault:
        raise DataError(
            f"{path}, row {row}: a quotation mark opens a field, but {fault}. "
            f"{_CURE}"
        )
    return row, spans


def _scan(line: str, separator: str, inside: bool) -> tuple[bool, bool]:
    """Follows the quotation marks of a line.

    Args:
        line: the line, without its end.
        separator: what stands between the fields.
        inside: whether the line begins inside quotation marks.

    Returns:
        Whether it ends inside quotation marks, and whether every mark that
        closes stands before a separator or the end of the line.
    """
    tidy = True
    for piece in line.split(separator):
        if not inside:
            if not piece.startswith('"'):
                continue
            piece = piece[1:]
        marks = piece.replace('""', "")
        inside = '"' not in marks
        tidy &= inside or marks.find('"') == len(marks) - 1
    return inside, tidy


def first_lines(file: BinaryIO, count: int, quotes: bool) -> bytes:
    """Returns the first lines of a file, up to the end of a row.

    A row goes on while the number of quotation marks is odd. A mark that is
    never closed is no reason to read on for ever: after twice as many lines
    it ends.

    Args:
        file: the file, at its beginning.
        count: how many lines are wanted.
        quotes: whether a field may stand in quotation marks.
    """
    lines: list[bytes] = []
    marks = 0
    for line in islice(file, 2 * count):
        lines.append(line)
        marks += line.count(b'"')
        if len(lines) >= count and not (quotes and marks % 2):
            break
    return b"".join(lines)
