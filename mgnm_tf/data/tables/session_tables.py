"""What a model holds of the training sessions: neighbours, hypergraph."""

import itertools
from collections import Counter

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS


def training_sessions(data: SequenceDataset) -> dict[str, np.ndarray]:
    """Lists the training sessions, the most recent one first.

    A session is the training part of a sequence; later parts are not read.
    It is as recent as its last training event. Where the data have no times,
    or equal ones, the session with the higher number is the more recent one,
    if all raw ids are whole numbers; otherwise the one that comes later in
    the order of the data.

    Args:
        data: the split data.

    Returns:
        - `offsets`: int32 (S + 1,), the items of the session of rank s stand
          at `offsets[s]:offsets[s + 1]`; S is `data.num_users`;
        - `items`: int32, the distinct items of each session, ascending;
        - `item_counts`: int32 (M + 1,), the training events of each item.
    """
    train = np.flatnonzero(np.asarray(data.parts) == PARTS.index("train"))
    sequences = np.asarray(data.sequences)[train].astype(np.int64)
    items = np.asarray(data.items)[train].astype(np.int64)
    ends = np.zeros(data.num_users + 1, np.int64)
    if data.has_times:
        np.maximum.at(ends, sequences, np.asarray(data.times)[train])
    # Ascending, and the sequence 0, which nobody has, is left out.
    order = np.lexsort((_numbers(data), ends[1:]))[::-1]
    ranks = np.empty(data.num_users, np.int64)
    ranks[order] = np.arange(data.num_users)
    width = data.num_items + 1
    codes = np.unique(ranks[sequences - 1] * width + items)
    counts = np.bincount(codes // width, minlength=data.num_users)
    return {
        "offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "items": (codes % width).astype(np.int32),
        "item_counts": np.bincount(items, minlength=width).astype(np.int32),
    }


def _numbers(data: SequenceDataset) -> np.ndarray:
    """Returns the numbers of the known sequences, int64 (S,)."""
    ids = [str(data.user_ids[s]) for s in range(data.num_users)]
    if all(one.isdecimal() and len(one) < 19 for one in ids):
        return np.array([int(one) for one in ids], np.int64)
    return np.arange(data.num_users)


def session_hypergraph(data: SequenceDataset) -> dict[str, np.ndarray]:
    """Counts how often the histories of the training samples join two items.

    Each training sample has a hyperedge: the set of the items before its
    positive. With c_e the number of samples of the hyperedge e,

    ```
    S_ij = sum of c_e / |e| over the hyperedges e with both i and j
    D_i  = sum of c_e over the hyperedges e with i = sum of S_ij over j
    ```

    so that `D^-1 S` is `D^-1 H B^-1 H^T`. Validation and test are not read.

    Args:
        data: the split data.

    Returns:
        - `rows`, `columns`: int32 (n,), where S is not 0, sorted by row and
          column; S is symmetric;
        - `values`: float32 (n,);
        - `degrees`: float32 (M + 1,), D, 0 for items that are only positives.
    """
    from scipy import sparse

    train = np.flatnonzero(np.asarray(data.parts) == PARTS.index("train"))
    sequences = np.asarray(data.sequences)[train]
    items = np.asarray(data.items)[train].tolist()
    starts = np.flatnonzero(np.diff(sequences, prepend=-1))
    edges: Counter[tuple[int, ...]] = Counter()
    for start, stop in itertools.pairwise([*starts, len(items)]):
        prefix: set[int] = set()
        edge: tuple[int, ...] = ()
        for item in items[start : stop - 1]:
            if item not in prefix:
                prefix.add(item)
                edge = tuple(sorted(prefix))
            edges[edge] += 1
    sizes = np.array([len(edge) for edge in edges], np.int64)
    counts = np.array(list(edges.values()), np.float64)
    joined = np.fromiter(
        itertools.chain.from_iterable(edges), np.int64, sizes.sum()
    )
    incidence = sparse.csr_array(
        (
            np.ones(len(joined)),
            joined,
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        ),
        shape=(len(edges), data.num_items + 1),
    )
    weighted = incidence.multiply((counts / np.maximum(sizes, 1))[:, None])
    matrix = (incidence.T.tocsr() @ weighted.tocsr()).tocsr()
    matrix.sort_indices()
    matrix = matrix.tocoo()
    return {
        "rows": matrix.row.astype(np.int32),
        "columns": matrix.col.astype(np.int32),
        "values": matrix.data.astype(np.float32),
        "degrees": (incidence.T @ counts).astype(np.float32),
    }
