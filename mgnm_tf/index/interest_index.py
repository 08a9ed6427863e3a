"""Finds candidates for many interests in a large catalogue."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mgnm_tf.errors import UserError
from mgnm_tf.index.list_search import ListSearch
from mgnm_tf.index.pairs import table_of_pairs
from mgnm_tf.index.vector_search import KINDS
from mgnm_tf.index.vector_search import few_threads
from mgnm_tf.index.vector_search import import_faiss
from mgnm_tf.index.vector_search import kind_for
from mgnm_tf.index.vector_search import make_searcher
from mgnm_tf.index.vector_search import search_parameters
from mgnm_tf.utils.files import atomic_folder
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import sha256
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

_VECTORS, _IDS, _HEADER = "vectors.faiss", "ids.npy", "index.json"


class InterestIndex:
    """Finds the vectors with the largest inner products with some interests.

    Three kinds of index of faiss:

    - `"flat"` compares with every vector, which is exact;
    - `"ivf"` cuts the catalogue into lists of near vectors and looks through
      the lists next to the interest: made in seconds;
    - `"hnsw"` walks over a graph of neighbours: made in minutes, and slower
      than lists up to five million items (docs/speed.md).

    Large inner products are not small distances where norms differ, as those
    of popular and rare items do. So for the lists each vector `x` gets one
    more coordinate, `sqrt(R^2 - |x|^2)` with `R` the largest norm, and
    interests get a 0 there: inner products stay what they were, all vectors
    have the norm R, and the nearest one is the one with the largest product.

    Removed vectors stay in the file and are passed over; where much has been
    replaced, build it anew. Any number of threads may search at once, but
    not while vectors are added or removed.

    Letters in shapes: B users, n interests, M vectors, d width.

    Use `build` or `load` rather than the constructor.

    Args:
        searcher: the index of faiss, rows as in `ids`.
        kind: one of `KINDS`.
        radius: R of `"ivf"`; 0 for the other kinds.
        ids: int64 (M,), the id of each row; -1 where it was removed.

    Reference: Bachrach et al., "Speeding Up the Xbox Recommender System Using
    a Euclidean Transformation for Inner-Product Spaces", RecSys 2014, for the
    additional coordinate; Douze et al., "The Faiss library", 2024.
    """

    def __init__(self, searcher: Any, kind: str, radius: float, ids):
        self.kind = kind
        self.radius = radius
        self._searcher = searcher
        self._ids = np.asarray(ids, np.int64)
        self._update()

    @classmethod
    def build(
        cls,
        vectors: np.ndarray,
        ids: Sequence[int] | None = None,
        kind: str = "auto",
    ) -> "InterestIndex":
        """Makes an index.

        Args:
            vectors: float32 (M, d), without a row for padding.
            ids: int64 (M,), what `search` returns for them, at least 0 and
                all different. Defaults to `None`: 0 to M - 1.
            kind: `"flat"`, `"ivf"`, `"hnsw"`, or `"auto"`: `"ivf"` from
                50,000 vectors on, fewer are `"flat"`. Defaults to `"auto"`.

        Raises:
            ValueError: vectors or ids have another shape, values that are
                not finite or ids that repeat, or the kind is unknown.
            UserError: faiss is not installed.
        """
        check_choice(kind, "kind", ("auto", *KINDS))
        vectors = _check_vectors(vectors)
        count = len(vectors)
        if not count:
            raise ValueError("`vectors` must hold at least one row.")
        if kind == "auto":
            kind = kind_for(count)
        ids = _check_ids(np.arange(count) if ids is None else ids, count)
        radius = float(np.linalg.norm(vectors, axis=1).max())
        if kind != "ivf":
            radius = 0.0
        lifted = _lift(vectors, radius)
        searcher = make_searcher(kind, lifted)
        searcher.add(lifted)
        return cls(searcher, kind, radius, ids)

    # === What it holds ===

    def __len__(self) -> int:
        """The number of vectors that can be found."""
        return len(self._sorted)

    @property
    def dim(self) -> int:
        """The width d of vectors and interests."""
        return self._searcher.d - 1

    @property
    def ids(self) -> np.ndarray:
        """int64 (len,), the ids that can be found, as they were added."""
        return self._ids[self._ids >= 0]

    def __contains__(self, one: int) -> bool:
        return bool(self._rows_of([one])[0] >= 0)

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Returns the vectors (..., d) of ids (...) in the index.

        Raises:
            KeyError: an id is not in the index.
        """
        ids = np.asarray(ids, np.int64)
        rows = self._rows_of(ids.ravel())
        if (rows < 0).any():
            raise KeyError(int(ids.ravel()[rows < 0][0]))
        found = np.zeros((0, self.dim + 1), np.float32)
        if len(rows):
            with few_threads(0):
                found = self._searcher.reconstruct_batch(rows)
        return found[:, :-1].reshape(*ids.shape, self.dim)

    # === Use ===

    def search(
        self,
        interests: np.ndarray,
        k: int,
        effort: float = 1.0,
        together: bool = False,
    ) -> np.ndarray:
        """Finds candidates of all interests of each user.

        Args:
            interests: float32 (B, n, d).
            k: how many are looked for with each interest; more than the
                index holds finds what it holds.
            effort: how much of the index is looked through, relative to the
                defaults of `vector_search`; a flat one is always looked
                through. Defaults to `1.0`.
            together: whether only what is near the nearest interest of a
                user is wanted, as where a score is at most the largest
                product. Then `"ivf"` looks through fewer lists, see
                `ListSearch`, and an interest that all others surpass may
                find less than `k`. Defaults to `False`.

        Returns:
            int64 (B, c), the ids found with any interest of a user, each
            once, ascending, and -1 behind them; c is the most of a user.

        Raises:
            ValueError: the shapes do not fit, or `k` or `effort` is out of
                its range.
        """
        interests = np.asarray(interests, np.float32)
        if interests.ndim != 3 or interests.shape[2] != self.dim:
            raise ValueError(
                f"`interests` must have the shape (users, interests, "
                f"{self.dim}). Received: shape {interests.shape}"
            )
        k = min(check_positive_int(k, "k"), self._searcher.ntotal)
        check_range(float(effort), "effort", 1e-6)
        rows, count = interests.shape[:2]
        if not (rows and count and len(self)):
            return np.zeros((rows, 0), np.int64)
        if together and self.lists is not None:
            users, ids = self.lists.near(interests, k, effort)
            return table_of_pairs(users, ids, rows)
        queries = interests.reshape(rows * count, self.dim)
        norms = np.linalg.norm(queries, axis=1, keepdims=True)
        # Farther out than the vectors, beside which the centres of the lists
        # are not alike in norm.
        length = 2 * self.radius or 1.0
        queries = queries * (length / np.maximum(norms, 1e-12))
        queries = np.pad(queries, [(0, 0), (0, 1)])
        parameters = search_parameters(
            self._searcher, self.kind, k, count, effort, self._alive
        )
        with few_threads(len(queries)):
            _, found = self._searcher.search(queries, k, params=parameters)
        found = np.where(found < 0, -1, self._ids[found])
        return _distinct(found.reshape(rows, count * k))

    @property
    def lists(self) -> ListSearch | None:
        """Searches with the interests of a user as one; `"ivf"` alone."""
        if self._lists is None and self.kind == "ivf":
            self._lists = ListSearch(self._searcher, self._ids, self._alive)
        return self._lists

    # === Changes ===

    def add(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Adds vectors.

        Args:
            ids: int64 (N,), not in the index yet.
            vectors: float32 (N, d). One that is longer than the longest when
                the index was built may be found less surely.

        Raises:
            ValueError: shapes do not fit, values are not finite, or an id is
                in the index already.
        """
        vectors = _check_vectors(vectors, self.dim)
        ids = _check_ids(ids, len(vectors))
        known = ids[self._rows_of(ids) >= 0]
        if len(known):
            raise ValueError(f"The index holds the id {known[0]} already.")
        if len(ids):
            self._searcher.add(_lift(vectors, self.radius))
            self._ids = np.concatenate([self._ids, ids])
            self._update()

    def remove(self, ids: Sequence[int]) -> None:
        """Removes vectors.

        Args:
            ids: int64 (N,), in the index.

        Raises:
            ValueError: one is not in the index.
        """
        ids = np.asarray(ids, np.int64)
        rows = self._rows_of(ids)
        if (rows < 0).any():
            unknown = ids[rows < 0][0]
            raise ValueError(f"The index does not hold the id {unknown}.")
        kept = self._ids.copy()
        kept[rows] = -1
        self._ids = kept
        self._update()

    def _update(self):
        """Notes where the ids stand, and which rows are passed over."""
        self._lists: ListSearch | None = None
        alive = self._ids >= 0
        rows = np.flatnonzero(alive)
        order = np.argsort(self._ids[rows])
        self._row = rows[order]
        self._sorted = self._ids[self._row]
        self._alive = None
        if not alive.all():
            bits = np.packbits(alive, bitorder="little")
            self._alive = import_faiss().IDSelectorBitmap(bits)

    def _rows_of(self, ids):
        """Returns the rows of ids (N,), -1 for those that are not there."""
        if not len(self._sorted):
            return np.full(len(ids), -1)
        place = np.searchsorted(self._sorted, ids)
        place = np.minimum(place, len(self._sorted) - 1)
        return np.where(self._sorted[place] == ids, self._row[place], -1)

    # === Files ===

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Writes a folder, beside and renamed.

        Args:
            path: the folder.
            overwrite: whether a folder that is there is replaced. Defaults to
                `False`.

        Raises:
            OutputExistsError: `path` exists and `overwrite` is false.
            UserError: it cannot be written.
        """
        with atomic_folder(path, overwrite) as partial:
            self.write(partial)

    def write(self, folder: Path) -> None:
        """Writes the files of the index into a folder that is there.

        Raises:
            OSError: a file cannot be written.
        """
        faiss = import_faiss()
        # faiss would not say what goes wrong when it closes a file.
        with open(folder / _VECTORS, "wb") as file:
            writer = faiss.PyCallbackIOWriter(file.write)
            faiss.write_index(self._searcher, writer)
        np.save(folder / _IDS, self._ids, allow_pickle=False)
        header = {
            "format": 1,
            "kind": self.kind,
            "radius": self.radius,
            "vectors": len(self),
            "dim": self.dim,
            "sha256": {
                name: sha256(folder / name) for name in (_VECTORS, _IDS)
            },
        }
        write_json(folder / _HEADER, header)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "InterestIndex":
        """Reads what `save` wrote.

        Raises:
            UserError: the folder is missing, foreign or damaged, or faiss is
                not installed.
        """
        faiss = import_faiss()
        path = Path(path)
        header = read_json(path / _HEADER)
        if not isinstance(header, dict) or header.get("format") != 1:
            raise UserError(f"{path} is not an index of this version.")
        try:
            for name in (_VECTORS, _IDS):
                if sha256(path / name) != header["sha256"][name]:
                    raise UserError(f"{path / name} is damaged.")
            searcher = faiss.read_index(str(path / _VECTORS))
            ids = np.load(path / _IDS, allow_pickle=False)
            return cls(searcher, header["kind"], float(header["radius"]), ids)
        except UserError:
            raise
        except (OSError, RuntimeError, ValueError, LookupError) as error:
            raise UserError(
                f"{path} holds no index that can be read: {error}."
            ) from error


def _lift(vectors, radius):
    """Returns the vectors with the coordinate that gives all one norm."""
    squares = np.einsum("md,md->m", vectors, vectors, dtype=np.float64)
    rest = np.sqrt(np.maximum(radius**2 - squares, 0.0))
    return np.column_stack([vectors, rest.astype(np.float32)])


def _distinct(ids):
    """Returns the distinct ids of each row, ascending, -1 behind them."""
    last = np.iinfo(np.int64).max
    ids = np.sort(np.where(ids < 0, last, ids), axis=1)
    ids[:, 1:][ids[:, 1:] == ids[:, :-1]] = last
    ids = np.sort(ids, axis=1)
    ids = ids[:, : int((ids < last).sum(axis=1).max())]
    return np.where(ids == last, -1, ids)


def _check_vectors(vectors, dim=None):
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or dim not in (None, vectors.shape[1]):
        width = "width" if dim is None else dim
        raise ValueError(
            f"`vectors` must have the shape (items, {width}). "
            f"Received: shape {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("`vectors` must be finite.")
    return vectors


def _check_ids(ids, count):
    ids = np.asarray(ids)
    if ids.shape != (count,) or (count and ids.dtype.kind not in "iu"):
        raise ValueError(
            f"`ids` must be {count} integers, one for each vector. "
            f"Received: shape {ids.shape}, dtype {ids.dtype}"
        )
    ids = ids.astype(np.int64)
    if count and ids.min() < 0:
        raise ValueError(f"`ids` must be at least 0. Received: {ids.min()}")
    if len(np.unique(ids)) != count:
        raise ValueError("`ids` must be different from each other.")
    return ids
