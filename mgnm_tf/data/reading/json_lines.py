"""Files of JSON objects, one a line, as Arrow tables of the wanted columns."""

import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from mgnm_tf.data.reading.columns import check_columns
from mgnm_tf.data.reading.source_files import one_line
from mgnm_tf.data.reading.source_files import open_bytes
from mgnm_tf.data.reading.source_files import to_its_end
from mgnm_tf.data.reading.text_table import ReadAgain
from mgnm_tf.errors import DataError
from mgnm_tf.errors import RowError

_BLOCK_BYTES = 1 << 24
_FIRST_LINES = 100
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_WORDS = {str: "text", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class JsonLines:
    """A file of JSON Lines: an object a line, whose keys are the columns.

    The first hundred lines tell the columns, and which of them hold text,
    whole numbers or numbers; lists and objects are no columns. A key that a
    line lacks is missing there, as `null` is. Blank lines are no rows.

    Args:
        path: the file, in UTF-8.
        compressed: whether it is compressed by gzip.
    """

    path: Path
    compressed: bool

    def header(self) -> list[str]:
        """Returns the names of the columns.

        Raises:
            DataError: the file cannot be read, or one of its first lines is
                no object.
        """
        with to_its_end(self.path):
            kinds = self._kinds(_FIRST_LINES)
            return [name for name, kind in kinds.items() if kind in _TYPES]

    def read(self, ids: Sequence[str], numbers: Sequence[str]) -> pa.Table:
        """Reads some columns; each object of the file is a row of the table.

        Args:
            ids: the columns of ids; text comes as dictionaries.
            numbers: the columns of numbers and times.

        Raises:
            DataError: the file cannot be read, lacks a column, or a row is
                no object or holds another kind of value than the first ones.
        """
        try:
            return pa.concat_tables(self.blocks(ids, numbers))
        except ReadAgain:
            return pa.concat_tables(self.blocks(ids, numbers, again=True))

    def head(self, columns: Sequence[str], rows: int) -> pa.Table:
        """Reads the first rows, and no more of the file.

        Args:
            columns: the names of the columns.
            rows: how many.

        Raises:
            DataError: as `read`, of what is wrong in these rows.
        """
        with to_its_end(self.path):
            kinds = self._wanted_kinds(columns, rows)
            with open_bytes(self.path, self.compressed) as file:
                content = b"".join(islice(file, rows))
            return self._parse(content, kinds, 0)

    def blocks(
        self, ids: Sequence[str], numbers: Sequence[str], again: bool = False
    ) -> Iterator[pa.Table]:
        """Reads as `read`, some rows at a time.

        Args:
            ids: see `read`; so are `numbers`.
            numbers: see `read`.
            again: whether columns of numbers that begin with whole ones may
                go on with others. Defaults to `False`.

        Raises:
            ReadAgain: what was read is void, and `again` is needed.
            DataError: see `read`.
        """
        with to_its_end(self.path):
            kinds = self._wanted_kinds([*ids, *numbers], _FIRST_LINES)
            if again:
                kinds |= {name: float for name in numbers if kinds[name] is int}
            texts = [name for name in ids if kinds[name] is str]
            rows = 0
            with open_bytes(self.path, self.compressed) as file:
                while content := file.read(_BLOCK_BYTES):
                    content += file.readline()
                    try:
                        table = self._parse(content, kinds, rows)
                    except DataError as error:
                        if not again:
                            raise ReadAgain from error
                        raise
                    rows += table.num_rows
                    yield _with_dictionaries(table, texts)

    def _wanted_kinds(
        self, wanted: Sequence[str], lines: int
    ) -> dict[str, type]:
        """Returns the kinds of some columns, by the first lines."""
        kinds = self._kinds(lines)
        check_columns(str(self.path), wanted, list(kinds))
        for name in wanted:
            if kinds[name] not in _TYPES:
                raise DataError(
                    f"{self.path}, column {name!r}: holds "
                    f"{_said(kinds[name]())}, expected text or numbers."
                )
        return {name: kinds[name] for name in wanted}

    def _kinds(self, lines: int) -> dict[str, type]:
        """Returns column -> type of its first value, `str` if it has none.

        Of a column with whole numbers and others it is `float`.
        """
        kinds: dict[str, type | None] = {}
        with open_bytes(self.path, self.compressed) as file:
            content = b"".join(islice(file, lines))
        for _, found in self._objects(content, 0):
            for name, value in found.items():
                kind = kinds.setdefault(name, None)
                if kind is None and value is not None:
                    kinds[name] = type(value)
                elif {kind, type(value)} == {int, float}:
                    kinds[name] = float
        return {name: kind or str for name, kind in kinds.items()}

    def _parse(
        self, content: bytes, kinds: Mapping[str, type], rows: int
    ) -> pa.Table:
        """Returns the wanted columns of whole lines, behind `rows` rows."""
        schema = pa.schema([(name, _TYPES[kinds[name]]) for name in kinds])
        content = content.removeprefix(_BYTE_ORDER_MARK)
        if not content.strip():
            return schema.empty_table()
        try:
            table = pa.json.read_json(
                pa.BufferReader(content),
                pa.json.ReadOptions(block_size=len(content) + 1),
                pa.json.ParseOptions(
                    explicit_schema=schema, unexpected_field_behavior="ignore"
                ),
            )
            table.validate(full=True)  # Which looks for what is no UTF-8.
            return table.select(schema.names)
        except pa.ArrowInvalid as error:
            for row, found in self._objects(content, rows):
                self._check(row, found, kinds)
            raise DataError(
                f"{self.path} cannot be read as JSON Lines behind row "
                f"{rows:,}: {one_line(error)}."
            ) from error

    def _objects(
        self, content: bytes, rows: int
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields row, from 0, and object of each line."""
        content = content.removeprefix(_BYTE_ORDER_MARK)
        for line in content.splitlines():
            if not line.strip():
                continue
            try:
                # NaN is no JSON; as text it does not fit a number.
                found = json.loads(line, parse_constant=str)
            except UnicodeDecodeError as error:
                said = f" is not text in UTF-8: {error}."
                raise self._bad(rows, said) from error
            except json.JSONDecodeError as error:
                raise self._bad(
                    rows,
                    f" is no JSON: {error}; expected an object a line (JSON "
                    "Lines).",
                ) from error
            if not isinstance(found, dict):
                raise self._bad(
                    rows,
                    f" holds {_said(found)}; expected an object a line (JSON "
                    "Lines).",
                )
            yield rows, found
            rows += 1

    def _check(
        self, row: int, found: Mapping[str, Any], kinds: Mapping[str, type]
    ) -> None:
        """Checks that the values of a row are of the kinds of the first."""
        for name, kind in kinds.items():
            value = found.get(name)
            fits = isinstance(value, (int, float) if kind is float else kind)
            if value is not None and (type(value) is bool or not fits):
                raise self._bad(
                    row,
                    f", column {name!r}: found {_said(value)}, expected "
                    f"{_WORDS[kind]} as in the first rows.",
                )

    def _bad(self, row: int, said: str) -> RowError:
        return RowError(str(self.path), row, said)


def _with_dictionaries(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Returns a table whose columns of these names are dictionaries."""
    for name in names:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table


def _said(value: Any) -> str:
    """Returns a value in a few words."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return json.dumps(value, ensure_ascii=False)
