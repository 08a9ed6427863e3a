"""Names in an export folder, and how it is read."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from mgnm_tf.data.lines import split_lines
from mgnm_tf.errors import UserError
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import sha256

FORMAT = "mgnm_tf export"
FORMAT_VERSION = 1

HEADER = "export.json"
"""Signatures, versions, checksums."""
MODEL_CARD = "README.md"
"""The model card."""
SAVED_MODEL = "1"
"""The SavedModel; its name is a version, as TensorFlow Serving wants it."""
VOCABULARY = "vocabulary"
"""The folder of the ids, one a line."""

ONNX = "onnx"
"""The folder of the graphs for ONNX, where there are any."""

FEATURES = "features"
"""The folder of the map from features of items to vectors, if there is one."""

_TEXTS = {"user_ids": "users.txt", "item_ids": "items.txt"}
_NUMBERS = {
    "item_counts": "item_counts.txt",
    "item_categories": "item_categories.txt",
}
_KEYS = {
    "model": str,
    "num_users": int,
    "num_items": int,
    "max_length": int,
    "reads_times": bool,
    "fixed_shapes": bool,
    "rows_at_a_time": int,
    "signatures": dict,
    "sha256": dict,
}


def read_header(path: str | os.PathLike) -> dict[str, Any]:
    """Reads `export.json` and compares the checksums of all files.

    Args:
        path: the export folder.

    Raises:
        UserError: the folder is not there, foreign or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"There is no export folder {path}.")
    if not (path / HEADER).is_file():
        raise UserError(
            f"{path} is not an export folder: there is no {HEADER} in it; "
            "make one with `mgnm export`."
        )
    header = read_json(path / HEADER)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UserError(f"{path / HEADER} does not describe an export.")
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {version}, this program reads "
            f"version {FORMAT_VERSION}; export the model again."
        )
    for key, kind in _KEYS.items():
        if not isinstance(header.get(key), kind):
            raise UserError(
                f"{path / HEADER} is damaged: {key!r} is missing or of "
                "another kind; export the model again."
            )
    for name, expected in header["sha256"].items():
        if not (path / name).is_file():
            raise UserError(
                f"{path / name} is missing; export the model again."
            )
        if sha256(path / name) != expected:
            raise UserError(
                f"{path / name} is damaged: its SHA-256 is not the one in "
                f"{HEADER}; export the model again."
            )
    return header


def fingerprint(path: str | os.PathLike) -> str:
    """Returns what tells an export from all others, 64 hexadecimal digits.

    Args:
        path: the export folder; its index counts, too.

    Raises:
        UserError: a file cannot be read.
    """
    path, digest = Path(path), hashlib.sha256()
    files = [path / HEADER, *sorted((path / "index").rglob("*"))]
    try:
        for file in files:
            if file.is_file():
                digest.update(f"{file.relative_to(path)} ".encode())
                digest.update(sha256(file).encode())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    return digest.hexdigest()


def write_vocabularies(folder: Path, vocabularies: Vocabularies) -> None:
    """Writes ids and numbers of the items, one a line.

    Args:
        folder: the export folder, which is there.
        vocabularies: what to write.
    """
    target = folder / VOCABULARY
    target.mkdir()
    for name, file in {**_TEXTS, **_NUMBERS}.items():
        values = getattr(vocabularies, name)
        if values is not None:
            text = "".join(f"{value}\n" for value in values)
            (target / file).write_bytes(text.encode("utf-8"))


def read_vocabularies(folder: str | os.PathLike) -> Vocabularies:
    """Reads what `write_vocabularies` wrote.

    Args:
        folder: the export folder.

    Raises:
        UserError: a file cannot be read.
    """
    folder, found = Path(folder) / VOCABULARY, {}
    try:
        for name, file in _TEXTS.items():
            found[name] = split_lines((folder / file).read_bytes())
        for name, file in _NUMBERS.items():
            if name == "item_categories" and not (folder / file).exists():
                continue
            found[name] = np.array(
                split_lines((folder / file).read_bytes()), np.int64
            )
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} cannot be read: {error}") from error
    return Vocabularies(**found)
