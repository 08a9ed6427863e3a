"""Answers the queries of many users at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mgnm_tf.errors import UserError
from mgnm_tf.serving.diverse_lists import POOL
from mgnm_tf.serving.reasons import Reasons
from mgnm_tf.serving.reasons import reasons_behind
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests.query import Query
from mgnm_tf.serving.requests.query import requests_of

_WIDER = 8
"""By what the number of candidates grows where filters leave too few."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What is recommended to one user.

    Args:
        ids: the ids of the items, best first.
        scores: their scores.
        reasons: what stands behind them. Defaults to `None`: not asked for,
            or not known, see `reasons_behind`.
    """

    ids: list[str]
    scores: list[float]
    reasons: Reasons | None = None


class Answers:
    """Answers queries; those that can go together are ranked at once.

    Lists are those of `Recommender.recommend`. Filters are exact: where the
    items that they leave are too few, more candidates are ranked, in the end
    all items; the items of `allow` are scored by themselves.

    Args:
        recommender: an exported model.
    """

    def __init__(self, recommender: Recommender):
        self._recommender = recommender
        self._rows = recommender.known_ids.items
        self._categories = recommender.vocabularies.item_categories
        self._reads_times = recommender.metadata["reads_times"]

    def of(self, queries: Sequence[Query]) -> list[Answer | UserError]:
        """Answers queries, in their order.

        Args:
            queries: what is asked for.

        Returns:
            For each query its answer, or why there is none.
        """
        found: dict[int, Answer | UserError] = {}
        groups: dict[tuple, list[int]] = {}
        for place, query in enumerate(queries):
            try:
                self._check(query)
            except UserError as error:
                found[place] = error
                continue
            if self._scores_alone(query):
                found[place] = self._of_allowed(query)
            else:
                # Of one size, so that no list depends on who else asks.
                key = query.exclude_seen, self._wanted(query)
                groups.setdefault(key, []).append(place)
        for (exclude_seen, wanted), places in groups.items():
            together = [queries[place] for place in places]
            requests = requests_of(together, self._reads_times)
            ids, scores = self._recommender.rank(requests, wanted, exclude_seen)
            for row, place in enumerate(places):
                found[place] = self._filtered(
                    queries[place], ids[row], scores[row]
                )
        return [found[place] for place in range(len(queries))]

    @property
    def _most(self):
        return max(1, self._recommender.num_items)

    def _check(self, query):
        if self._reads_times:
            query.check_times()
        if query.categories is not None and self._categories is None:
            raise UserError(
                "`categories` cannot be asked for: the export has none."
            )
        if query.diversity and self._categories is None:
            self._recommender.item_vectors([])  # There must be some.

    def _wanted(self, query):
        """Returns how many candidates are asked for at first."""
        wanted = query.k * (POOL if query.diversity else 1)
        if query.deny:
            wanted += 1 << len(query.deny).bit_length()  # Of few sizes.
        if query.categories is not None or query.allow is not None:
            wanted *= _WIDER
        return min(wanted, self._most)

    def _scores_alone(self, query):
        """Whether only the items of `allow` are scored."""
        if query.allow is None:
            return False
        if self._recommender.index is None:
            return True
        # Added items are found by the index alone.
        known = self._rows.get_indexer(list(query.allow)) >= 0
        return bool(known.all())

    def _of_allowed(self, query):
        recommended = self._recommender
        ids = np.array(sorted(query.allow), object)
        rows = self._rows.get_indexer(ids)
        keep = (rows >= 0) & self._kept(query, ids)
        if query.exclude_seen:
            keep &= ~_among(ids, set(query.history))
        if recommended.index is not None:
            keep &= _among(ids, set(recommended.recommended_items()))
        ids = ids[keep][np.argsort(rows[keep])]  # As ties are ordered.
        if not len(ids):
            return Answer([], [])
        requests = requests_of([query], self._reads_times)
        (scores,) = recommended.score_requests(requests, ids[None])
        order = np.argsort(-scores, kind="stable")
        return self._chosen(query, ids[order], scores[order])

    def _filtered(self, query, ids, scores):
        """Takes what the filters leave; ranks more where it is too little."""
        pool = query.k * (POOL if query.diversity else 1)
        while True:
            there = scores > -np.inf
            keep = there & self._kept(query, ids)
            enough = keep.sum() >= pool or len(ids) >= self._most
            if enough or not there.all():
                return self._chosen(query, ids[keep], scores[keep])
            requests = requests_of([query], self._reads_times)
            wanted = min(_WIDER * len(ids), self._most)
            (ids,), (scores,) = self._recommender.rank(
                requests, wanted, query.exclude_seen
            )

    def _kept(self, query, ids):
        """Returns which items the lists and categories leave, bool (C,)."""
        keep = np.ones(len(ids), bool)
        if query.deny:
            keep &= ~_among(ids, query.deny)
        if query.allow is not None:
            keep &= _among(ids, query.allow)
        if query.categories is not None and self._categories is not None:
            rows = self._rows.get_indexer(ids)
            # Row -1, an added item, has no category.
            categories = np.append(self._categories, 0)[rows]
            keep &= np.isin(categories, list(query.categories))
        return keep

    def _chosen(self, query, ids, scores):
        if query.diversity and len(ids):
            pool = slice(query.k * POOL)
            (ids,), (scores,) = self._recommender.diverse.choose(
                ids[None, pool], scores[None, pool], query.k, query.diversity
            )
        ids, scores = ids[: query.k].tolist(), scores[: query.k].tolist()
        reasons = None
        if query.explain and ids:
            reasons = reasons_behind(
                self._recommender, query.user, list(query.history), ids
            )
        return Answer(ids, scores, reasons)


def _among(ids, wanted):
    """Returns which ids are in a set, bool (C,)."""
    return np.fromiter((one in wanted for one in ids), bool, len(ids))
