"""Which interest stands behind each recommended item."""

from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.utils.winners import interests_behind
from mgnm_tf.utils.winners import winners_behind

_SHARE = 0.1
"""What an item of the history must feed an interest with to be named."""
_NAMED = 3
"""How many items of the history are named, at most."""


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
    nothing = (), [()] * len(table)
    if "interests" not in recommender.metadata["signatures"]:
        return nothing
    found = interests_behind(recommender, history, user)
    if "attention" not in found or not found["attention"].any():
        return nothing
    vectors = recommender.item_vectors(table["item_id"])
    (places,) = winners_behind(found, vectors)
    rows = []
    for place in places:
        weights = found["attention"][0, place, : len(history)]
        best = np.argsort(-weights, kind="stable")[:_NAMED]
        sources = [
            f"{history[column]} {weights[column]:.0%}"
            for column in best
            if weights[column] >= _SHARE
        ]
        rows.append(
            (
                str(found["level"][place]),
                str(found["interest"][place]),
                ", ".join(sources),
            )
        )
    return ("level", "interest", "fed by"), rows
