"""Numbers of sequences, items and categories in SQL, as `index` gives them."""

from typing import Any

from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.parts import PARTS

_ITEMS = "SELECT DISTINCT item_code FROM parted WHERE part = 0"
_KNOWN = """
SELECT user_code, item, time, row, part FROM parted JOIN item_rows
 USING (item_code)
"""
_SEQUENCES = """
SELECT user_code, bool_or(part = 0) AS trained FROM known GROUP BY user_code
"""
_CATEGORIES = """
SELECT item, coalesce(min_by(category, row) FILTER (WHERE category > 0), 0)
       AS code
  FROM parted JOIN item_rows USING (item_code) WHERE part = 0 GROUP BY item
"""
_CATEGORY_CODES = "SELECT DISTINCT code FROM item_categories WHERE code > 0"

EVENTS = """
SELECT item, time, part, sequence FROM known JOIN sequences USING (user_code)
 ORDER BY sequence, time, row
"""
"""The events as they are stored."""

ITEM_IDS = """
SELECT id FROM item_rows JOIN item_codes ON code = item_code ORDER BY item
"""
"""The ids of the items, from row 1."""

USER_IDS = """
SELECT id FROM sequences JOIN {users} ON code = sequences.user_code
 ORDER BY sequence
"""
"""The ids of the sequences, from 1; `users` is the table of the ids."""

CATEGORY_IDS = """
SELECT id FROM category_rows JOIN category_codes USING (code)
 ORDER BY category
"""
"""The ids of the categories, from 1."""

ITEM_CATEGORIES = """
SELECT CAST(coalesce(category, 0) AS INTEGER) AS category
  FROM item_categories LEFT JOIN category_rows USING (code) ORDER BY item
"""
"""The category of each item, from row 1."""


def index(work: Workspace, categories: bool) -> dict[str, Any]:
    """Numbers the items and sequences of the table `parted`.

    Args:
        work: where the tables are.
        categories: whether the log has categories.

    Returns:
        `filtered`, `counts` and `cold_item_events` as in the metadata of a
        data set, and `parts`, the events of each part with those of items
        that have no training event.
    """
    work.number("item_rows", _ITEMS, "item", "item_code")
    work.make("known", _KNOWN)
    # Known users first; both in the order of their ids.
    order = "trained DESC, user_code"
    work.number("sequences", _SEQUENCES, "sequence", order)
    num_categories = 0
    if categories:
        work.make("item_categories", _CATEGORIES)
        work.number("category_rows", _CATEGORY_CODES, "category", "code")
        num_categories = work.one("SELECT count(*) FROM category_rows")
    parts, known = (
        _events_of_parts(work, name) for name in ("parted", "known")
    )
    users, items = work.rows(
        "SELECT count(DISTINCT user_code), count(DISTINCT item_code) "
        "FROM parted"
    )[0]
    sequences, trained = work.rows(
        "SELECT count(*), count(*) FILTER (WHERE trained) FROM sequences"
    )[0]
    cold = [all_ - left for all_, left in zip(parts, known, strict=True)]
    return {
        "parts": parts,
        "filtered": {"events": sum(parts), "users": users, "items": items},
        "counts": {
            "events": sum(known),
            "known_users": trained,
            "unknown_users": sequences - trained,
            "items": work.one("SELECT count(*) FROM item_rows"),
            "categories": num_categories,
            **dict(zip(PARTS, known, strict=True)),
        },
        "cold_item_events": dict(zip(PARTS[1:], cold[1:], strict=True)),
    }


def _events_of_parts(work: Workspace, table: str) -> list[int]:
    counts = dict(
        work.rows(f"SELECT part, count(*) FROM {table} GROUP BY part")
    )
    return [counts.get(part, 0) for part in range(len(PARTS))]
