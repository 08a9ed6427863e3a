"""The splits in SQL; each gives the parts of its namesake in memory.

They make the table `parted`, the events with their `part`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.data.steps.session_splits import DAY
from mgnm_tf.data.steps.session_splits import VALIDATION_SHARE
from mgnm_tf.data.steps.session_splits import sessions_of_share
from mgnm_tf.data.steps.session_splits import too_many_days
from mgnm_tf.data.steps.sessions import units_per_second
from mgnm_tf.data.steps.splits import mixed_session
from mgnm_tf.data.steps.splits import no_given_split
from mgnm_tf.data.steps.splits import places_of_cuts
from mgnm_tf.data.steps.splits import rounded

_BY_EVENT = """
SELECT user_code, item_code, time, row, category,
       CAST({part} AS TINYINT) AS part
  FROM (SELECT *, count(*) OVER (PARTITION BY user_code) AS size,
               row_number() OVER (PARTITION BY user_code ORDER BY time, row)
               - 1 AS rank
          FROM {source})
"""
_BY_TIME = """
SELECT user_code, item_code, time, row, category,
       CAST(CASE WHEN time >= {second} THEN 2 WHEN time >= {first} THEN 1
                 ELSE 0 END AS TINYINT) AS part
  FROM {source}
"""
_UP_TO = """
SELECT time, sum(count(*)) OVER (ORDER BY time) AS count
  FROM {source} GROUP BY time
"""
_SESSIONS = """
SELECT user_code, count(*) AS size, min(time) AS start, max(time) AS finish,
       min(row) AS place, min(part) AS part, max(part) AS other_part
  FROM {source} GROUP BY user_code
"""
# From the latest one: its place, and the samples of those after it.
_HELD = """
SELECT *, row_number() OVER (ORDER BY {order}) AS back,
       coalesce(sum(size - 1) OVER (ORDER BY {order} ROWS BETWEEN
                UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS held
  FROM sessions WHERE {chosen}
"""
_BY_SESSION = """
SELECT user_code, item_code, time, row, category,
       CAST(session_parts.part AS TINYINT) AS part
  FROM {source} JOIN session_parts USING (user_code)
 WHERE session_parts.part >= 0
"""


@dataclass(frozen=True)
class Split:
    """A split of the events of a table into the table `parted`.

    Args:
        work: where the tables are.
        events: the table of the events.
        users: the table of the ids of the users.
        source: where the events come from, for messages.
        time_unit: the unit of the times.
        given: whether the log has a given split.
        shares: of training, validation and test.
        number: the number of the split, if it takes one.
        stays: the share of the training that stays, or `None` for all.
    """

    work: Workspace
    events: str
    users: str
    source: str
    time_unit: str
    given: bool
    shares: Sequence[float]
    number: float
    stays: Fraction | None

    def leave_one_out(self) -> dict[str, Any]:
        """Does `splits.leave_one_out`."""
        part = "CASE WHEN size < 3 THEN 0 ELSE greatest(0, rank - size + 3) END"
        self._make(_BY_EVENT, part=part)
        return {}

    def per_user_ratio(self) -> dict[str, Any]:
        """Does `splits.per_user_ratio`."""
        ends = (self.shares[0], self.shares[0] + self.shares[1])
        first, second = (
            f"CAST(floor(CAST(size AS DOUBLE) * CAST('{end!r}' AS DOUBLE)"
            " + CAST('0.5' AS DOUBLE) + CAST('1e-9' AS DOUBLE)) AS BIGINT)"
            for end in ends
        )
        first = f"greatest(1, {first})"
        part = (
            f"CASE WHEN rank < {first} THEN 0 "
            f"WHEN rank < {second} THEN 1 ELSE 2 END"
        )
        self._make(_BY_EVENT, part=part)
        return {"ratios": list(self.shares)}

    def temporal(self) -> dict[str, Any]:
        """Does `splits.temporal`."""
        count = self.work.one(f"SELECT count(*) FROM {self.events}")
        cuts = places_of_cuts(count, self.shares, self.source).tolist()
        self.work.make("up_to", _UP_TO.format(source=self.events))
        limit = "SELECT min(time) FROM up_to WHERE count > ?"
        first, second = (self.work.one(limit, [cut]) for cut in cuts)
        self._make(_BY_TIME, first=first, second=second)
        seconds = whole_seconds(np.array([first, second]), self.time_unit)
        return {
            "ratios": list(self.shares),
            "validation_from": int(seconds[0]),
            "test_from": int(seconds[1]),
        }

    def sessions(self) -> dict[str, Any]:
        """Does `splits.sessions`."""
        if not self.given:
            raise no_given_split(self.source)
        self.work.make("sessions", _SESSIONS.format(source=self.events))
        mixed = self.work.rows(
            f"SELECT id FROM sessions JOIN {self.users} ON code = "
            "sessions.user_code WHERE sessions.part <> other_part "
            "ORDER BY sessions.user_code LIMIT 1"
        )
        if mixed:
            raise mixed_session(self.source, mixed[0][0])
        note: dict[str, Any] = {}
        held = _HELD.format(order="start DESC, place DESC", chosen="part = 0")
        self.work.make("held", held)
        needed = -1
        if self.stays is not None:
            needed = self._needed("held")
            note["training_share"] = str(self.stays)
        # Without a share all stay: none of them has held enough.
        stays = f"(back = 1 OR held < {needed})" if needed >= 0 else "true"
        taken = 0
        if not self.work.one("SELECT count(*) FROM sessions WHERE part = 1"):
            count = self.work.one(f"SELECT count(*) FROM held WHERE {stays}")
            taken = int(rounded(np.float64(count * 0.1)))
        self.work.make(
            "session_parts",
            f"SELECT user_code, CASE WHEN NOT {stays} THEN -1 "
            f"WHEN back <= {taken} THEN 1 ELSE 0 END AS part FROM held "
            "UNION ALL SELECT user_code, part FROM sessions WHERE part > 0",
        )
        self._make(_BY_SESSION)
        note["validation_sessions_taken_from_training"] = taken
        return note

    def last_days(self) -> dict[str, Any]:
        """Does `session_splits.last_days`."""
        days = int(self.number)
        units = units_per_second(self.time_unit)
        self.work.make("sessions", _SESSIONS.format(source=self.events))
        start, least, last = self.work.rows(
            "SELECT min(start), min(finish), max(finish) FROM sessions"
        )[0]
        limit = last - days * DAY * units
        if least >= limit:
            span = (last - start) / (DAY * units)
            raise too_many_days(self.source, span, days)
        return self._by_end(limit, {"days": days})

    def last_share(self) -> dict[str, Any]:
        """Does `session_splits.last_share`."""
        self.work.make("sessions", _SESSIONS.format(source=self.events))
        total = self.work.one("SELECT count(*) FROM sessions")
        count = sessions_of_share(total, self.number, self.source)
        limit = self._end(total - count)
        return self._by_end(limit, {"share": self.number})

    def _by_end(self, limit: int, note: dict[str, Any]) -> dict[str, Any]:
        """Parts where sessions that end at `limit` or later are test."""
        since = "NULL"
        if self.stays is not None:
            held = _HELD.format(
                order="finish DESC, user_code DESC", chosen=f"finish < {limit}"
            )
            self.work.make("held", held)
            needed = self._needed("held")
            since = self.work.one(
                "SELECT min(finish) FROM held "
                f"WHERE back = 1 OR held < {needed}"
            )
            since = "NULL" if since is None else str(since)
            note = {**note, "training_share": str(self.stays)}
        # Sessions that end at the time of the first that stays, stay too.
        left_out = f"(finish < {limit} AND coalesce(finish < {since}, false))"
        before = f"finish < {limit} AND NOT {left_out}"
        count = self.work.one(f"SELECT count(*) FROM sessions WHERE {before}")
        taken = int(rounded(np.float64(count * VALIDATION_SHARE)))
        first = self._end(count - taken, before) if taken else limit
        self.work.make(
            "session_parts",
            f"SELECT user_code, CASE WHEN {left_out} THEN -1 "
            f"WHEN finish >= {limit} THEN 2 WHEN finish >= {first} THEN 1 "
            "ELSE 0 END AS part FROM sessions",
        )
        self._make(_BY_SESSION)
        numbers = dict(
            self.work.rows(
                "SELECT part, count(*) FROM session_parts GROUP BY part"
            )
        )
        starts = whole_seconds(np.array([first, limit]), self.time_unit)
        return {
            **note,
            "validation_from": int(starts[0]),
            "test_from": int(starts[1]),
            "sessions": {
                name: numbers.get(part, 0) for part, name in enumerate(PARTS)
            },
        }

    def _needed(self, table: str) -> int:
        """Returns how many samples the share that stays is."""
        total = self.work.one(f"SELECT sum(size - 1) FROM {table}")
        return ceil(int(total or 0) * (self.stays or 1))

    def _end(self, place: int, chosen: str = "true") -> int:
        """Returns the end of the session at a place, from 0, by its end."""
        return self.work.one(
            f"SELECT finish FROM sessions WHERE {chosen} "
            f"ORDER BY finish LIMIT 1 OFFSET {place}"
        )

    def _make(self, sql: str, **values: Any) -> None:
        self.work.make("parted", sql.format(source=self.events, **values))
