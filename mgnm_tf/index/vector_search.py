"""The kinds of index of faiss that are used, and how they are set.

Chosen by `python -m benchmarks retrieval`: one thread, d = 40, 16 interests
of a user, made tables like trained ones, recall of the 20 best.

- A flat index is exact. It takes 3 ms for 50,000 items, and 80 for 292,286,
  which no cache holds.
- An IVF index finds 0.95 of 10,000 items, whose lists are short, 0.994 of
  50,000 in 0.6 ms, and 0.994 of 292,286 in 2 ms (7 beside programs that also
  read much memory); it is made in ten seconds.
- An HNSW graph needs more time for as much, and minutes to be made: 0.989 of
  292,286, made with half of `BUILD_EFFORT`. What it looks through hardly
  grows with the catalogue, yet at five million items it finds 0.95 in the
  time in which lists find 0.995, and takes twenty-six times theirs to be made
  (docs/speed.md). So it is made for who asks for it, and never by itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mgnm_tf.errors import UserError

KINDS = ("flat", "ivf", "hnsw")
IVF_FROM = 50_000
"""From how many vectors on the catalogue is cut into lists."""

LISTS = 4.0
"""An IVF index of M vectors has `LISTS * sqrt(M)` lists."""
PROBED = 0.24
"""The share of the lists that is looked through for a single interest.

For each of n interests it is `PROBED / sqrt(n)`: what one of them misses
another one often finds.
"""
PROBED_TOGETHER = 0.36
"""The same where the interests of a user are one question, see `ListSearch`.

All n together look through `PROBED_TOGETHER / n**0.25` of the lists: 18 % of
them for 16 interests, where 12 % find 0.989 of 292,286 items, and 24 % 0.998.
"""
NEIGHBOURS = 32
"""Edges of a vector in an HNSW graph; twice as many in its lowest layer."""
BUILD_EFFORT = 200
"""Vectors that an HNSW graph keeps in view while one is added."""
SEARCH_EFFORT = 200
"""Vectors that it keeps in view while an interest is looked up."""

_FEW = 256
"""Up to how many queries one thread does alone."""


def import_faiss():
    """Returns the module faiss.

    Raises:
        UserError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise UserError(
            "An index needs faiss; install it with: "
            'pip install "mgnm-tf[retrieval]"'
        ) from error
    return faiss


def kind_for(count: int) -> str:
    """Returns the kind of index that suits a number of vectors."""
    return "ivf" if count >= IVF_FROM else "flat"


def make_searcher(kind: str, vectors: np.ndarray) -> Any:
    """Returns an empty index of faiss that suits the vectors.

    Args:
        kind: one of `KINDS`.
        vectors: float32 (M, d), which are to be added.

    Raises:
        UserError: faiss is not installed.
    """
    faiss = import_faiss()
    count, dim = vectors.shape
    if kind == "flat":
        return faiss.IndexFlatIP(dim)
    if kind == "hnsw":
        # By product, from which long vectors get many edges: a graph of the
        # nearest leads to far fewer of the largest products.
        searcher = faiss.IndexHNSWFlat(
            dim, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT
        )
        searcher.hnsw.efConstruction = BUILD_EFFORT
        return searcher
    number = min(count, max(1, round(LISTS * count**0.5)))
    centres = faiss.IndexFlatL2(dim)
    # Clustered by distance, though searched by product: clusters by product
    # are of very unequal sizes.
    clustering = faiss.Clustering(dim, number)
    clustering.niter = 10
    clustering.max_points_per_centroid = 64
    clustering.min_points_per_centroid = 1
    clustering.train(vectors, centres)
    searcher = faiss.IndexIVFFlat(
        centres, dim, number, faiss.METRIC_INNER_PRODUCT
    )
    searcher.is_trained = True
    searcher.make_direct_map()
    return searcher


def search_parameters(
    searcher: Any,
    kind: str,
    k: int,
    interests: int,
    effort: float,
    selector: Any,
) -> Any:
    """Returns faiss's parameters of one search; threads share none.

    Args:
        searcher: the index of faiss.
        kind: one of `KINDS`.
        k: how many are looked for.
        interests: how many interests of a user ask together.
        effort: see `InterestIndex.search`.
        selector: faiss's selector of the rows that may be found; `None` for
            all.
    """
    faiss = import_faiss()
    selected = {} if selector is None else {"sel": selector}
    if kind == "ivf":
        share = effort * PROBED / interests**0.5
        probes = max(1, round(min(1.0, share) * searcher.nlist))
        return faiss.SearchParametersIVF(nprobe=probes, **selected)
    if kind == "hnsw":
        view = max(k, round(effort * SEARCH_EFFORT))
        return faiss.SearchParametersHNSW(efSearch=view, **selected)
    return faiss.SearchParameters(**selected) if selected else None


def lists_together(number: int, interests: int, effort: float) -> int:
    """Returns how many of the lists the interests of a user look through.

    Args:
        number: of lists.
        interests: how many interests of a user ask together.
        effort: see `InterestIndex.search`.
    """
    share = effort * PROBED_TOGETHER / interests**0.25
    return max(1, round(min(1.0, share) * number))


@contextmanager
def few_threads(queries: int) -> Iterator[None]:
    """Keeps small work on the thread that calls.

    Threads that wait for each other cost more than they save where
    milliseconds count, above all with several callers at once. The number of
    threads is that of the calling thread; the others keep theirs.

    Args:
        queries: how many there are.
    """
    faiss = import_faiss()
    before = faiss.omp_get_max_threads()
    if queries <= _FEW:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
