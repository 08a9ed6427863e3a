"""Recall against time and memory of ways to find a user's best items."""

import time
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.measure import significant
from benchmarks.retrieval import BEST
from benchmarks.retrieval import attention
from benchmarks.retrieval import best_items
from benchmarks.settings import Settings
from benchmarks.vectors import made_interests
from benchmarks.vectors import made_items
from mgnm_tf.index.interest_index import InterestIndex
from mgnm_tf.index.largest_products import LargestProducts
from mgnm_tf.index.pairs import table_of_pairs
from mgnm_tf.index.vector_search import import_faiss

QUICK_ITEMS = 2_000
DIM, LEVELS, INTERESTS = 40, 4, 4
USERS, FEW_USERS, QUICK_USERS = 256, 64, 12
MANY_ITEMS = 1_000_000
"""From so many on there are `FEW_USERS`: what is best for one takes seconds."""
ALONE = 48
"""Users who are looked up one by one."""
DEPTH = 72
"""Candidates of an interest; those of a first bound."""
ROUNDING = 1e-4

Search = Callable[[np.ndarray], np.ndarray]
"""Takes interests (B, n, d), gives candidates (B, c), -1 for none."""


def run(settings: Settings) -> dict[str, dict]:
    """Measures each way with several efforts, one thread.

    Items and interests have the structure of trained ones (`vectors.py`); the
    score is MGNM's attention over 4 x 4 interests. Time is that of the
    processor, which other programs disturb less than that of the clock. The
    graph of neighbours takes minutes to be made, and far more for millions of
    items.

    Args:
        settings: `catalogue` is how many items there are.

    Returns:
        "way, effort" -> `recall`, the share of the 20 items with the best
        scores that are among the candidates; `candidates` of a user;
        `one_ms`, of a user looked up alone, and `batch_ms`, of one of a batch
        of 256, or 64 of a million items or more; `build_seconds`;
        `memory_mib` of the index.
    """
    items = QUICK_ITEMS if settings.quick else settings.catalogue
    vectors, counts = made_items(items, DIM)
    users = USERS if items < MANY_ITEMS else FEW_USERS
    users = QUICK_USERS if settings.quick else users
    interests = made_interests(vectors, counts, users, LEVELS, INTERESTS)
    best = best_items(attention, interests, vectors)
    interests = interests.reshape(users, -1, DIM)
    report = {}
    for way in WAYS:
        begin = time.process_time()
        made, memory, searches = way(vectors)
        seconds = time.process_time() - begin
        for effort, search in searches:
            report[f"{made}, {effort}"] = {
                **measure(search, interests, best),
                "build_seconds": significant(seconds),
                "memory_mib": significant(memory / 2**20),
            }
    return report


def measure(search: Search, interests: np.ndarray, best: np.ndarray) -> dict:
    """Looks users up, all at once and one by one."""
    search(interests[:1])
    begin = time.process_time()
    found = search(interests)
    batch = (time.process_time() - begin) / len(interests)
    alone = []
    for user in range(min(ALONE, len(interests))):
        begin = time.process_time()
        search(interests[user : user + 1])
        alone.append(time.process_time() - begin)
    hits = [np.isin(row, mine).mean() for row, mine in zip(best, found)]
    return {
        "recall": round(float(np.mean(hits)), 4),
        "candidates": round(float((found >= 0).sum(axis=1).mean())),
        "one_ms": significant(1000 * float(np.median(alone))),
        "batch_ms": significant(1000 * batch),
    }


# === Ways ===

Way = tuple[str, int, Iterator[tuple[str, Search]]]


def flat(vectors: np.ndarray) -> Way:
    """Compares with every vector."""
    index = InterestIndex.build(vectors, kind="flat")
    search = partial(index.search, k=DEPTH)
    return "flat", size_of(index._searcher), iter([("all", search)])


def bound(vectors: np.ndarray) -> Way:
    """Compares with every vector that the bound leaves: exact."""
    products = LargestProducts(vectors)

    def search(interests):
        return by_bound(products, vectors, interests)

    return "bound", vectors.nbytes, iter([("exact", search)])


def lists(vectors: np.ndarray) -> Way:
    """Inverted lists, interest by interest and all of a user together."""
    index = InterestIndex.build(vectors, kind="ivf")

    def searches():
        for effort in (0.25, 0.5, 1.0, 2.0):
            each = partial(index.search, k=DEPTH, effort=effort)
            yield f"each, effort {effort:g}", each
        for effort in (0.5, 1.0, 2.0):
            together = partial(
                index.search, k=DEPTH, effort=effort, together=True
            )
            yield f"together, effort {effort:g}", together
        for effort in (0.5, 1.0, 2.0):
            search = partial(by_bound, index.lists, vectors, effort=effort)
            yield f"bound, effort {effort:g}", search

    return "lists", size_of(index._searcher), searches()


def fast_scan(vectors: np.ndarray) -> Way:
    """Inverted lists of 4-bit codes, the best of them compared exactly."""
    faiss = import_faiss()
    number = max(1, round(4 * len(vectors) ** 0.5))
    index = faiss.index_factory(
        DIM, f"IVF{number},PQ{DIM}x4fs,RFlat", faiss.METRIC_INNER_PRODUCT
    )
    random = np.random.default_rng(0)
    sample = random.permutation(len(vectors))[: 64 * number]
    index.train(vectors[sample])
    index.add(vectors)

    def search(interests, probes, factor):
        rows = interests.shape[0]
        given = faiss.SearchParametersIVF(nprobe=max(1, round(probes * number)))
        found = index.search(
            np.ascontiguousarray(interests.reshape(-1, DIM)),
            DEPTH,
            params=faiss.IndexRefineSearchParameters(
                k_factor=factor, base_index_params=given
            ),
        )[1]
        return found.reshape(rows, -1)

    searches = (
        (
            f"{probes:.1%} of the lists, {factor} x",
            partial(search, probes=probes, factor=factor),
        )
        for probes in (0.015, 0.03, 0.06, 0.12)
        for factor in (2, 4)
    )
    return "4-bit fast scan", size_of(index), searches


def graph(vectors: np.ndarray) -> Way:
    """A graph of neighbours, each interest by itself."""
    index = InterestIndex.build(vectors, kind="hnsw")

    searches = (
        (
            f"effort {effort:g}",
            partial(index.search, k=DEPTH, effort=effort),
        )
        for effort in (0.25, 0.5, 1.0, 2.0)
    )
    return "graph", size_of(index._searcher), searches


WAYS = (flat, bound, lists, fast_scan, graph)


def by_bound(
    products: Any, vectors: np.ndarray, interests: np.ndarray, **more: Any
) -> np.ndarray:
    """Finds candidates as `BoundedRanking` does."""
    first = products.first(interests, DEPTH)
    bounds = []
    for user, rows in zip(interests, first, strict=True):
        scores = attention(
            (user @ vectors[rows].T).reshape(LEVELS, INTERESTS, -1)
        )
        bounds.append(np.sort(scores)[-BEST] - ROUNDING)
    found = products.reaching(
        interests, np.array(bounds, np.float32), vectors.size, **more
    )
    return table_of_pairs(*found, len(interests))


def size_of(searcher: Any) -> int:
    """Returns the bytes of an index of faiss."""
    return import_faiss().serialize_index(searcher).nbytes
