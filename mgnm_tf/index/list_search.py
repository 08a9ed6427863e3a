"""Looks for the largest products of all interests of a user together."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mgnm_tf.index.vector_search import import_faiss

_FIRST = 32
"""Lists of a user whose products say what a product must reach."""
_TOGETHER = 32
"""From how many users on each list is looked through once for all of them."""
_ROUNDING = 1e-5
_PRODUCTS = 1 << 22
"""Products of interests and centres that are in memory at a time."""


class ListSearch:
    """Searches inverted lists with the interests of a user as one question.

    What is wanted are the vectors `x` with the largest `max_i q_i . x`. The
    lists whose centres have the largest such products are looked through,
    each with those interests alone that are as near to it: an interest far
    from everything, or a short one, costs nothing, and two that are alike
    share what they find. For many users at once the lists are not read user
    by user: each is multiplied once with all interests that ask for it, as
    one product of matrices, and of the products only those are kept that
    reach what the nearest lists of the user have shown to be there.

    Letters in shapes: B users, n interests, d width, k vectors.

    Args:
        searcher: faiss's `IndexIVFFlat`; its vectors have one coordinate
            more than interests, see `InterestIndex`.
    """

    def __init__(self, searcher: Any):
        self._faiss = import_faiss()
        self._searcher = searcher
        lists = searcher.invlists
        # No copies; they hold as long as nothing is added.
        self._lists = [
            _views(self._faiss, lists, number, searcher.d)
            for number in range(searcher.nlist)
        ]
        centres = searcher.quantizer.reconstruct_n(0, searcher.nlist)
        self._centres = np.ascontiguousarray(centres[:, :-1].T)

    def search(
        self,
        interests: np.ndarray,
        k: int,
        count: int,
        selector: Any = None,
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yields what is found for some users after the others.

        Args:
            interests: float32 (B, n, d).
            k: how many are looked for with each interest.
            count: how many lists of each user are looked through.
            selector: faiss's selector of the rows that may be found; others
                may come, too. Defaults to `None`: all.

        Returns:
            An iterator over these: which users; of each pair that was found
            the user, counted from the first of these, and the row. A pair may
            come twice.
        """
        count = min(count, self._searcher.nlist)
        size = max(1, _PRODUCTS // (interests.shape[1] * len(self._lists)))
        for start in range(0, len(interests), size):
            part = slice(start, start + size)
            yield part, *self._search(interests[part], k, count, selector)

    def _search(self, interests, k, count, selector):
        users, number, _ = interests.shape
        products = interests @ self._centres  # (B, n, lists)
        best = products.max(axis=1)
        least = np.partition(best, -count, axis=1)[:, -count]
        if count == len(self._lists):
            least[:] = -np.inf  # All of them means with every interest.
        near = (products >= least[:, None, None]).reshape(-1, len(self._lists))
        if users < _TOGETHER:
            query, lists = np.nonzero(near)
            _, found, rows = self._by_query(
                interests, query, lists, k, selector
            )
            query = np.repeat(found, rows.shape[1])
            rows = rows.ravel()
            return query[rows >= 0] // number, rows[rows >= 0]
        bounds = self._bounds(interests, products, best, k, selector)
        return self._by_list(interests, near, bounds)

    def _bounds(self, interests, products, best, k, selector):
        """Returns what the k-th largest product of each user at least is.

        Lists are disjoint; each is looked through with one interest, so no
        vector counts twice.
        """
        users, number, _ = interests.shape
        first = min(_FIRST, best.shape[1])
        lists = np.argpartition(-best, first - 1, axis=1)[:, :first]
        each = np.arange(users)[:, None]
        nearest = products.transpose(0, 2, 1)[each, lists].argmax(axis=2)
        query = (each * number + nearest).ravel()
        order = np.argsort(query, kind="stable")
        values, found, _ = self._by_query(
            interests, query[order], lists.ravel()[order], k, selector
        )
        table = np.full((users * number, k), -np.inf, np.float32)
        table[found] = values
        table = table.reshape(users, number * k)
        bounds = np.partition(table, -k, axis=1)[:, -k]
        # faiss sums up in another order than a product of matrices does.
        return bounds - _ROUNDING * np.abs(bounds)

    def _by_query(self, interests, query, lists, k, selector):
        """Looks through pairs of query and list, sorted by query.

        Returns:
            Products (Q, k), the Q queries that have lists, rows (Q, k), -1
            for none.
        """
        faiss, pointer = self._faiss, self._faiss.swig_ptr
        counts = np.bincount(query, minlength=query.max(initial=-1) + 1)
        found = np.flatnonzero(counts)
        counts = counts[found]
        width = int(counts.max(initial=1))
        assigned = np.full((len(found), width), -1, np.int64)
        assigned[np.arange(width) < counts[:, None]] = lists
        vectors = interests.reshape(-1, interests.shape[-1])[found]
        vectors = np.pad(vectors, [(0, 0), (0, 1)])
        distances = np.zeros(assigned.shape, np.float32)
        values = np.empty((len(found), k), np.float32)
        rows = np.empty((len(found), k), np.int64)
        selected = {} if selector is None else {"sel": selector}
        # faiss's own Python form takes no parameters, and its number of
        # lists is shared between threads.
        self._searcher.search_preassigned_c(
            len(found),
            pointer(vectors),
            k,
            pointer(assigned),
            pointer(distances),
            pointer(values),
            pointer(rows),
            False,
            faiss.SearchParametersIVF(nprobe=width, **selected),
        )
        return values, found, rows

    def _by_list(self, interests, near, bounds):
        """Looks through each list once; returns users and rows."""
        number = interests.shape[1]
        queries = interests.reshape(-1, interests.shape[-1])
        bounds = np.repeat(bounds, number)
        lists, query = np.nonzero(near.T)
        ends = np.searchsorted(lists, np.arange(len(self._lists) + 1))
        users, rows = [], []
        for place, (vectors, names) in enumerate(self._lists):
            asking = query[ends[place] : ends[place + 1]]
            if not len(asking) or not len(names):
                continue
            products = vectors @ queries[asking].T
            hits = np.flatnonzero(products >= bounds[asking])
            if len(hits):
                row, column = np.divmod(hits, len(asking))
                users.append(asking[column] // number)
                rows.append(names[row])
        if not users:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(users), np.concatenate(rows)


def _views(faiss, lists, number, width):
    """Returns vectors (size, width - 1) and rows (size,) of a list."""
    size = lists.list_size(number)
    if not size:
        return np.zeros((0, width - 1), np.float32), np.zeros(0, np.int64)
    codes = faiss.rev_swig_ptr(lists.get_codes(number), size * 4 * width)
    vectors = codes.view(np.float32).reshape(size, width)[:, :-1]
    return vectors, faiss.rev_swig_ptr(lists.get_ids(number), size)
