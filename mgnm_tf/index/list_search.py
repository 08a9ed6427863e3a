"""Looks for the largest products of all interests of a user together."""

from typing import Any

import numpy as np

from mgnm_tf.index.largest_products import LargestProducts
from mgnm_tf.index.largest_products import shortest_to_reach
from mgnm_tf.index.vector_search import few_threads
from mgnm_tf.index.vector_search import import_faiss
from mgnm_tf.index.vector_search import lists_together

_FIRST = 16
"""Lists of a user that are looked through for a first bound ..."""
_LONGEST = 64
"""... and how many vectors of each of them, the longest."""
_PRODUCTS = 1 << 19
"""Products of interests and centres at a time, which the cache holds."""
_PAYS = 0.4
"""Up to which share of the products of all vectors a user asks no list."""


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
    their user (`reaching`), as `LargestProducts` does of all vectors. As
    there, what is too short to reach the bound is not looked at; and where
    little is long enough, as with trained interests, all vectors are looked
    through, which is exact. A copy of them is held for it, sorted by length.

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
        centres = searcher.quantizer.reconstruct_n(0, searcher.nlist)
        self._centres = np.ascontiguousarray(centres[:, :-1].T)
        self._hold(searcher)

    def _hold(self, searcher):
        """Copies what is in the lists, in each the longest vectors first."""
        parts = [
            _of_list(self._faiss, searcher.invlists, number, searcher.d)
            for number in range(searcher.nlist)
        ]
        vectors = np.concatenate([vectors for vectors, _ in parts])
        ids = self._ids[np.concatenate([rows for _, rows in parts])]
        number = np.repeat(np.arange(len(parts)), [len(x) for _, x in parts])
        alive = ids >= 0
        self._all = LargestProducts(vectors[alive])
        self._names_of_rows = ids[alive]
        self._names = self._names_of_rows[self._all.rows]
        number = number[alive][self._all.rows]
        # Where the vectors of a list are, the longest first.
        self._places = np.argsort(number, kind="stable")
        number, lengths = number[self._places], self._all.lengths[self._places]
        self._starts = np.searchsorted(number, np.arange(len(parts) + 1))
        self._longest = np.zeros(len(parts))
        filled = np.diff(self._starts) > 0
        self._longest[filled] = lengths[self._starts[:-1][filled]]
        # List and length as one number, so that one search finds for each of
        # many lists how many vectors are long enough.
        self._step = 2.0 * self.longest + 1.0
        self._key = number * self._step - lengths
        self._place = np.zeros(int(self._names.max(initial=0)) + 1, np.int64)
        self._place[self._names] = np.arange(len(self._names))

    def __len__(self) -> int:
        return len(self._names)

    @property
    def most(self) -> int:
        """The most vectors that `first` finds."""
        number = min(_FIRST, len(self._longest)) * _LONGEST
        return min(number, len(self))

    @property
    def longest(self) -> float:
        """The length of the longest vector."""
        return self._all.longest

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Returns the vectors (..., d) of ids (...), any for -1."""
        return self._all.vectors[self._place[ids]]

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
        """Finds good vectors of each user.

        They are the best of the longest ones where these leave little to be
        looked through, else the best in the nearest lists.

        Args:
            interests: float32 (B, n, d).
            k: how many.

        Returns:
            int64 (B, k), their ids, all different; -1 for none.
        """
        if k > self._all.most:
            return self._first_of_lists(interests, k)
        rows, bounds = self._all.first_and_bounds(interests, k)
        found = self._names_of_rows[rows]
        more = self._all.shares(interests, bounds) > _PAYS
        if more.any():
            found[more] = self._first_of_lists(interests[more], k)
        return found

    def _first_of_lists(self, interests, k):
        found = np.full((len(interests), k), -1, np.int64)
        for start, part, products in self._blocks(interests):
            best = products.max(axis=1)
            size = min(_FIRST, best.shape[1])
            lists = np.argpartition(-best, size - 1, axis=1)[:, :size]
            places = self._starts[lists][..., None] + np.arange(_LONGEST)
            there = places < self._starts[lists + 1][..., None]
            places = np.minimum(places, len(self) - 1)
            places, there = (x.reshape(len(part), -1) for x in (places, there))
            places = self._places[places]
            values = self._all.vectors[places] @ part.transpose(0, 2, 1)
            values = np.where(there, values.max(axis=2), -np.inf)
            chosen = np.argpartition(-values, k - 1, axis=1)[:, :k]
            ids = self._names[np.take_along_axis(places, chosen, 1)]
            there = np.take_along_axis(there, chosen, 1)
            found[start : start + len(part)] = np.where(there, ids, -1)
        return found

    def reaching(
        self,
        interests: np.ndarray,
        bounds: np.ndarray,
        most: int,
        effort: float = 1.0,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Finds what reaches a bound in the lists next to each user.

        For a user for whom little is long enough to reach it, everything
        that does is found.

        Args:
            interests: float32 (B, n, d).
            bounds: float32 (B,); infinity for a user who needs none.
            most: how many pairs are worth it.
            effort: see `InterestIndex.search`. Defaults to `1.0`.

        Returns:
            Users and ids, int64 (P,), in no order, some pairs more than
            once; `None` where there are more than `most`.
        """
        # Each user for itself, so that no answer depends on who else asks.
        pays = self._all.shares(interests, bounds) < _PAYS
        found = self._all.reaching(
            interests, np.where(pays, bounds, np.inf), most
        )
        if found is None:
            return None
        users, ids = found[0], self._names_of_rows[found[1]]
        others = np.flatnonzero(~pays & (bounds < np.inf))
        if not len(others):
            return users, ids
        found = self._reaching_in_lists(
            interests[others], bounds[others], most - len(users), effort
        )
        if found is None:
            return None
        return (
            np.concatenate([users, others[found[0]]]),
            np.concatenate([ids, found[1]]),
        )

    def _reaching_in_lists(self, interests, bounds, most, effort):
        """Does what `reaching` does where all cannot be looked through."""
        number = interests.shape[1]
        users, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        queries = interests.reshape(-1, interests.shape[2])
        bounds = np.repeat(bounds, number)
        shortest = shortest_to_reach(queries, bounds)
        asking = []
        for start, part, products in self._blocks(interests):
            rows = slice(start * number, (start + len(part)) * number)
            asked = self._asked(products, effort)
            asked &= self._longest >= shortest[rows, None]
            query, lists = np.nonzero(asked)
            asking.append((query + rows.start, lists))
        query, lists = map(np.concatenate, zip(*asking, strict=True))
        for asked, places in self._by_list(query, lists, shortest):
            vectors = np.take(self._all.vectors, places, axis=0)
            products = vectors @ queries[asked].T
            hits = np.flatnonzero(products >= bounds[asked])
            if not len(hits):
                continue
            row, column = np.divmod(hits, len(asked))
            users.append(asked[column] // number)
            ids.append(self._names[places[row]])
            most -= len(hits)
            if most < 0:
                return None
        return np.concatenate(users), np.concatenate(ids)

    def _by_list(self, query, lists, shortest):
        """Yields queries, and places of vectors, list by list."""
        order = np.argsort(lists.astype(np.int32), kind="stable")
        query, lists = query[order], lists[order]
        asked, firsts = np.unique(lists, return_index=True)
        if not len(asked):
            return
        # No length is negative, so that a place stays in its list.
        least = np.minimum.reduceat(shortest[query], firsts)
        least = np.maximum(least, -0.5)
        ends = np.searchsorted(
            self._key, asked * self._step - least, side="right"
        )
        stops, starts = np.append(firsts[1:], len(query)), self._starts[asked]
        for first, stop, start, end in zip(
            firsts, stops, starts, ends, strict=True
        ):
            yield query[first:stop], self._places[start:end]

    def _blocks(self, interests):
        """Yields start, interests, products with centres (B, n, lists)."""
        lists = self._centres.shape[1]
        size = max(1, _PRODUCTS // (interests.shape[1] * lists))
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


def _of_list(faiss, lists, number, width):
    """Returns vectors (size, width - 1) and rows (size,) of a list."""
    size = lists.list_size(number)
    if not size:
        return np.zeros((0, width - 1), np.float32), np.zeros(0, np.int64)
    codes = faiss.rev_swig_ptr(lists.get_codes(number), size * 4 * width)
    vectors = codes.view(np.float32).reshape(size, width)[:, :-1]
    return vectors, faiss.rev_swig_ptr(lists.get_ids(number), size)
