"""Writing beside and renaming, checksums, JSON."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.disk import disk_error

_CHUNK = 1 << 20


class _NotWritten(UserError):
    """Something could not be written, because of an `OSError`."""

    def __init__(self, path: Path, reason: OSError):
        said = disk_error(reason)
        super().__init__(
            f"{path} could not be written: {said.strerror or said}; nothing "
            "was left of it."
        )
        self.path = path
        self.reason = reason


@contextmanager
def atomic_folder(
    path: str | os.PathLike, overwrite: bool = False
) -> Iterator[Path]:
    """Gives a folder to write into that becomes `path` at the end.

    The folder is a hidden sibling of `path`. When the `with` block ends it
    is renamed; when the block raises, it is removed, so `path` is either
    complete or not there.

    Args:
        path: the folder to make; missing parents are made.
        overwrite: whether a folder that is there already is replaced, after
            the new one is complete. Defaults to `False`.

    Returns:
        A context manager over the `Path` of the folder to write into.

    Raises:
        OutputExistsError: `path` exists and `overwrite` is false.
        UserError: the folder cannot be written (no space, no permission).
    """
    path = Path(path)
    _check_free(path, overwrite)
    partial = _sibling(path, "partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        move_folder(partial, path, overwrite)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, _NotWritten) and partial in error.path.parents:
            error = error.reason
        if isinstance(error, OSError) and not isinstance(error, UserError):
            raise _NotWritten(path, error) from error
        raise


def move_folder(partial: Path, path: Path, overwrite: bool = False) -> None:
    """Gives a complete folder its name.

    Args:
        partial: the folder, on the same disk as `path`.
        path: its name.
        overwrite: whether a folder that is there already is replaced.
            Defaults to `False`.

    Raises:
        OutputExistsError: `path` exists and `overwrite` is false.
    """
    _check_free(path, overwrite)
    if path.exists():
        old = _sibling(path, "old")
        path.rename(old)
        partial.rename(path)
        shutil.rmtree(old)
    else:
        partial.rename(path)


@contextmanager
def atomic_output(
    path: str | os.PathLike, overwrite: bool = False
) -> Iterator[Path]:
    """Gives a file name to write to that becomes `path` at the end.

    As `atomic_folder`, for a single file.

    Args:
        path: the file to make; missing parents are made.
        overwrite: whether a file that is there already is replaced. Defaults
            to `False`.

    Returns:
        A context manager over the `Path` of the file to write.

    Raises:
        OutputExistsError: `path` exists and `overwrite` is false.
        UserError: the file cannot be written; nothing is left of it.
    """
    path = Path(path)
    if not overwrite:
        _check_free(path, overwrite)
    partial = _sibling(path, "partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except UserError:
        raise
    except OSError as error:
        raise _NotWritten(path, error) from error


def atomic_write(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes a file beside `path` and renames it; text is UTF-8.

    Args:
        path: the file to make or replace; missing parents are made.
        content: what the file shall hold.

    Raises:
        UserError: the file cannot be written; nothing is left of it.
    """
    if isinstance(content, str):
        content = content.encode("utf-8")
    with atomic_output(path, overwrite=True) as partial:
        partial.write_bytes(content)


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes `content` as indented JSON, atomically.

    Raises:
        UserError: the file cannot be written.
        ValueError: a number in `content` is NaN or infinite.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(path, text + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: the file is missing, unreadable or not JSON in UTF-8.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path} is not a JSON file: {error}.") from error


def _check_free(path: Path, overwrite: bool) -> None:
    if os.path.lexists(path) and not (overwrite and path.is_dir()):
        raise OutputExistsError(
            f"{path} exists already; give another place to write to, or "
            "delete that one."
        )


def _sibling(path: Path, purpose: str) -> Path:
    name = f".{path.name}.{uuid.uuid4().hex[:8]}.{purpose}"
    return path.absolute().parent / name
