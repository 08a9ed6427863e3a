"""Times of a log that is read in blocks, with the result of `encode_times`.

What numbers mean is known when all are read. So blocks are stored as whole
numbers and billionths, and an SQL expression makes times of them at the end.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.reading.columns import bad_value
from mgnm_tf.data.reading.columns import plain
from mgnm_tf.data.reading.times import CALENDAR
from mgnm_tf.data.reading.times import TIME_UNITS
from mgnm_tf.data.reading.times import UNIT_NAMES
from mgnm_tf.data.reading.times import calendar_seconds
from mgnm_tf.data.reading.times import raw_times
from mgnm_tf.data.reading.times import unit_of_size
from mgnm_tf.data.reading.times import warn_of_kind
from mgnm_tf.utils.validation import check_choice

_BILLION = 10**9


class KindChanges(Exception):
    """Blocks before are to be read again, as floats."""


@dataclass
class BlockTimes:
    """Collects what is known of the times of all blocks.

    Args:
        name: the name of the column, for messages.
        unit: see `encode_times`.
        kind: "float" where an earlier try found that all are floats.
    """

    name: str
    unit: str = "auto"
    kind: str = ""
    floating: bool = False
    low: int = np.iinfo(np.int64).max
    top: int = 0
    # The digits of dates written as numbers; 0 as soon as one is none.
    digits: int = -1
    # The finest unit among the fractions, as an index of TIME_UNITS.
    finest: int = 0

    def __post_init__(self):
        check_choice(self.unit, "time_unit", ("auto", *TIME_UNITS))

    def read(
        self, column: pa.ChunkedArray, where: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reads a block.

        Returns:
            The whole numbers int64 (N,), in seconds if they are dates, and
            the billionths int32 (N,).

        Raises:
            KindChanges: it and the blocks before have to be read as floats.
            DataError: see `encode_times`.
        """
        column = plain(column)
        forced = self.kind if self.kind in ("float", "date") else ""
        raw = raw_times(column, self.name, where, forced)
        self.floating |= pa.types.is_floating(column.type)
        kind = raw.kind
        if self.kind and kind != self.kind:
            if "date" in (kind, self.kind):
                # All of them are read as what the first one is.
                kind = "date" if self.kind == "date" else "float"
                raw = raw_times(column, self.name, where, kind)
            elif kind == "float":
                raise KindChanges
            else:
                kind = "decimal"
        self.kind = kind
        whole, rest = raw.whole, raw.billionths
        if whole.min() < 0:
            row = int(np.argmax(whole < 0))
            value = column[row].as_py()
            expected = "a time of at least 0"
            raise bad_value(where, row, self.name, value, expected)
        if kind == "date":
            factor = 1000 ** TIME_UNITS.index(raw.unit)
            rest = whole % factor * (_BILLION // factor)
            whole = whole // factor
        if rest is None:
            rest = np.zeros(len(whole), np.int64)
        self._note(whole, rest)
        return whole, rest.astype(np.int32)

    def _note(self, whole: np.ndarray, rest: np.ndarray) -> None:
        self.low = min(self.low, int(whole.min()))
        self.top = max(self.top, int(whole.max()))
        while (
            self.finest < len(TIME_UNITS) - 1
            and (rest % (_BILLION // 1000**self.finest)).any()
        ):
            self.finest += 1
        if self.digits and self.unit == "auto" and self.kind != "date":
            digits = len(str(whole.max()))
            if self.digits not in (-1, digits) or (
                calendar_seconds(whole) is None
            ):
                digits = 0
            self.digits = digits

    def add(self, other: "BlockTimes") -> None:
        """Takes in what is known of other blocks of the same kind."""
        self.floating |= other.floating
        self.low = min(self.low, other.low)
        self.top = max(self.top, other.top)
        self.finest = max(self.finest, other.finest)
        if self.digits == -1:
            self.digits = other.digits
        elif other.digits not in (-1, self.digits):
            self.digits = 0

    def finish(self, work: Workspace, where: str) -> tuple[str, str]:
        """Finds the unit of all times.

        Args:
            work: where the table `raw` has the columns `whole` and
                `billionths`.
            where: the source, for messages.

        Returns:
            The SQL expression of a time, and its unit, of `TIME_UNITS`.

        Raises:
            DataError: a time is negative, or too large for its precision.
        """
        unit, whole, top = self.unit, "whole", self.top
        if self.kind == "date":
            return self._refined(work, "s", where, whole, top)
        if unit == "auto" and self.digits > 0 and not self.finest:
            form = CALENDAR[self.digits]
            epoch = work.epoch("whole", form)
            self._check_epoch(work, epoch, where)
            ends = f"min({epoch}), max({epoch})"
            first, last = work.rows(f"SELECT {ends} FROM raw")[0]
            warn_of_kind(np.array([first, last]), "s", True, self.name, where)
            return epoch, "s"
        if unit == "auto":
            unit = unit_of_size(self.top)
            if unit != "s":
                ends = np.array([self.low, self.top])
                warn_of_kind(ends, unit, False, self.name, where)
        if unit == "ns" and self.floating:
            whole, unit = work.quotient("(whole + 500)", 1000), "us"
            top = (top + 500) // 1000
        if self.finest:
            return self._refined(work, unit, where, whole, top)
        while unit != "s" and not work.one(
            f"SELECT count(*) FROM raw WHERE {whole} % 1000 <> 0"
        ):
            whole = work.quotient(whole, 1000)
            unit = TIME_UNITS[TIME_UNITS.index(unit) - 1]
        return whole, unit

    def _refined(
        self, work: Workspace, unit: str, where: str, whole: str, top: int
    ) -> tuple[str, str]:
        """Joins numbers and their fractions in the coarsest unit for both."""
        finer = len(TIME_UNITS) - 1 - TIME_UNITS.index(unit)
        steps = min(self.finest, finer)
        factor = 1000**steps
        if not steps:
            return whole, unit
        unit = TIME_UNITS[TIME_UNITS.index(unit) + steps]
        if top >= np.iinfo(np.int64).max // factor:
            first = "SELECT min(row) FROM raw WHERE whole = ?"
            row = work.one(first, [self.top])
            expected = f"a time that int64 holds in {UNIT_NAMES[unit]}"
            raise bad_value(where, row, self.name, top, expected)
        rest = work.quotient("billionths", _BILLION // factor)
        return f"({whole} * {factor} + {rest})", unit

    def _check_epoch(self, work: Workspace, epoch: str, where: str) -> None:
        early = work.rows(
            f"SELECT row, whole FROM raw WHERE {epoch} < 0 ORDER BY row LIMIT 1"
        )
        if early:
            row, value = early[0]
            expected = "a time of at least 0"
            raise bad_value(where, row, self.name, value, expected)
