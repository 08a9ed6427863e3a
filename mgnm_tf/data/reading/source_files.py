"""The files of a log: one, several, a folder, a pattern, an address."""

import gzip
import os
import zlib
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from glob import glob
from glob import has_magic
from pathlib import Path
from typing import BinaryIO
from typing import cast

from mgnm_tf.errors import DataError
from mgnm_tf.errors import RowError
from mgnm_tf.errors import UserError

Source = str | os.PathLike | Sequence[str | os.PathLike]
"""A file, a folder, a pattern, an address, or several of them."""


def names_files(source: str) -> bool:
    """Returns whether a text is there, or can be nothing but files."""
    return "://" in source or Path(source).exists() or has_magic(source)


def find_files(source: Source) -> list[Path]:
    """Returns the files of a log in the order in which they are read.

    Args:
        source: a file; a folder, whose files are taken with those of its
            folders, but for names that begin with "." or "_"; a pattern with
            `*`, `?` or `**`; an address of fsspec as s3://bucket/folder; or
            several of these, which are read in the given order.

    Returns:
        Paths; those of a folder or pattern sorted by their whole names. One
        that is not there is returned as it is.

    Raises:
        DataError: a folder has no files, or nothing fits a pattern.
        UserError: an address needs a package that is missing.
    """
    if not isinstance(source, (str, os.PathLike)):
        if not source:
            raise DataError("No file is given; expected an interaction log.")
        return [path for one in source for path in find_files(one)]
    text = str(source)
    path = _remote(text) if "://" in text else Path(source)
    if path.is_dir():
        files = _files_of(path)
        if not files:
            raise DataError(
                f"{source} is a folder without files; expected Parquet or "
                "text files of an interaction log."
            )
        return files
    if not has_magic(text) or path.exists():
        return [path]
    if "://" not in text:
        files = [Path(name) for name in glob(text, recursive=True)]
    else:
        parent, pattern = _before_pattern(text)
        files = list(_remote(parent).glob(pattern))
    files = sorted((one for one in files if one.is_file()), key=str)
    if not files:
        raise DataError(f"{source} fits no file; expected interaction logs.")
    return files


def describe(source: Source) -> str:
    """Returns a source in a few words, for messages."""
    if isinstance(source, (str, os.PathLike)):
        # An address is no path: its two slashes stay.
        return str(source) if "://" in str(source) else str(Path(source))
    names = [describe(one) for one in source]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def open_bytes(path: Path, compressed: bool = False) -> BinaryIO:
    """Opens a file for reading.

    Args:
        path: a path of `find_files`.
        compressed: whether gzip is undone. Defaults to `False`.
    """
    if isinstance(path, Path):
        opened = (gzip.open if compressed else open)(path, "rb")
        return cast(BinaryIO, opened)
    import fsspec

    packed = "gzip" if compressed else None
    return fsspec.open(str(path), "rb", compression=packed).open()


@contextmanager
def to_its_end(path: Path) -> Iterator[None]:
    """Turns what goes wrong when a file is read into a sentence.

    Args:
        path: the file.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read to its end; it may be cut off or damaged: "
            f"{one_line(error)}."
        ) from error


def one_line(error: BaseException) -> str:
    """Returns the message of an error on one line, without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


@contextmanager
def rows_of_files(files: Sequence[Path], rows: Sequence[int]) -> Iterator[None]:
    """Turns a row of all files into the row of one of them in messages.

    Args:
        files: the files.
        rows: how many rows each has.
    """
    try:
        yield
    except RowError as error:
        row = error.row
        for path, count in zip(files, rows, strict=True):
            if row < count:
                raise RowError(str(path), row, error.said) from error
            row -= count
        raise


def _files_of(folder: Path) -> list[Path]:
    return sorted(
        (
            path
            for path in folder.rglob("*")
            if path.is_file()
            and not any(
                part.startswith((".", "_"))
                for part in path.relative_to(folder).parts
            )
        ),
        key=str,
    )


def _before_pattern(text: str) -> tuple[str, str]:
    """Cuts an address before the first name that is a pattern."""
    parts = text.split("/")
    place = next(n for n, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:place]), "/".join(parts[place:])


def _remote(address: str) -> Path:
    try:
        from upath import UPath

        return cast(Path, UPath(address))
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{address} cannot be opened ({error}). Addresses are read by "
            "universal_pathlib, fsspec and the package of the protocol, for "
            "example s3fs or gcsfs: pip install 'mgnm-tf[large]' s3fs"
        ) from error
