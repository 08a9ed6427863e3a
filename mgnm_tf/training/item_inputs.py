"""Features of items as a part of the model that is trained."""

import logging
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.feature_columns import FeatureColumns
from mgnm_tf.data.feature_columns import class_table
from mgnm_tf.data.feature_columns import room_for_classes
from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import UserError
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.runs.config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ItemInputs:
    """What is known of the M items of the data, row 0 being padding.

    Args:
        columns: what the numbers and classes are.
        numbers: float64 (M + 1, P).
        classes: int32 (M + 1, A), see `class_table`.
    """

    columns: FeatureColumns
    numbers: np.ndarray
    classes: np.ndarray

    def options(self, id_dropout: float) -> dict[str, Any]:
        """Returns the constructor arguments of a model that takes them."""
        sizes = {
            "num_numbers": self.columns.num_numbers,
            "num_classes": self.columns.num_classes,
            "classes_per_item": self.classes.shape[1],
            "id_dropout": id_dropout,
        }
        return {"item_features": {**sizes, "columns": self.columns.to_dict()}}

    def give(self, model: SequentialRecommender, name: str) -> None:
        """Sets the tables of a model that was made with `options`.

        Args:
            model: the model.
            name: what it is called in messages.

        Raises:
            UserError: it does not score items by the rows of an item table.
        """
        if not model.scores_by_item_table():
            raise UserError(
                f"{name} does not score items by the rows of one item table, "
                "so that features of an item say nothing to it; leave "
                "item_features out."
            )
        table = model.item_embedding
        table.projection.assign(self.numbers, self.classes)


def read_item_inputs(
    config: TrainConfig, data: SequenceDataset
) -> ItemInputs | None:
    """Reads the features that a run is trained with, if there are any.

    Numbers are standardised over the items of the data that the file names;
    the other items of the data are known by their ids alone.

    Args:
        config: the configuration of the run; its `item_features` count.
        data: the data set.

    Raises:
        DataError: the file cannot be used, see `read_item_features`.
        UserError: it names no item of the data.
    """
    if not config.item_features:
        return None
    features = read_item_features(config.item_features)
    rows = pd.Index(np.asarray(data.item_ids, object)).get_indexer(features.ids)
    known = features.rows(np.flatnonzero(rows >= 0))
    rows = rows[rows >= 0] + 1
    if not len(rows):
        raise UserError(
            f"{config.item_features} names none of the {data.num_items:,} "
            "items of the data; its ids are to be those of the log."
        )
    if missing := data.num_items - len(rows):
        logger.warning(
            "%s of %s items have no features; they are known by their ids "
            "alone.",
            f"{missing:,}",
            f"{data.num_items:,}",
        )
    columns = FeatureColumns.of(known)
    ids = columns.class_ids(known)
    counts = np.array([len(some) for some in ids])
    width = max(room_for_classes(counts), min(1, columns.num_classes))
    if more := int((counts > width).sum()):
        logger.info(
            "%s items have more than %s classes, of which the first %s count.",
            f"{more:,}",
            width,
            width,
        )
    columns = replace(columns, most_classes=width)
    numbers = np.zeros((data.num_items + 1, columns.num_numbers))
    numbers[rows] = columns.number_table(known)
    classes = np.zeros((data.num_items + 1, width), np.int32)
    classes[rows] = class_table(ids, width)
    return ItemInputs(columns, numbers, classes)
