"""Speed and recall of the kinds of index, up to the size of Micro-video."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.measure import significant
from benchmarks.settings import Settings
from benchmarks.vectors import made_interests
from benchmarks.vectors import made_items
from mgnm_tf.index.interest_index import InterestIndex
from mgnm_tf.index.vector_search import KINDS
from mgnm_tf.index.vector_search import kind_for

DIM, LEVELS, INTERESTS = 40, 4, 4
SIZES = (10_000, 50_000, 292_286)
QUICK_SIZES = (2_000,)
USERS, QUICK_USERS = 200, 20
BEST = 20
"""Recall is the share of so many best items that are among the candidates."""
DEPTH = 50
"""Candidates looked for with an interest, as `recommend` does for 20."""

EFFORTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the largest size, relative to the defaults; elsewhere only these."""
QUICK_EFFORTS = (0.25, 1.0)


def run(settings: Settings) -> dict[str, dict]:
    """Measures each kind of index on several sizes and search parameters.

    Item vectors of width 40 and 4 x 4 interests of each user, made with the
    structure of trained ones, not independent normal numbers: see
    `vectors.py`. One user is looked up at a time, by one thread.

    Returns:
        "kind, items, interests, effort" -> these; `chosen`, whether an index
        of this size is of this kind by itself; `recall` of the 20 items with
        the largest products; `recall_attention`, the same by MGNM's score;
        `candidates` of a user; `search_ms` of a user, median with the
        percentiles 1 and 99; `build_seconds`.
    """
    sizes = QUICK_SIZES if settings.quick else SIZES
    report = {}
    for items in sizes:
        vectors, counts = made_items(items, DIM)
        world = World(vectors, counts, QUICK_USERS if settings.quick else USERS)
        efforts = QUICK_EFFORTS if settings.quick else EFFORTS
        if items != sizes[-1]:
            efforts = (1.0,)
        for kind in KINDS:
            begin = time.perf_counter()
            index = InterestIndex.build(vectors, kind=kind)
            built = {
                "kind": kind,
                "items": items,
                "chosen": kind_for(items) == kind,
                "build_seconds": significant(time.perf_counter() - begin),
            }
            # A flat index is looked through whatever the effort is.
            for effort in (1.0,) if kind == "flat" else efforts:
                for levels, interests in world.shapes(effort):
                    count = levels * interests
                    label = f"{kind}, {items} items, {count} interests, "
                    report[f"{label}effort {effort:g}"] = {
                        **built,
                        "interests": count,
                        "effort": effort,
                        **world.measure(index, (levels, interests), effort),
                    }
    return report


class World:
    """Interests of users, and which items are the best for them.

    Args:
        vectors: float32 (M, d), the items.
        counts: (M,), how often they occur.
        num_users: number of users.
    """

    def __init__(self, vectors, counts, num_users: int):
        self.interests, self.best = {}, {}
        for shape in ((LEVELS, INTERESTS), (1, INTERESTS), (1, 1)):
            made = made_interests(vectors, counts, num_users, *shape)
            self.interests[shape] = made
            self.best[shape] = {
                name: best_items(score, made, vectors)
                for name, score in (
                    ("recall", largest_product),
                    ("recall_attention", attention),
                )
            }

    def shapes(self, effort: float) -> list[tuple[int, int]]:
        """Returns (levels, interests) to measure: fewer off the default."""
        return list(self.interests) if effort == 1.0 else [(LEVELS, INTERESTS)]

    def measure(
        self, index: InterestIndex, shape: tuple[int, int], effort: float
    ) -> dict:
        """Looks every user up; returns recall, candidates and time."""
        best = self.best[shape]
        interests = self.interests[shape]
        interests = interests.reshape(len(interests), -1, interests.shape[-1])
        index.search(interests[:1], DEPTH, effort)
        milliseconds, hits = [], {name: [] for name in best}
        candidates = []
        for user in range(len(interests)):
            begin = time.perf_counter()
            found = index.search(interests[user : user + 1], DEPTH, effort)[0]
            milliseconds.append(1000 * (time.perf_counter() - begin))
            candidates.append((found >= 0).sum())
            for name, wanted in best.items():
                hits[name].append(np.isin(wanted[user], found).mean())
        return {
            **{name: round(float(np.mean(x)), 4) for name, x in hits.items()},
            "candidates": round(float(np.mean(candidates))),
            "search_ms": percentiles(milliseconds),
        }


def percentiles(values) -> dict[str, float]:
    """Returns a figure of median and the percentiles 1 and 99."""
    names = ("median", "least", "most")
    found = np.quantile(values, [0.5, 0.01, 0.99])
    return {name: significant(value) for name, value in zip(names, found)}


def best_items(
    score: Callable, interests: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """Returns the rows (B, 20) of the items with the best scores.

    Args:
        score: of products (levels, K, M), see `largest_product`.
        interests: float32 (B, levels, K, d).
        vectors: float32 (M, d).
    """
    best = []
    for user in interests:
        scores = score(user @ vectors.T)
        best.append(np.argpartition(-scores, BEST)[:BEST])
    return np.stack(best)


def largest_product(products: np.ndarray) -> np.ndarray:
    """Returns ComiRec's scores (M,) of products (levels, K, M)."""
    return products.max(axis=(0, 1))


def attention(products: np.ndarray) -> np.ndarray:
    """Returns MGNM's scores (M,) of products (levels, K, M).

    Equations 12 to 15: attention over the interests of a level, then the
    largest of all levels.
    """
    weights = np.exp(products - products.max(axis=1, keepdims=True))
    scores = (weights * products).sum(axis=1) / weights.sum(axis=1)
    return scores.max(axis=0)
