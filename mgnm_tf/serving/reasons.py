"""Which interest stands behind each recommended item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.utils.winners import interests_behind
from mgnm_tf.utils.winners import winners_behind

_SHARE = 0.1
"""What an item of the history must feed an interest with to be named."""
_NAMED = 3
"""How many items of the history are named, at most."""


@dataclass(frozen=True)
class Reason:
    """What stands behind a recommended item.

    Args:
        level: of the interest that scores it, from 0.
        interest: its number within the level, from 1.
        sources: the items of the history that feed it most, with the share of
            each, largest first.
    """

    level: int
    interest: int
    sources: list[tuple[str, float]]


@dataclass(frozen=True, eq=False)
class Reasons:
    """What stands behind the recommendations to one user.

    Letters in shapes: n interests, m items of the history.

    Args:
        levels: int (n,), the level of each interest.
        interests: int (n,), its number within the level.
        attention: float (n, m), how much each item feeds each interest.
        items: a reason for each recommended item.
    """

    levels: np.ndarray
    interests: np.ndarray
    attention: np.ndarray
    items: list[Reason]


def reasons_behind(
    recommender: Any, user: str, history: list[str], items: Sequence[str]
) -> Reasons | None:
    """Finds the interest behind each item that is recommended to a user.

    Args:
        recommender: a `Recommender`.
        user: the id of the user.
        history: the items of the user, oldest first.
        items: the ids of the recommended items.

    Returns:
        `None` of models that have no several interests or read times, and
        for an empty history.
    """
    metadata = recommender.metadata
    if "interests" not in metadata["signatures"]:
        return None
    if metadata.get("reads_times", False):
        return None  # Interests are asked for by histories without times.
    found = interests_behind(recommender, history, user)
    if "attention" not in found or not found["attention"].any():
        return None
    vectors = recommender.item_vectors(items)
    (places,) = winners_behind(found, vectors)
    attention = found["attention"][0, :, : len(history)]
    reasons = []
    for place in places:
        weights = attention[place]
        best = np.argsort(-weights, kind="stable")[:_NAMED]
        sources = [
            (history[column], float(weights[column]))
            for column in best
            if weights[column] >= _SHARE
        ]
        level, number = found["level"][place], found["interest"][place]
        reasons.append(Reason(int(level), int(number), sources))
    return Reasons(found["level"], found["interest"], attention, reasons)


def find_reasons(
    recommender: Any, user: str, history: list[str], table: pd.DataFrame
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Finds level, interest and sources of recommendations to one user.

    Args:
        recommender: a `Recommender`.
        user: the id of the user.
        history: the items of the user, oldest first.
        table: what `recommend` returned.

    Returns:
        The headings, and for each row of `table` as many texts: level and
        number of the interest that scores the item, and the items of the
        history that feed it most. Nothing from models that have no
        interests, and for an empty history.
    """
    found = reasons_behind(recommender, user, history, table["item_id"])
    if found is None:
        return (), [()] * len(table)
    rows: list[tuple[str, ...]] = [
        (
            str(one.level),
            str(one.interest),
            ", ".join(f"{item} {share:.0%}" for item, share in one.sources),
        )
        for one in found.items
    ]
    return ("level", "interest", "fed by"), rows
