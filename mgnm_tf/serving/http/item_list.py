"""The items of a model, to be looked for and shown."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mgnm_tf.data.reading.table import column_names_of
from mgnm_tf.data.reading.table import read_table
from mgnm_tf.errors import DataError


@dataclass(frozen=True)
class Item:
    """How an item is shown.

    Args:
        title: what it is called.
        picture: the address of a picture, "" for none. Defaults to `""`.
    """

    title: str
    picture: str = ""


def read_items(path: str | os.PathLike) -> dict[str, Item]:
    """Reads titles and pictures of items.

    Args:
        path: CSV or Parquet with the columns `item_id`, `title` and, where
            there are pictures, `picture`: an address that begins with http://
            or https://, or nothing.

    Raises:
        DataError: the file cannot be used.
    """
    path = Path(path)
    columns = ["item_id", "title"]
    if "picture" in column_names_of(path):
        columns.append("picture")
    table = read_table(path, columns, []).to_pydict()
    found: dict[str, Item] = {}
    pictures = table.get("picture", [""] * len(table["item_id"]))
    rows = zip(table["item_id"], table["title"], pictures, strict=True)
    for row, (name, title, picture) in enumerate(rows, 1):
        if name is None or str(name) == "":
            raise DataError(f"{path}, row {row}: `item_id` is empty.")
        picture = str(picture or "")
        if picture and urlsplit(picture).scheme not in ("http", "https"):
            raise DataError(
                f"{path}, row {row}: `picture` must begin with http:// or "
                f"https://. Received: {picture!r}"
            )
        if str(name) in found:
            raise DataError(f"{path}, row {row}: {name!r} stands there twice.")
        found[str(name)] = Item(str(title or name), picture)
    return found


class ItemList:
    """Finds items by parts of their ids and titles, the most frequent first.

    Args:
        ids: str (M,), the ids.
        counts: int (M,), how often each occurs in training.
        items: id -> how it is shown; those that are missing are shown by
            their ids.
    """

    def __init__(
        self, ids: np.ndarray, counts: np.ndarray, items: Mapping[str, Item]
    ):
        self._ids = ids[np.argsort(-counts, kind="stable")]
        self._items = items
        texts = [
            f"{one}\n{items[one].title}" if one in items else one
            for one in self._ids
        ]
        self._texts = pa.array(texts, pa.string())

    def show(self, name: str) -> Item:
        """Returns how an item is shown.

        Args:
            name: its id, known or not.
        """
        return self._items.get(name) or Item(name)

    def search(self, text: str, limit: int) -> list[str]:
        """Returns ids of items in which each word of a text occurs.

        Args:
            text: words, in any case; nothing finds all items.
            limit: the most ids.
        """
        found = None
        for word in text.split():
            one = pc.match_substring(self._texts, word, ignore_case=True)
            found = one if found is None else pc.and_(found, one)
        if found is None:
            return self._ids[:limit].tolist()
        places = np.flatnonzero(found.to_numpy(zero_copy_only=False))
        return self._ids[places[:limit]].tolist()
