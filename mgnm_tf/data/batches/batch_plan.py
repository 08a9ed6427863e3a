"""Which position stands in which batch. NumPy only."""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import DataError
from mgnm_tf.utils.validation import check_positive_int

ALIGNMENT = 64
"""What TensorFlow's kernels count on, in bytes."""


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """Targets of one part, sorted by the bucket of their history length.

    Bucket k holds the targets whose visible history is longer than
    `widths[k - 1]` and at most `widths[k]`. The sorted list is cut into
    batches, so at most one batch is smaller than the others, and a batch on
    the edge of two buckets has the width of the wider one. An epoch permutes
    the targets inside each bucket and then the batches; neither changes the
    plan.

    Args:
        positions: int32 (n,), int64 where there are more than 2^31 - 1
            events; positions in `SequenceDataset.items`, bucket by bucket,
            ascending inside a bucket.
        starts: int64 (k,), where each bucket starts in `positions`.
        sizes: int64 (k,), how many targets a bucket holds, never 0.
        widths: int32 (k,), history width of each bucket, ascending.
    """

    positions: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    widths: np.ndarray

    def num_batches(self, batch_size: int) -> int:
        """Returns the number of batches of one pass."""
        return -(-len(self.positions) // batch_size)


def resolve_widths(
    max_length: int, bucket_widths: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Returns the history widths in use, ascending, the last `max_length`.

    Args:
        max_length: the longest visible history.
        bucket_widths: widths of the buckets below `max_length`; an empty
            sequence gives every batch the width `max_length`. Defaults to
            `None`: 1, 2, 3 and so on, each at most a quarter wider than the
            one before, so that padding is a small part of a batch.

    Raises:
        ValueError: a width is not between 1 and `max_length`.
    """
    check_positive_int(max_length, "max_length")
    if bucket_widths is None:
        bucket_widths, width = [], 1
        while width < max_length:
            bucket_widths.append(width)
            width = max(width + 1, width * 5 // 4)
    for width in bucket_widths:
        check_positive_int(width, "bucket_widths")
        if width > max_length:
            raise ValueError(
                "`bucket_widths` must not exceed `max_length`. "
                f"Received: {width} with max_length={max_length}"
            )
    return tuple(sorted({*bucket_widths, max_length}))


def plan_batches(
    data: SequenceDataset,
    part: str,
    max_length: int,
    bucket_widths: Sequence[int] | None = None,
    every_position: bool = False,
) -> BatchPlan:
    """Groups the targets of a part by history length.

    Args:
        data: the split data.
        part: "train", "validation" or "test".
        max_length: the longest visible history.
        bucket_widths: see `resolve_widths`. Defaults to `None`.
        every_position: whether only the targets of `last_targets` stand in
            the plan. Defaults to `False`.

    Raises:
        DataError: the part has no target with a history.
    """
    widths = np.array(resolve_widths(max_length, bucket_widths), np.int32)
    sizes = np.zeros(len(widths), np.int64)
    for _, bucket in _in_buckets(data, part, widths, every_position):
        sizes += np.bincount(bucket, minlength=len(widths))
    if not sizes.any():
        raise DataError(
            f"The data have no {part} event with an earlier event of the "
            "same sequence, so there is nothing to predict from."
        )
    # What is sorted is a block at a time; of all there is only the result.
    positions = _aligned(int(sizes.sum()), place_dtype(len(data.items)))
    starts = np.cumsum(sizes) - sizes
    ends = starts.copy()
    for found, bucket in _in_buckets(data, part, widths, every_position):
        # A stable sort of short integers is a radix sort: linear.
        found = found[np.argsort(bucket, kind="stable")]
        counts = np.bincount(bucket, minlength=len(widths))
        for number, own in enumerate(np.split(found, np.cumsum(counts)[:-1])):
            positions[ends[number] : ends[number] + len(own)] = own
        ends += counts
    used = sizes > 0
    return BatchPlan(
        positions=positions,
        starts=starts[used],
        sizes=sizes[used],
        widths=widths[used],
    )


def place_dtype(events: int) -> np.dtype:
    """Returns the dtype of a place among so many events."""
    return np.dtype(np.int32 if events < 2**31 else np.int64)


def _aligned(count: int, dtype: np.dtype) -> np.ndarray:
    """Returns an array (count,) that TensorFlow can take as it is."""
    size = dtype.itemsize
    room = np.empty(count + ALIGNMENT // size, dtype)
    first = -room.ctypes.data % ALIGNMENT // size
    return room[first : first + count]


def _in_buckets(
    data: SequenceDataset, part: str, widths: np.ndarray, every_position: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields targets, ascending, and the bucket of each, block by block."""
    blocks = data.blocks_of_positions(part)
    if every_position:
        blocks = iter([last_targets(data, part, int(widths[-1]))])
    for found in blocks:
        length = found - data.offsets[data.sequences[found]]
        length = np.minimum(length, widths[-1])
        yield found, np.searchsorted(widths, length).astype(np.uint16)


def last_targets(
    data: SequenceDataset, part: str, max_length: int
) -> np.ndarray:
    """Cuts the targets of each sequence into runs; returns their last ones.

    A run is `max_length` targets that follow one another, the first of a
    sequence what is left. It has the history of its last target: each event
    of this history is followed by a target of the run, so every target of
    the part stands in one run.

    Args:
        data: the split data.
        part: "train", "validation" or "test".
        max_length: the longest run, and the longest visible history.

    Returns:
        int64 (n,), positions in `data.items`, ascending.
    """
    positions = data.positions(part)
    sequences = data.sequences[positions]
    newest = np.searchsorted(sequences, sequences, side="right") - 1
    return positions[(positions[newest] - positions) % max_length == 0]
