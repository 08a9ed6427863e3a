"""Tables of the data that a model holds, because no batch can carry them."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.tables.session_tables import training_sessions
from mgnm_tf.data.tables.temporal_graph import temporal_graph
from mgnm_tf.data.tables.time_gaps import smallest_gaps
from mgnm_tf.errors import DataError
from mgnm_tf.utils.validation import unknown_name

logger = logging.getLogger(__name__)


def make_tables(data: SequenceDataset, names: Sequence[str]) -> dict[str, Any]:
    """Makes the tables that a model names in `required_tables`.

    A score is asked for by the id of an item alone, for any item, so what
    the data know of the items is given to the model once:

    - `item_categories`: int32 (M + 1,), the category of each item, 0 for
      none and for padding;
    - `temporal_graph`: see `mgnm_tf.data.tables.temporal_graph`. It
      holds training events only;
    - `training_sessions`, `session_hypergraph`: see
      `mgnm_tf.data.tables.session_tables`. They, too, hold training events
      only;
    - `smallest_gaps`: int32 (num_users + 1,), see
      `mgnm_tf.data.tables.time_gaps`; of training events only.

    Args:
        data: the split data.
        names: the tables.

    Returns:
        Name to table.

    Raises:
        DataError: the data lack what a table is made of.
        ValueError: there is no table of that name.
    """
    for name in names:
        if name not in _MAKERS:
            raise ValueError(unknown_name("table", name, _MAKERS))
    return {name: _MAKERS[name](data) for name in names}


def _item_categories(data: SequenceDataset) -> np.ndarray:
    if data.item_categories is None:
        raise DataError(
            "The model reads categories, but the data have none; prepare "
            "them with a category column."
        )
    missing = int(np.count_nonzero(data.item_categories[1:] == 0))
    if missing:
        logger.warning(
            "%s of %s items have no category; they share the vector of the "
            "category 0.",
            f"{missing:,}",
            f"{data.num_items:,}",
        )
    return np.asarray(data.item_categories)


def _session_hypergraph(data: SequenceDataset) -> dict[str, np.ndarray]:
    return data.session_hypergraph


def _temporal_graph(data: SequenceDataset) -> dict[str, np.ndarray]:
    _check_times(data)
    return temporal_graph(data)


def _smallest_gaps(data: SequenceDataset) -> np.ndarray:
    _check_times(data)
    return smallest_gaps(data)


def _check_times(data: SequenceDataset) -> None:
    if not data.has_times:
        raise DataError(
            "The model reads times, but the data have no timestamps, only the "
            "order of events; prepare a log that has them."
        )


_MAKERS = {
    "item_categories": _item_categories,
    "session_hypergraph": _session_hypergraph,
    "smallest_gaps": _smallest_gaps,
    "temporal_graph": _temporal_graph,
    "training_sessions": training_sessions,
}
