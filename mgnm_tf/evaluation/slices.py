"""The metrics of slices of the samples, by what is known of each sample."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluation import Evaluation

HISTORY = "history length"
POPULARITY = "item popularity"
GAP = "days since the last event"
SLICES = (HISTORY, POPULARITY, GAP)
"""The names of the slices."""

_LENGTHS = (1, 3, 6, 11, 21, 51, 101)
_COUNTS = (0, 1, 6, 11, 21, 51, 101, 501)
_DAYS = (0, 1, 8, 31, 91, 366)
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400


def slice_metrics(
    evaluation: Evaluation, data: SequenceDataset
) -> pd.DataFrame:
    """Computes the metrics of slices of the samples of an evaluation.

    Samples are sliced by

    - `history length`: how many events of the sequence come before the
      target, those that are too old to be visible included;
    - `item popularity`: how many training events the target item has;
    - `days since the last event`: whole days between the target and the
      event before it. Data without timestamps have not got this slice.

    A metric of a slice is its mean over the samples of the slice, whatever
    the protocol weights users by.

    Args:
        evaluation: the ranks of a model on the data.
        data: the data set.

    Returns:
        Columns `slice`, `bounds` (as "3-5"), `records` (how many samples
        count) and the metrics. Bounds ascend; those without a sample are
        left out.

    Raises:
        UserError: the evaluation is of other data.
    """
    counted = evaluation.samples[evaluation.counted]
    metrics = evaluation.per_sample()[evaluation.counted]
    positions = counted["position"].to_numpy()
    _check_same_data(counted, data)
    tables = []
    for name, values, starts in _values(data, positions):
        place = np.searchsorted(starts, values, side="right") - 1
        groups = metrics.groupby(place)
        table = groups.mean()
        names = _DAY_NAMES if name == GAP else bounds_of(starts)
        table.insert(0, "slice", name)
        table.insert(1, "bounds", [names[index] for index in table.index])
        table.insert(2, "records", groups.size())
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _values(data: SequenceDataset, positions: np.ndarray):
    """Yields name, values of the samples and starts of the bins of a slice."""
    items, parts = np.asarray(data.items), np.asarray(data.parts)
    yield HISTORY, history_lengths(data, positions), _LENGTHS
    counts = np.bincount(items[parts == 0], minlength=data.num_items + 1)
    yield POPULARITY, counts[items[positions]], _COUNTS
    if data.has_times:
        times = np.asarray(data.times)
        passed = times[positions] - times[positions - 1]
        yield GAP, passed // (_DAY * _UNITS[data.time_unit]), _DAYS


def history_lengths(data: SequenceDataset, positions: np.ndarray) -> np.ndarray:
    """Returns how many events of the sequence come before each target.

    Those that are too old to be visible count.

    Args:
        data: the data set.
        positions: of the targets, in `data.items`.
    """
    first = np.asarray(data.offsets)[np.asarray(data.sequences)[positions]]
    return positions - first


def bounds_of(starts: Sequence[int]) -> list[str]:
    """Returns the names of bins of whole numbers.

    Args:
        starts: the lowest number of each bin, ascending; the last bin has
            no end.

    Example:

    >>> from mgnm_tf.evaluation.slices import bounds_of
    >>> bounds_of([0, 1, 3, 11])
    ['0', '1-2', '3-10', '11+']
    """
    names = [
        str(low) if high == low + 1 else f"{low}-{high - 1}"
        for low, high in zip(starts, starts[1:], strict=False)
    ]
    return [*names, f"{starts[-1]}+"]


_DAY_NAMES = ["under a day", *bounds_of(_DAYS)[1:]]


def _check_same_data(samples: pd.DataFrame, data: SequenceDataset) -> None:
    """Refuses data whose events are not those that were ranked."""
    positions = samples["position"].to_numpy()
    if positions.max() < len(data.items):
        rows = np.asarray(data.items)[positions] - 1
        found = np.asarray(data.item_ids, dtype=object)[rows]
        if (found == samples["item_id"].to_numpy()).all():
            return
    raise UserError(
        "The ranks are not those of these data: other items stand at the "
        "positions that were ranked. Give the data set that was evaluated."
    )
