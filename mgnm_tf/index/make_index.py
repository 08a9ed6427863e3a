"""The index of an export: made of its item vectors, and its files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mgnm_tf.errors import UserError
from mgnm_tf.index.interest_index import InterestIndex
from mgnm_tf.utils.files import atomic_folder

FOLDER = "index"
"""The index in an export folder."""

ADDED = "added_items.txt"
"""The ids of items that the model does not know, one a line."""


def make_index(
    path: str | os.PathLike, served: Any, kind: str = "auto"
) -> InterestIndex:
    """Makes the index of an export and writes it into its folder.

    Args:
        path: the export folder.
        served: what `tf.saved_model.load` returned for it.
        kind: see `InterestIndex.build`. Defaults to `"auto"`.

    Returns:
        The index; its ids are rows of the model, 1 to M.

    Raises:
        UserError: the model has no index, there is one already, or faiss is
            not installed.
    """
    index = index_of(served, kind)
    with atomic_folder(Path(path) / FOLDER) as folder:
        index.write(folder)
        write_added(folder, [])
    return index


def index_of(served: Any, kind: str = "auto") -> InterestIndex:
    """Makes the index of a SavedModel.

    Args:
        served: what `tf.saved_model.load` returned for it, or the
            `ServedModel` itself.
        kind: see `InterestIndex.build`. Defaults to `"auto"`.

    Raises:
        UserError: the model has none, or faiss is not installed.
    """
    if getattr(served, "score_each", None) is None:
        raise UserError(
            "The model does not score items by inner products of interests "
            "and item vectors, so no index can find its items."
        )
    vectors = served.item_table.numpy()[1:].astype(np.float32)
    return InterestIndex.build(vectors, np.arange(1, len(vectors) + 1), kind)


def write_added(folder: Path, added: Sequence[str]) -> None:
    """Writes the ids of the items that were added to an index.

    Args:
        folder: that of the index.
        added: the ids, in the order of their rows.
    """
    text = "".join(f"{one}\n" for one in added)
    (folder / ADDED).write_bytes(text.encode("utf-8"))
