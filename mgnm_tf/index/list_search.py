"""Looks for the largest products of all interests of a user together."""

from typing import Any

import numpy as np

from mgnm_tf.index.vector_search import few_threads
from mgnm_tf.index.vector_search import import_faiss
from mgnm_tf.index.vector_search import lists_together

_FIRST = 32
"""Lists of a user that are looked through for a first bound."""
_PRODUCTS = 1 << 22
"""Products of interests and centres that are in memory at a time."""


class ListSearch:
    """Searches inverted lists with the interests of a user as one question.

    What is wanted are the vectors `x` with the largest `max_i q_i . x`. The
    lists whose centres have the largest such products are looked through,
    each with those interests alone that are as near to it: an interest far
    from everything, or a short one, costs nothing, and two that are alike
    share what they find.

    For many users at once the lists are not read user by user: each is
    multiplied once with all interests that ask for it, as one product of
    matrices, and of the products only those are kept that reach the bound of
    their user (`reaching`), as `LargestProducts` does of all vectors.

    Letters in shapes: B users, n interests, d width.

    Args:
        searcher: faiss's `IndexIVFFlat`; its vectors have one coordinate
            more than interests, see `InterestIndex`.
        ids: int64 (M,), the id of each row; -1 where it was removed.
        selector: faiss's selector of the rows that may be found; `None` for
            all.
    """

    def __init__(self, searcher: Any, ids: np.ndarray, selector: Any):
        self._faiss = import_faiss()
        self._searcher = searcher
        self._ids = ids
        self._selected = {} if selector is None else {"sel": selector}
        lists = searcher.invlists
        # No copies; they hold as long as nothing is added.
        self._lists = [
            _views(self._faiss, lists, number, searcher.d)
            for number in range(searcher.nlist)
        ]
        centres = searcher.quantizer.reconstruct_n(0, searcher.nlist)
        self._centres = np.ascontiguousarray(centres[:, :-1].T)
        # All vectors are lifted to one length.
        self.longest = float(np.linalg.norm(centres, axis=1).max())

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def most(self) -> int:
        """The most vectors that `first` finds."""
        return len(self._ids)

    def near(
        self, interests: np.ndarray, k: int, effort: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Finds the best of each interest in the lists next to a user.

        Args:
            interests: float32 (B, n, d).
            k: how many are looked for with each interest.
            effort: see `InterestIndex.search`. Defaults to `1.0`.

        Returns:
            Users and ids, int64 (P,); a pair may come twice.
        """
        number = interests.shape[1]
        users, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for start, part, products in self._blocks(interests):
            query, lists = np.nonzero(self._asked(products, effort))
            _, found, rows = self._by_query(part, query, lists, k)
            query = np.repeat(found // number, rows.shape[1]) + start
            rows = rows.ravel()
            users.append(query[rows >= 0])
            ids.append(self._ids[rows[rows >= 0]])
        return np.concatenate(users), np.concatenate(ids)

    def first(self, interests: np.ndarray, k: int) -> np.ndarray:
        """Finds good vectors of each user in the nearest lists.

        Args:
            interests: float32 (B, n, d).
            k: how many.

        Returns:
            int64 (B, k), their ids, all different; -1 for none.
        """
        users, number, _ = interests.shape
        found = np.full((users, k), -1, np.int64)
        for start, part, products in self._blocks(interests):
            best = products.max(axis=1)
            size = min(_FIRST, best.shape[1])
            lists = np.argpartition(-best, size - 1, axis=1)[:, :size]
            # Lists are disjoint; each is looked through with one interest,
            # so no vector comes twice.
            each = np.arange(len(part))[:, None]
            nearest = products.transpose(0, 2, 1)[each, lists].argmax(axis=2)
            query = (each * number + nearest).ravel()
            order = np.argsort(query, kind="stable")
            values, asked, rows = self._by_query(
                part, query[order], lists.ravel()[order], k
            )
            values[rows < 0] = -np.inf
            table = np.full((len(part) * number, k), -np.inf, np.float32)
            names = np.full(table.shape, -1, np.int64)
            table[asked], names[asked] = values, rows
            table = table.reshape(len(part), number * k)
            chosen = np.argpartition(-table, k - 1, axis=1)[:, :k]
            rows = np.take_along_axis(names.reshape(table.shape), chosen, 1)
            ids = np.where(rows < 0, -1, self._ids[rows])
            found[start : start + len(part)] = ids
        return found

    def reaching(
        self,
        interests: np.ndarray,
        bounds: np.ndarray,
        most: int,
        effort: float = 1.0,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Finds what reaches a bound in the lists next to each user.

        Args:
            interests: float32 (B, n, d).
            bounds: float32 (B,); infinity for a user who needs none.
            most: how many pairs are worth it.
            effort: see `InterestIndex.search`. Defaults to `1.0`.

        Returns:
            Users and ids, int64 (P,), in no order, some pairs more than
            once; `None` where there are more than `most`.
        """
        number = interests.shape[1]
        users, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for start, part, products in self._blocks(interests):
            queries = part.reshape(-1, part.shape[-1])
            least = np.repeat(bounds[start : start + len(part)], number)
            lists, query = np.nonzero(self._asked(products, effort).T)
            ends = np.searchsorted(lists, np.arange(len(self._lists) + 1))
            for place, (vectors, rows) in enumerate(self._lists):
                asking = query[ends[place] : ends[place + 1]]
                if not len(asking) or not len(rows):
                    continue
                found = vectors @ queries[asking].T
                hits = np.flatnonzero(found >= least[asking])
                if len(hits):
                    row, column = np.divmod(hits, len(asking))
                    users.append(asking[column] // number + start)
                    ids.append(self._ids[rows[row]])
                    most -= len(hits)
                    if most < 0:
                        return None
        users, ids = np.concatenate(users), np.concatenate(ids)
        return users[ids >= 0], ids[ids >= 0]

    def _blocks(self, interests):
        """Yields start, interests, products with centres (B, n, lists)."""
        size = max(1, _PRODUCTS // (interests.shape[1] * len(self._lists)))
        for start in range(0, len(interests), size):
            part = interests[start : start + size]
            yield start, part, part @ self._centres

    def _asked(self, products, effort):
        """Returns which list each interest asks, bool (B * n, lists)."""
        _, interests, number = products.shape
        count = lists_together(number, interests, effort)
        if count == number:
            return np.ones((len(products) * interests, number), bool)
        best = products.max(axis=1)
        least = np.partition(best, -count, axis=1)[:, -count]
        return (products >= least[:, None, None]).reshape(-1, number)

    def _by_query(self, interests, query, lists, k):
        """Looks through pairs of query and list, sorted by query.

        Returns:
            Products (Q, k), the Q queries that have lists, rows (Q, k), -1
            for none.
        """
        faiss, pointer = self._faiss, self._faiss.swig_ptr
        counts = np.bincount(query)
        asked = np.flatnonzero(counts)
        counts = counts[asked]
        width = int(counts.max(initial=1))
        assigned = np.full((len(asked), width), -1, np.int64)
        assigned[np.arange(width) < counts[:, None]] = lists
        vectors = interests.reshape(-1, interests.shape[-1])[asked]
        vectors = np.pad(vectors, [(0, 0), (0, 1)])
        distances = np.zeros(assigned.shape, np.float32)
        values = np.empty((len(asked), k), np.float32)
        rows = np.empty((len(asked), k), np.int64)
        with few_threads(len(asked)):
            # faiss's own Python form takes no parameters, and its number of
            # lists is shared between threads.
            self._searcher.search_preassigned_c(
                len(asked),
                pointer(vectors),
                k,
                pointer(assigned),
                pointer(distances),
                pointer(values),
                pointer(rows),
                False,
                faiss.SearchParametersIVF(nprobe=width, **self._selected),
            )
        return values, asked, rows


def _views(faiss, lists, number, width):
    """Returns vectors (size, width - 1) and rows (size,) of a list."""
    size = lists.list_size(number)
    if not size:
        return np.zeros((0, width - 1), np.float32), np.zeros(0, np.int64)
    codes = faiss.rev_swig_ptr(lists.get_codes(number), size * 4 * width)
    vectors = codes.view(np.float32).reshape(size, width)[:, :-1]
    return vectors, faiss.rev_swig_ptr(lists.get_ids(number), size)
