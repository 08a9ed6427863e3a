"""What a page on recommendations says, as plain values."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mgnm_tf.errors import UserError
from mgnm_tf.utils.winners import interests_behind
from mgnm_tf.utils.winners import winners_behind

MAX_EVENTS = 100
"""The most events of a history that are shown, the newest ones."""
MAX_SAMPLE = 1000
"""The most items of the catalogue whose winners are counted."""
SOURCES = 2
"""How many items of the history are named behind a recommendation."""


@dataclass(frozen=True)
class Interests:
    """The interests of a model, in the order of its vectors.

    Args:
        levels: int (n,), from 0.
        numbers: int (n,), from 1 within a level.
    """

    levels: np.ndarray
    numbers: np.ndarray

    @property
    def has_levels(self) -> bool:
        """Whether there is more than one level."""
        return len(np.unique(self.levels)) > 1

    @property
    def groups(self) -> np.ndarray:
        """What winners are counted by, int (n,): level, or else number."""
        return self.levels if self.has_levels else self.numbers

    @property
    def group_names(self) -> list[str]:
        """The names of the groups, in order."""
        word = "Level" if self.has_levels else "Interest"
        return [f"{word} {group}" for group in np.unique(self.groups)]

    def name(self, place: int) -> str:
        """Returns the name of one interest."""
        name = f"interest {self.numbers[place]}"
        if self.has_levels:
            return f"level {self.levels[place]}, {name}"
        return name

    def group_index(self, places: np.ndarray) -> np.ndarray:
        """Returns which group, counted from 0, each interest belongs to."""
        return np.searchsorted(np.unique(self.groups), self.groups[places])

    def share(self, weights: np.ndarray) -> np.ndarray:
        """Returns the weight (n,) of the interests that each group has."""
        index = self.group_index(np.arange(len(weights)))
        return np.bincount(index, weights, len(self.group_names))

    def count(self, places: np.ndarray) -> np.ndarray:
        """Returns how many of some winners belong to each group."""
        return np.bincount(
            self.group_index(places), minlength=len(self.group_names)
        )


@dataclass(frozen=True)
class Event:
    """An item of a history.

    Args:
        item: its id.
        weights: float (n,), its share of each interest.
        known: whether the model knows the item.
    """

    item: str
    weights: np.ndarray
    known: bool


@dataclass(frozen=True)
class Recommendation:
    """A recommended item.

    Args:
        item: its id.
        score: as the model gives it.
        place: of the interest that speaks for it; `None` if the history is
            empty.
        sources: the items that feed this interest most, with their shares.
    """

    item: str
    score: float
    place: int | None
    sources: list[tuple[str, float]]


@dataclass(frozen=True)
class UserExplanation:
    """All that is shown of one user.

    Args:
        user: the id.
        length: events of the history.
        events: the newest of them, newest first.
        recommendations: best first.
        sampled: int, how many items of the sample each group wins.
        recommended: int, how many recommendations each group wins.
        produced: int (n,), how many recommendations each interest produced.
        expected: float (n,), how much each interest is expected to be the
            next one; `None` where the model does not predict it, or knows
            nothing of the history.
    """

    user: str
    length: int
    events: list[Event]
    recommendations: list[Recommendation]
    sampled: np.ndarray
    recommended: np.ndarray
    produced: np.ndarray
    expected: np.ndarray | None = None

    @property
    def empty(self) -> bool:
        """Whether the model knows nothing of the history."""
        return not any(event.weights.any() for event in self.events)


class Explainer:
    """Explains the recommendations of a loaded model.

    Args:
        recommender: a `mgnm_tf.serving.Recommender`, or what has its
            `recommend`, `interests`, `item_vectors`, `item_ids` and
            `metadata`. Where the `metadata` list its signature
            `interest_distribution`, that is asked in place of `interests`.
        k: number of recommendations.

    Raises:
        UserError: the model has not got several interests.
    """

    def __init__(self, recommender: Any, k: int = 10):
        self.recommender = recommender
        self.k = min(k, len(recommender.item_ids))
        found = interests_behind(recommender, [])
        if "attention" not in found:
            raise UserError(
                "The page shows which items feed which interest, so it needs "
                "a model with several interests; this one has not got them."
            )
        self.interests = Interests(found["level"], found["interest"])
        self.mixes = "distribution" in found
        items = np.asarray(recommender.item_ids, dtype=object)
        self._known = set(items)
        random = np.random.default_rng(0)
        count = min(MAX_SAMPLE, len(items))
        self.sample_size = count
        chosen = np.sort(random.choice(len(items), count, replace=False))
        self._sample = recommender.item_vectors(items[chosen])

    def explain(
        self, histories: Mapping[str, Sequence[str]]
    ) -> Iterator[UserExplanation]:
        """Explains one user after the other.

        Args:
            histories: user id -> item ids, oldest first.
        """
        for user, history in histories.items():
            yield self._explain(user, list(history))

    def _explain(self, user, history):
        found = interests_behind(self.recommender, history, user)
        attention = found["attention"][0][:, : len(history)]  # (n, m)
        rows = self.recommender.recommend([history], k=self.k, users=[user])
        rows = rows[rows["item_id"] != ""]
        count = len(self.interests.levels)
        sampled = recommended = np.zeros(len(self.interests.group_names), int)
        produced = np.zeros(count, int)
        places = [None] * len(rows)
        if attention.any():
            places = self._winners(
                found, self.recommender.item_vectors(rows["item_id"].to_numpy())
            )
            produced = np.bincount(places, minlength=count)
            recommended = self.interests.count(places)
            sampled = self.interests.count(self._winners(found, self._sample))
        recommendations = [
            Recommendation(
                row.item_id,
                float(row.score),
                None if place is None else int(place),
                [] if place is None else sources(history, attention[place]),
            )
            for row, place in zip(rows.itertuples(), places, strict=True)
        ]
        return UserExplanation(
            user,
            len(history),
            self._events(history, attention),
            recommendations,
            sampled,
            recommended,
            produced,
            found["distribution"][0]
            if self.mixes and attention.any()
            else None,
        )

    def _winners(self, found, vectors):
        return winners_behind(found, vectors)[0]

    def _events(self, history, attention):
        """Returns the events that the model reads, or the newest."""
        read = np.flatnonzero(attention.any(axis=0))
        first = max(len(history) - MAX_EVENTS, 0)
        if len(read):
            first = max(first, read[0])
        return [
            Event(history[i], attention[:, i], history[i] in self._known)
            for i in reversed(range(first, len(history)))
        ]


def sources(
    history: Sequence[str], weights: np.ndarray
) -> list[tuple[str, float]]:
    """Returns the items that feed an interest most, and their shares.

    Items that feed less than 1% of it are left out.

    Args:
        history: item ids.
        weights: float (m,), the share of each event.

    Example:

    >>> from mgnm_tf.report.explanation import sources
    >>> sources(["tea", "milk", "tea"], [0.25, 0.25, 0.5])
    [('tea', 0.75), ('milk', 0.25)]
    """
    totals: dict[str, float] = {}
    for item, weight in zip(history, weights, strict=True):
        totals[item] = totals.get(item, 0.0) + float(weight)
    best = sorted(totals.items(), key=lambda pair: -pair[1])
    return [pair for pair in best[:SOURCES] if pair[1] >= 0.01]
