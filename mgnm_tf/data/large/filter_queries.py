"""The filters of a log in SQL; each does what its namesake in memory does.

The events stand in a table of `user_code` and `item_code` (from 1, in the
order of the raw ids), `time`, `row` (of the source), `part` and `category`
(0 for none).
"""

from collections.abc import Sequence
from typing import Any

from mgnm_tf.data.large.split_queries import Split
from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.log import nothing_left
from mgnm_tf.data.steps.filter_steps import read_filter
from mgnm_tf.data.steps.sessions import seconds_of_gap
from mgnm_tf.data.steps.sessions import units_per_second
from mgnm_tf.utils.validation import check_positive_int

_IDS = """
SELECT DISTINCT {column} AS id FROM raw WHERE kept AND {column} IS NOT NULL
"""
_EVENTS = """
SELECT user_codes.code AS user_code, item_codes.code AS item_code,
       {time} AS time, row, part, {category} AS category
  FROM raw
  JOIN user_codes ON user_codes.id = user_id
  JOIN item_codes ON item_codes.id = item_id
       {join}
 WHERE kept
"""
_JOIN = "LEFT JOIN category_codes ON category_codes.id = raw.category"

_FIRST_OF_EQUAL = """
SELECT user_code, item_code, time, min(row) AS row,
       min_by(part, row) AS part, min_by(category, row) AS category
  FROM {source} GROUP BY user_code, item_code, time
"""
_SUPPORT = """
SELECT * FROM {source}
 WHERE user_code IN (SELECT user_code FROM {source} GROUP BY user_code
                     HAVING count(*) >= {min_user})
   AND item_code IN (SELECT item_code FROM {source} GROUP BY item_code
                     HAVING count(*) >= {min_item})
"""
_FIRST_EVENTS = """
SELECT user_code, item_code, time, row, part, category
  FROM (SELECT *, row_number() OVER (PARTITION BY user_code
                                     ORDER BY time, row) AS place
          FROM {source})
 WHERE place <= {count}
"""
_NO_REPEATS = """
SELECT user_code, item_code, time, row, part, category
  FROM (SELECT *, lag(item_code) OVER (PARTITION BY user_code
                                       ORDER BY time, row) AS before
          FROM {source})
 WHERE item_code IS DISTINCT FROM before
"""
_TOP_ITEMS = """
SELECT * FROM {source}
 WHERE item_code IN (SELECT item_code FROM {source} GROUP BY item_code
                     ORDER BY count(*) DESC, item_code LIMIT {count})
"""
_NUMBERED = """
SELECT *, CAST(sum(begins) OVER (PARTITION BY user_code ORDER BY time, row
                                 ROWS UNBOUNDED PRECEDING)
               AS BIGINT) AS session
  FROM (SELECT *, CASE WHEN time - lag(time) OVER (
                              PARTITION BY user_code ORDER BY time, row)
                            <= {gap} THEN 0 ELSE 1 END AS begins
          FROM {source})
"""
_SESSION_IDS = """
SELECT user_codes.id || '#' || CAST(session AS STRING) AS id,
       user_code, session
  FROM (SELECT DISTINCT user_code, session FROM numbered)
  JOIN user_codes ON user_code = user_codes.code
"""
_OF_SESSIONS = """
SELECT session_codes.code AS user_code, item_code, time, row, part, category
  FROM numbered JOIN session_codes USING (user_code, session)
"""


class Filters:
    """Filters the events, from one table to the next.

    Args:
        work: where the table `raw` is.
        source: where the events come from, for messages.
        rows: how many rows were read.
    """

    def __init__(self, work: Workspace, source: str, rows: int):
        self.work = work
        self.source = source
        self.steps: list[dict[str, Any]] = []
        self.rows = rows
        self.users = "user_codes"
        self._number = 0

    @property
    def table(self) -> str:
        """The table of the events that are left."""
        return f"events_{self._number}"

    def encode(
        self, kept: int, above: float | None, time: str, categories: bool
    ) -> None:
        """Gives ids codes, and keeps the rows with a rating above a limit.

        Args:
            kept: how many those are.
            above: the limit, or `None`.
            time: the SQL expression of a time.
            categories: whether there are categories.
        """
        names = {"user": "user_id", "item": "item_id"}
        if categories:
            names["category"] = "category"
        if above is not None:
            step = {"filter": "rating", "above": above}
            self._note(kept, step)

        def work():
            for name, column in names.items():
                ids = _IDS.format(column=column)
                self.work.number(f"{name}_codes", ids, "code", "id")
            code = "coalesce(category_codes.code, 0)" if categories else "0"
            join = _JOIN if categories else ""
            self.work.make(
                "events_0", _EVENTS.format(time=time, category=code, join=join)
            )

        words = f"numbering the ids of {kept:,} events"
        self.work.phase("encode", words, work, drop="raw")

    def drop_duplicates(self) -> None:
        """Does `filters.drop_duplicates`."""
        self._next(_FIRST_OF_EQUAL, {"filter": "duplicates"})

    def cut_sessions(self, gap: str, time_unit: str) -> None:
        """Does `sessions.cut_sessions`."""
        longest = seconds_of_gap(gap) * units_per_second(time_unit)
        source, self._number = self.table, self._number + 1

        def work():
            numbered = _NUMBERED.format(source=source, gap=longest)
            self.work.make("numbered", numbered)
            self.work.number("session_codes", _SESSION_IDS, "code", "id")
            self.work.make(self.table, _OF_SESSIONS)
            self.work.drop("numbered")
            return self.work.rows(
                "SELECT count(DISTINCT user_code), count(*) FROM session_codes"
            )[0]

        words = f"cutting {self.rows:,} events into sessions"
        users, sessions = self.work.phase("sessions", words, work, source)
        self.users = "session_codes"
        self.steps.append(
            {
                "filter": "sessions_by_gap",
                "gap": gap,
                "users": users,
                "sessions": sessions,
                "dropped_events": 0,
            }
        )

    def apply(self, filters: Sequence[str]) -> None:
        """Does `filter_steps.apply_filters`."""
        for text in filters:
            name, numbers = read_filter(text)
            if name == "core":
                self.core(*numbers)
            elif name == "user_support":
                self._support(numbers[0], 1)
            elif name == "item_support":
                self._support(1, numbers[0])
            elif name == "first_events":
                step = {"filter": name, "count": numbers[0]}
                self._next(_FIRST_EVENTS, step, count=numbers[0])
            elif name == "top_items":
                step = {"filter": name, "count": numbers[0]}
                self._next(_TOP_ITEMS, step, count=numbers[0])
            else:
                self._next(_NO_REPEATS, {"filter": "repeats"})

    def core(self, min_user: int, min_item: int) -> None:
        """Does `filters.filter_core`."""
        least = {
            "min_user": check_positive_int(min_user, "min_user"),
            "min_item": check_positive_int(min_item, "min_item"),
        }
        step = {"filter": "core", **least}
        if min_user == min_item == 1:
            self._note(self.rows, step)
            return
        source, self._number = self.table, self._number + 1

        def work():
            before, rounds = self.rows, 0
            inner = source
            while True:
                query = _SUPPORT.format(source=inner, **least)
                self.work.make("round", query)
                left = self.work.one("SELECT count(*) FROM round")
                rounds += 1
                self.work.rename("round", self.table)
                inner = self.table
                self.work.progress(f"core, round {rounds}: {left:,} events")
                if left == before:
                    return left
                before = left

        words = f"core of {self.rows:,} events"
        self._note(self.work.phase(self.table, words, work, source), step)

    def split(self, method: str, split: Split) -> dict[str, Any]:
        """Splits what is left into the table `parted`.

        Args:
            method: the name of the split.
            split: what it is of.

        Returns:
            What is known about the split.

        Raises:
            DataError: see `split_log`.
        """

        def work():
            note = getattr(split, method)()
            return note, self.work.one("SELECT count(*) FROM parted")

        words = f"splitting {self.rows:,} events: {method}"
        note, left = self.work.phase("split", words, work, self.table)
        if split.stays is not None:
            share = {"filter": "training_share", "share": str(split.stays)}
            self._note(left, share)
        return note

    def _support(self, min_user: int, min_item: int) -> None:
        least = {"min_user": min_user, "min_item": min_item}
        self._next(_SUPPORT, {"filter": "support", **least}, **least)

    def _next(self, select: str, step: dict[str, Any], **values: int) -> None:
        """Makes the next table by a query, and notes the step."""
        source, self._number = self.table, self._number + 1

        def work():
            query = select.format(source=source, **values)
            self.work.make(self.table, query)
            return self.work.one(f"SELECT count(*) FROM {self.table}")

        words = f"filtering {self.rows:,} events: {step['filter']}"
        left = self.work.phase(self.table, words, work, source)
        self._note(left, step)

    def _note(self, left: int, step: dict[str, Any]) -> None:
        if not left:
            raise nothing_left(self.source, self.rows, step)
        self.steps.append({**step, "dropped_events": self.rows - left})
        self.rows = left
