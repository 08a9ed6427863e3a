"""All vectors whose product with an interest reaches a bound, exactly."""

import numpy as np

_SAMPLE = 2048
"""How many of the longest vectors are looked at for a first bound."""
_QUERIES = 256
"""Interests that are multiplied at a time."""
_PRODUCTS, _VECTORS = 1 << 18, 1 << 13
"""The most products, and vectors, at a time: the cache of a core holds them."""
_USERS = 16
"""Users at a time for whom the sample is sorted."""


class LargestProducts:
    """Finds vectors `x` with large `max_i q_i . x`, and misses none.

    Vectors are sorted by length. Since `q . x <= |q| |x|`, an interest `q`
    that has a bound to reach needs no vector that is shorter than
    `bound / |q|`: short interests stop early, and where none is left the
    search ends. What is left are products of matrices in blocks; of their
    values only those that reach the bound are kept, and nothing is sorted.

    Letters in shapes: B users, n interests, M vectors, d width.

    Args:
        vectors: float32 (M, d). A sorted copy is held.

    Attributes:
        vectors: float32 (M, d), the longest first.
        lengths: float32 (M,), of these.
        rows: int64 (M,), where each was.
    """

    def __init__(self, vectors: np.ndarray):
        lengths = np.linalg.norm(vectors, axis=1)
        self.rows = np.argsort(-lengths, kind="stable")
        self.vectors = np.ascontiguousarray(vectors[self.rows])
        self.lengths = lengths[self.rows]
        self._ascending = -self.lengths

    @property
    def most(self) -> int:
        """The most vectors that `first` finds."""
        return min(_SAMPLE, len(self.rows))

    def __len__(self):
        return len(self.rows)

    @property
    def longest(self) -> float:
        """The length of the longest vector."""
        return float(self.lengths[0]) if len(self) else 0.0

    def first(self, interests: np.ndarray, k: int) -> np.ndarray:
        """Returns good vectors, the best among the longest ones.

        Args:
            interests: float32 (B, n, d).
            k: how many, at most `most`.

        Returns:
            int64 (B, k), their rows.
        """
        return self.first_and_bounds(interests, k)[0]

    def first_and_bounds(
        self, interests: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns what `first` does, and the least of their products.

        Args:
            interests: float32 (B, n, d).
            k: how many, at most `most`.

        Returns:
            int64 (B, k) and float32 (B,).
        """
        sample = self.vectors[: self.most]
        found = np.empty((len(interests), k), np.int64)
        bounds = np.empty(len(interests), np.float32)
        for start in range(0, len(interests), _USERS):
            part = interests[start : start + _USERS]
            users, number, dim = part.shape
            products = part.reshape(-1, dim) @ sample.T
            best = products.reshape(users, number, -1).max(axis=1)
            chosen = np.argpartition(-best, k - 1, axis=1)[:, :k]
            found[start : start + users] = self.rows[chosen]
            bounds[start : start + users] = best[
                np.arange(users), chosen[:, -1]
            ]
        return found, bounds

    def shares(self, interests: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Returns which share of the products of a user has to be computed.

        Args:
            interests: float32 (B, n, d).
            bounds: float32 (B,); infinity for a user who needs none.

        Returns:
            float64 (B,).
        """
        queries = interests.reshape(-1, interests.shape[2])
        bounds = np.repeat(bounds, interests.shape[1])
        shortest = shortest_to_reach(queries, bounds)
        left = np.searchsorted(self._ascending, -shortest, side="right")
        left = left.reshape(interests.shape[:2]).mean(axis=1)
        return left / max(1, len(self))

    def reaching(
        self, interests: np.ndarray, bounds: np.ndarray, most: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Finds every vector of which a product is at least the bound.

        Products may differ from those of another order of summation by
        rounding: leave room for it in the bounds.

        Args:
            interests: float32 (B, n, d).
            bounds: float32 (B,); infinity for a user who needs none.
            most: how many pairs are worth it.

        Returns:
            Users and rows, int64 (P,), in no order, some pairs more than
            once; `None` where there are more than `most`.
        """
        number = interests.shape[1]
        queries = interests.reshape(-1, interests.shape[2])
        bounds = np.repeat(bounds, number)
        shortest = shortest_to_reach(queries, bounds)
        # Those that need the shortest vectors come first.
        order = np.argsort(shortest, kind="stable")
        shortest, bounds, queries = (
            shortest[order],
            bounds[order],
            queries[order],
        )
        found = _Pairs(most)
        size = max(1, _PRODUCTS // min(_QUERIES, max(1, len(queries))))
        size = min(size, _VECTORS)
        for start in range(0, len(self.rows), size):
            longest = self.lengths[start]
            asking = int(np.searchsorted(shortest, longest, "right"))
            if not asking:
                break
            vectors = self.vectors[start : start + size]
            for first in range(0, asking, _QUERIES):
                part = slice(first, min(asking, first + _QUERIES))
                products = vectors @ queries[part].T
                hits = np.flatnonzero(products >= bounds[part])
                if len(hits):
                    row, query = np.divmod(hits, part.stop - first)
                    found.add(order[first + query] // number, start + row)
                    if found.full:
                        return None
        users, rows = found.joined()
        return users, self.rows[rows]


class _Pairs:
    """Collects pairs of user and row."""

    def __init__(self, most):
        self._left = most
        self._users = [np.zeros(0, np.int64)]
        self._rows = [np.zeros(0, np.int64)]

    def add(self, users, rows):
        self._users.append(users)
        self._rows.append(rows)
        self._left -= len(users)

    @property
    def full(self):
        return self._left < 0

    def joined(self):
        return np.concatenate(self._users), np.concatenate(self._rows)


def shortest_to_reach(queries: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Returns how long a vector must be to reach the bound of a query.

    Args:
        queries: float32 (Q, d).
        bounds: float32 (Q,).

    Returns:
        float32 (Q,), -inf where any will do.
    """
    lengths = np.linalg.norm(queries, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shortest = bounds / lengths
    # Rounding shall not cost a vector.
    shortest = shortest * (1 - 1e-5)
    return np.where(bounds <= 0, -np.inf, shortest)
