"""What is known of items besides their events: numbers, vectors, classes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mgnm_tf.data.reading.columns import check_columns
from mgnm_tf.data.reading.columns import encode_ids
from mgnm_tf.errors import DataError
from mgnm_tf.errors import RowError

ITEM = "item_id"
"""The column of the ids."""


@dataclass(frozen=True, eq=False, repr=False)
class ItemFeatures:
    """Features of N items.

    Args:
        ids: raw ids, each once.
        numbers: column -> float64 (N, w); w is 1 for a column of numbers,
            and the length of its lists for a column of vectors.
        classes: column -> object (N,), lists of text, for a column of text
            (one each, "" is none) or of lists of text.
    """

    ids: Sequence[str]
    numbers: dict[str, np.ndarray]
    classes: dict[str, np.ndarray]

    def rows(self, places: np.ndarray) -> "ItemFeatures":
        """Returns those of some items, by their places from 0."""
        return ItemFeatures(
            [self.ids[place] for place in places],
            {name: values[places] for name, values in self.numbers.items()},
            {name: values[places] for name, values in self.classes.items()},
        )


def read_item_features(
    source: str | os.PathLike | pd.DataFrame, where: str | None = None
) -> ItemFeatures:
    """Reads features of items.

    Args:
        source: a Parquet file or a `DataFrame` with `item_id` and at least one
            further column: numbers (booleans count as 0 and 1), lists of
            numbers of one length, text (a class each), or lists of text
            (several).
        where: what the source is called in messages. Defaults to `None`: the
            path, or "the table".

    Raises:
        DataError: the file is not there or no Parquet, a column is missing or
            of another kind, an id is empty or there twice, a number is
            missing or not finite, or lists have other lengths.
    """
    if isinstance(source, pd.DataFrame):
        table = pa.Table.from_pandas(source, preserve_index=False)
        where = where or "the table"
    else:
        where = where or str(source)
        if not Path(source).is_file():
            raise DataError(f"There is no file {source} of item features.")
        try:
            table = pq.read_table(source)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                f"{where} cannot be read as Parquet: {error}"
            ) from error
    names = table.column_names
    check_columns(where, [ITEM], names)
    others = [name for name in names if name != ITEM and not _is_index(name)]
    if not others or not len(table):
        raise DataError(
            f"{where} has {len(others)} columns besides {ITEM!r} and "
            f"{len(table)} rows; expected at least one of each."
        )
    codes, ids = encode_ids(_chunked(table[ITEM]), ITEM, where)
    counts = np.bincount(codes)
    if counts.max() > 1:
        code = int(counts.argmax())
        row = int(np.flatnonzero(codes == code)[1])
        raise RowError(
            where,
            row,
            f", column {ITEM!r}: {ids[code]!r} is there a second time; "
            "expected each item once.",
        )
    numbers, classes = {}, {}
    for name in others:
        column = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        inner = kind.value_type if lists or _is_fixed(kind) else kind
        if _is_text(inner):
            classes[name] = _classes(column)
        elif _is_number(inner):
            numbers[name] = _numbers(column, name, where)
        else:
            raise DataError(
                f"{where}, column {name!r}: holds {kind}, expected numbers, "
                "text, or lists of one of them."
            )
    return ItemFeatures([ids[code] for code in codes], numbers, classes)


def _is_index(name: str) -> bool:
    """Whether pandas wrote the labels of the rows under this name."""
    return name.startswith("__index_level_")


def _chunked(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns a column of at least one chunk."""
    return column if column.num_chunks else pa.chunked_array([column])


def _is_fixed(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
    )


def _classes(column: pa.Array) -> np.ndarray:
    """Returns a list of text for each row."""
    found = np.empty(len(column), object)
    found[:] = [
        [
            text
            for text in ([one] if isinstance(one, str) else one or [])
            if text
        ]
        for one in column.to_pylist()
    ]
    return found


def _numbers(column: pa.Array, name: str, where: str) -> np.ndarray:
    """Returns finite numbers, float64 (N, w)."""
    values = column.to_pylist()
    rows = [one if isinstance(one, list) else [one] for one in values]
    width = len(rows[0])
    for row, one in enumerate(rows):
        if len(one) != width or not width:
            raise RowError(
                where,
                row,
                f", column {name!r}: the list has {len(one)} numbers, "
                f"expected {width or 'at least 1'} as in the first row.",
            )
    numbers = np.array(rows, np.float64)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        row = int(wrong.any(axis=1).argmax())
        raise RowError(
            where,
            row,
            f", column {name!r}: found {values[row]!s}, expected finite "
            "numbers.",
        )
    return numbers
